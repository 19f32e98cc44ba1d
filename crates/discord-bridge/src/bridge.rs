//! Answers requests for channels: decides, joins the voice channel, and leaves it when the channel is over.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bridge_kit::channel::AnswerHandler;
use bridge_kit::matrix::{Fault, LinkChange, Links, MatrixClient, MatrixError, OwnedRoomId, RoomId};
use bridge_kit::media::{MediaPool, RoomMedia};
use bridge_kit::supervise::{self, Task};
use serde_json::{Value, json};
use signalling::{CloseReason, Refusal, RejectReason};
use tokio::sync::mpsc;

use crate::admission::JoinBudget;
use crate::announcement;
use crate::config::Discord;
use crate::gateway::api::{self, SharedHttp};
use crate::gateway::facts::{ChannelId, GuildId, Place, UserId, VoiceChannel};
use crate::gateway::{Connection, Directory, GatewayEvent};
use crate::links::Target;
use crate::standing::{self, Ending};
use crate::table::Table;
use crate::voice::driver::{Driver, Session};
use crate::voice::event::{JoinError, Loss};
use crate::voice::listener::Admit;
use crate::voice::metrics;

/// How long the gateway may take to say who took the bot out of a channel, once the voice server has closed the connection.
const REASON_WAIT: Duration = Duration::from_secs(1);

/// Rooms remembered as once bridged, so that they are told "no longer" and not "not".
const MAX_REMEMBERED: usize = 4096;

/// A call that must end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) room: OwnedRoomId,
    pub(crate) ending: Ending,
}

/// What the bridge is made of.
pub(crate) struct Parts {
    pub(crate) discord: Discord,
    pub(crate) driver: Driver,
    pub(crate) directory: Directory,
    pub(crate) connection: Arc<Connection>,
    pub(crate) links: Links,
    pub(crate) matrix: MatrixClient,
    pub(crate) pool: MediaPool,
    /// Where calls are reported that must end.
    pub(crate) ended: mpsc::Sender<Ended>,
}

/// The bridge: rooms on one side, voice channels on the other.
pub(crate) struct Bridge {
    parts: Parts,
    http: SharedHttp,
    table: Mutex<Table<Joined>>,
    budget: Mutex<JoinBudget>,
    once_linked: Mutex<HashSet<OwnedRoomId>>,
}

/// A voice channel that was joined for a room.
struct Joined {
    session: Session,
    _watch: Task<()>,
}

impl Bridge {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let known_bridges = parts.discord.known_bridges.iter().copied().map(UserId).collect();
        Arc::new(Self {
            http: Arc::new(api::http(&parts.discord)),
            table: Mutex::new(Table::new(parts.discord.max_channels, known_bridges)),
            budget: Mutex::default(),
            once_linked: Mutex::default(),
            parts,
        })
    }

    /// Joins the voice channel that a room is bridged to.
    async fn join(&self, room: &RoomId) -> Result<RoomMedia, Refusal> {
        let target = self.target(room).await?;
        let place = self.place(target.guild, target.channel).await;
        let claim = self.claim(room, &place)?;
        let media = self.parts.pool.room(room.as_str());
        let (report, losses) = mpsc::channel(1);
        let session = self
            .parts
            .driver
            .join(claim.at, &media, self.admit(claim.at.guild), report)
            .await
            .map_err(|error| refusal(&error))?;
        let joined = Joined {
            session,
            _watch: self.watch(room, &media, losses),
        };
        // A claim that was lost while joining is a link that was removed; the session is dropped, which leaves the channel.
        lock(&self.table)
            .joined(room, joined)
            .map_err(|_| no_longer_bridged())?;
        self.announce(room, claim.keep());
        metrics::channels().increment(1);
        tracing::info!("joined a voice channel");
        Ok(media)
    }

    async fn target(&self, room: &RoomId) -> Result<Target, Refusal> {
        let link = self
            .parts
            .links
            .resolve(room)
            .await
            .map_err(|error| unreadable(&error))?;
        let Some(link) = link else {
            return Err(self.unlinked(room).await);
        };
        let target = Target::of(&link)?;
        let mut once_linked = lock(&self.once_linked);
        if once_linked.len() < MAX_REMEMBERED {
            once_linked.insert(room.to_owned());
        }
        Ok(target)
    }

    async fn unlinked(&self, room: &RoomId) -> Refusal {
        if lock(&self.once_linked).contains(room) {
            return no_longer_bridged();
        }
        let untrusted = self.parts.links.untrusted(room).await.unwrap_or_default();
        not_bridged(!untrusted.is_empty())
    }

    async fn place(&self, guild: Option<GuildId>, channel: ChannelId) -> Place {
        match self.parts.directory.place(guild, channel) {
            Place::UnknownChannel if api::is_hidden(&self.http, channel).await => Place::HiddenChannel,
            place => place,
        }
    }

    fn claim<'a>(&'a self, room: &'a RoomId, place: &Place) -> Result<Claim<'a>, Refusal> {
        let at = lock(&self.table).claim(room, place)?;
        let claim = Claim {
            bridge: self,
            room,
            at,
            kept: false,
        };
        lock(&self.budget).take(Instant::now())?;
        Ok(claim)
    }

    /// Who is heard: not ourselves, no known bridge, nobody on the ignore list, and bots as configured.
    fn admit(&self, guild: GuildId) -> Admit {
        let Discord {
            ignore_users,
            known_bridges,
            bridge_bots,
            ..
        } = &self.parts.discord;
        let mut never: HashSet<UserId> = ignore_users.iter().chain(known_bridges).copied().map(UserId).collect();
        never.extend(self.parts.directory.bot());
        let (directory, bridge_bots) = (self.parts.directory.clone(), *bridge_bots);
        Arc::new(move |user| !never.contains(&user) && (bridge_bots || !directory.is_bot(guild, user)))
    }

    /// Reports what ends a call from within: a voice connection that the driver could not bring back, or a broken engine.
    fn watch(&self, room: &RoomId, media: &RoomMedia, mut losses: mpsc::Receiver<Loss>) -> Task<()> {
        let (room, media, ended) = (room.to_owned(), media.clone(), self.parts.ended.clone());
        supervise::spawn("discord.channel", room.clone(), async move {
            let ending = tokio::select! {
                () = media.failed() => Ending::new(CloseReason::InternalError, "the media engine of the room failed"),
                Some(loss) = losses.recv() => {
                    if loss.is_removal() {
                        tokio::time::sleep(REASON_WAIT).await;
                    }
                    Ending::new(CloseReason::DiscordLimit, loss.to_string())
                }
            };
            // The receiver is only gone when the bridge stops, which ends the call anyway.
            let _ = ended.send(Ended { room, ending }).await;
        })
    }

    fn announce(&self, room: &RoomId, at: VoiceChannel) {
        if self.parts.discord.announce {
            let post = announcement::post(
                Arc::clone(&self.http),
                self.parts.matrix.clone(),
                room.to_owned(),
                at.channel,
            );
            supervise::spawn("discord.announce", room, post).detach();
        }
    }

    async fn leave(&self, room: &RoomId) {
        let joined = lock(&self.table).release(room);
        metrics::channels().decrement(1);
        if let Some(Joined { session, .. }) = joined {
            session.leave().await;
            tracing::info!("left a voice channel");
        }
    }

    /// Calls that a change on Discord ends.
    pub(crate) async fn judge(&self, event: GatewayEvent) -> Vec<Ended> {
        let (GatewayEvent::BotMoved(guild) | GatewayEvent::GuildChanged(guild)) = event;
        let joined = lock(&self.table).joined_in(guild);
        let mut ended = Vec::new();
        for (room, at) in joined {
            let judgement = match event {
                GatewayEvent::BotMoved(_) => standing::of_bot(self.parts.directory.bot_place(guild), at),
                GatewayEvent::GuildChanged(_) => standing::of_channel(&self.place(Some(guild), at.channel).await),
            };
            ended.extend(judgement.err().map(|ending| Ended { room, ending }));
        }
        ended
    }

    /// A room's link has changed. What leads elsewhere, or nowhere, is silent from this moment on.
    pub(crate) fn relink(&self, change: &LinkChange) -> Option<Ended> {
        let mut table = lock(&self.table);
        let at = table.channel(&change.room_id)?;
        let target = change.link.as_ref().and_then(|link| Target::of(link).ok());
        if target.is_some_and(|target| target.is(at)) {
            return None;
        }
        let session = table.unlink(&change.room_id);
        drop(table);
        // Dropped here: nothing is heard or said from now on, while the farewells take their time.
        drop(session?);
        let text = "the link between the room and the Discord channel was removed or changed";
        Some(Ended {
            room: change.room_id.clone(),
            ending: Ending::new(CloseReason::NoLongerBridged, text),
        })
    }

    /// For `/status`.
    pub(crate) fn status(&self) -> Value {
        let table = lock(&self.table);
        let channels: Vec<Value> = table
            .seats()
            .map(|seat| {
                json!({
                    "room": seat.room,
                    "guild": seat.at.guild.to_string(),
                    "channel": seat.at.channel.to_string(),
                    "name": seat.name,
                    "voice": seat.session.map(|joined| joined.session.stats()),
                })
            })
            .collect();
        json!({
            "gateway": self.parts.connection.state().name(),
            "connections": self.parts.connection.connections(),
            "guilds": self.parts.directory.guilds(),
            "channels": channels,
        })
    }
}

/// A room's claim on a voice channel; given up unless it is kept.
struct Claim<'a> {
    bridge: &'a Bridge,
    room: &'a RoomId,
    at: VoiceChannel,
    kept: bool,
}

impl Claim<'_> {
    fn keep(mut self) -> VoiceChannel {
        self.kept = true;
        self.at
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.kept {
            let unjoined = lock(&self.bridge.table).release(self.room);
            drop(unjoined);
        }
    }
}

/// The bridge as the signalling sees it.
pub(crate) struct Answers(pub(crate) Arc<Bridge>);

impl AnswerHandler for Answers {
    async fn open(&self, room: &RoomId) -> Result<RoomMedia, Refusal> {
        self.0.join(room).await
    }

    async fn closed(&self, room: &RoomId, ending: Option<&signalling::Ending>) {
        tracing::debug!(?ending, "a channel is over, or its voice channel to be entered anew");
        self.0.leave(room).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_bridged(by_strangers: bool) -> Refusal {
    let text = if by_strangers {
        "the room names a Discord channel, but whoever set that is not among this bridge's links.trusted_bridges"
    } else {
        "the room is not bridged to a Discord voice channel"
    };
    Refusal::new(RejectReason::NotBridged, text)
}

fn no_longer_bridged() -> Refusal {
    Refusal::new(
        RejectReason::NoLongerBridged,
        "the room is no longer bridged to a Discord voice channel",
    )
}

fn unreadable(error: &MatrixError) -> Refusal {
    match error.fault() {
        Fault::Forbidden | Fault::NotFound => Refusal::new(
            RejectReason::NotBridged,
            "the Discord bridge's bot is not in the room and cannot see what it is bridged to; invite it",
        ),
        _ => {
            let text = format!("the Discord bridge cannot read what the room is bridged to: {error}");
            Refusal::new(RejectReason::InternalError, text).retry_after(Duration::from_secs(10))
        }
    }
}

/// What a failed join means to the side that asked.
fn refusal(error: &JoinError) -> Refusal {
    let reason = match error {
        // The driver speaks DAVE; a server that will not have its version needs what this bridge cannot do.
        JoinError::Lost(Loss::Closed(4017)) => RejectReason::NoCapability,
        JoinError::Superseded | JoinError::Playback => RejectReason::InternalError,
        JoinError::Offline | JoinError::NoAnswer(_) | JoinError::Lost(_) => RejectReason::DiscordLimit,
    };
    let refusal = Refusal::new(reason.clone(), error.to_string());
    if reason == RejectReason::NoCapability {
        refusal
    } else {
        refusal.retry_after(Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S8: what Discord says while joining comes out as what it is, in its own words.
    #[test]
    fn a_failed_join_is_a_refusal_with_its_cause() {
        let cases = [
            (JoinError::Offline, RejectReason::DiscordLimit, "gateway"),
            (
                JoinError::NoAnswer(Duration::from_secs(8)),
                RejectReason::DiscordLimit,
                "within 8 s",
            ),
            (
                JoinError::Lost(Loss::Closed(4006)),
                RejectReason::DiscordLimit,
                "session no longer valid (4006)",
            ),
            (
                JoinError::Lost(Loss::Closed(4021)),
                RejectReason::DiscordLimit,
                "rate limited (4021)",
            ),
            (JoinError::Lost(Loss::Closed(4017)), RejectReason::NoCapability, "DAVE"),
            (JoinError::Playback, RejectReason::InternalError, "driver"),
        ];
        for (error, reason, words) in cases {
            let refusal = refusal(&error);
            assert_eq!(refusal.reason, reason, "{error:?}");
            assert!(refusal.text.contains(words), "{:?} says {words:?}", refusal.text);
        }
    }
}
