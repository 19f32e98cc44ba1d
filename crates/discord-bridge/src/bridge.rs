//! Answers requests for channels: decides, joins the voice channel, and leaves it when the channel is over.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bridge_kit::channel::{AnswerHandler, Audience, Entered, Person};
use bridge_kit::matrix::{LinkChange, Links, MatrixClient, OwnedRoomId, RoomEvent, RoomId};
use bridge_kit::media::{MediaPool, RoomMedia};
use bridge_kit::supervise::{self, Task};
use serde_json::{Value, json};
use signalling::{CloseReason, Refusal};
use tokio::sync::{mpsc, watch};

use crate::admission::JoinBudget;
use crate::announcement;
use crate::config::{Discord, People};
use crate::gateway::api::{self, SharedHttp};
use crate::gateway::facts::{self, ChannelFacts, ChannelId, GuildId, Place, UserId, VoiceChannel};
use crate::gateway::{Connection, Directory, GatewayEvent};
use crate::instruments;
use crate::introduction;
use crate::links::Target;
use crate::presence::status::Status;
use crate::refusals::{no_longer_bridged, not_bridged, unjoined, unreadable};
use crate::speaker_ids::SpeakerIds;
use crate::stage;
use crate::standing::{self, Ending};
use crate::table::Table;
use crate::voice::driver::{Driver, Session};
use crate::voice::event::Loss;
use crate::voice::line::{self, LineWatch};
use crate::voice::listener::{Admit, Admitted};

/// Rooms remembered as once bridged, so that they are told "no longer" and not "not".
const MAX_REMEMBERED: usize = 4096;

/// How long a room that enters its voice channel anew may take for it without being announced there again.
const RETURN: Duration = Duration::from_mins(2);

/// A call that must end, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) room: OwnedRoomId,
    pub(crate) ending: Ending,
}

/// What befalls a call from within.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It must end.
    Over(Ended),
    /// The line to its voice server is lost: the voice channel is to be left and entered anew.
    Lost {
        /// Whose call it is.
        room: OwnedRoomId,
        /// How it was lost.
        loss: Loss,
    },
}

/// What the bridge is made of.
pub(crate) struct Parts {
    pub(crate) http: SharedHttp,
    pub(crate) discord: Discord,
    pub(crate) people: People,
    pub(crate) driver: Driver,
    pub(crate) directory: Directory,
    pub(crate) connection: Arc<Connection>,
    pub(crate) links: Links,
    pub(crate) matrix: MatrixClient,
    pub(crate) pool: MediaPool,
    /// Names callers in voice channels, where that is set.
    pub(crate) status: Option<Status>,
    /// Where calls are reported that cannot go on as they are.
    pub(crate) troubles: mpsc::Sender<Trouble>,
}

/// The bridge: rooms on one side, voice channels on the other.
pub(crate) struct Bridge {
    parts: Parts,
    table: Mutex<Table<Joined>>,
    budget: Mutex<JoinBudget>,
    once_linked: Mutex<HashSet<OwnedRoomId>>,
    /// Rooms whose voice channel was left in order to enter it anew, and when.
    returning: Mutex<HashMap<OwnedRoomId, Instant>>,
}

/// Given to whoever is there, and to whoever speaks before it is known that he is.
type SharedIds = Arc<Mutex<SpeakerIds>>;

/// A voice channel that was joined for a room.
struct Joined {
    session: Session,
    people: watch::Sender<Vec<Person>>,
    ids: SharedIds,
    _watch: Task<()>,
}

impl Bridge {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let known_bridges = parts.discord.known_bridges.iter().copied().map(UserId).collect();
        Arc::new(Self {
            table: Mutex::new(Table::new(parts.discord.max_channels, known_bridges)),
            budget: Mutex::default(),
            once_linked: Mutex::default(),
            returning: Mutex::default(),
            parts,
        })
    }

    /// Joins the voice channel that a room is bridged to.
    async fn join(&self, room: &RoomId) -> Result<Entered, Refusal> {
        let target = self.target(room).await?;
        let place = self.place(target.guild, target.channel).await;
        let claim = self.claim(room, &place)?;
        let media = self.parts.pool.room(room.as_str());
        let (state, line) = line::line();
        let ids = SharedIds::default();
        let session = self
            .parts
            .driver
            .join(claim.at, &media, self.admit(claim.at.guild, &ids), state)
            .await
            .map_err(|error| unjoined(&error))?;
        session.set_audience(self.audience(claim.at));
        let people = watch::Sender::new(self.people(claim.at, &ids).unwrap_or_default());
        let channel = Entered {
            people: people.subscribe(),
            audience: session.audience(),
            media: media.clone(),
        };
        let joined = Joined {
            session,
            people,
            ids,
            _watch: self.watch(room, &media, line),
        };
        // A claim that was lost while joining is a link that was removed; the session is dropped, which leaves the channel.
        lock(&self.table)
            .joined(room, joined)
            .map_err(|_| no_longer_bridged())?;
        let at = claim.keep();
        self.take_floor(room, &place, at);
        if !self.returns(room) {
            self.announce(room, at);
        }
        if let Some(status) = &self.parts.status {
            status.open(room, at).await;
        }
        instruments::CHANNELS.get().increment(1);
        tracing::info!("joined a voice channel");
        Ok(channel)
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
            Place::UnknownChannel if api::is_hidden(&self.parts.http, channel).await => Place::HiddenChannel,
            place => place,
        }
    }

    fn claim<'a>(&'a self, room: &'a RoomId, place: &Place) -> Result<Claim<'a>, Refusal> {
        let at = lock(&self.table).claim(room, place, self.parts.pool.overload())?;
        let claim = Claim {
            bridge: self,
            room,
            at,
            kept: false,
        };
        lock(&self.budget).take(Instant::now())?;
        Ok(claim)
    }

    /// Who is heard, and by which id: not ourselves, no known bridge, nobody on the ignore list, and bots as configured.
    fn admit(&self, guild: GuildId, ids: &SharedIds) -> Admit {
        let Discord {
            ignore_users,
            known_bridges,
            bridge_bots,
            ..
        } = &self.parts.discord;
        let mut never: HashSet<UserId> = ignore_users.iter().chain(known_bridges).copied().map(UserId).collect();
        never.extend(self.parts.directory.bot());
        let (directory, bridge_bots, ids) = (self.parts.directory.clone(), *bridge_bots, Arc::clone(ids));
        Arc::new(move |user| {
            let heard = !never.contains(&user) && (bridge_bots || !directory.is_bot(guild, user));
            heard.then(|| Admitted {
                speaker: lock(&ids).of(user, Instant::now()),
            })
        })
    }

    /// Reports what a call cannot overcome by itself: a line to the voice server that the driver could not bring back, and a
    /// broken engine. Who takes the bot out of the channel is told by the gateway, sooner than the line is found lost.
    fn watch(&self, room: &RoomId, media: &RoomMedia, mut line: LineWatch) -> Task<()> {
        let (room, media, troubles) = (room.to_owned(), media.clone(), self.parts.troubles.clone());
        supervise::spawn("discord.channel", room.clone(), async move {
            let trouble = tokio::select! {
                () = media.failed() => {
                    let ending = Ending::new(CloseReason::InternalError, "the media engine of the room failed");
                    Trouble::Over(Ended { room, ending })
                }
                loss = line.lost() => Trouble::Lost { room, loss },
            };
            // The receiver is only gone when the bridge stops, which ends the call anyway.
            let _ = troubles.send(trouble).await;
        })
    }

    fn take_floor(&self, room: &RoomId, place: &Place, at: VoiceChannel) {
        if let Some(floor) = stage::floor(place) {
            let taking = stage::take_floor(Arc::clone(&self.parts.http), at, floor);
            supervise::spawn("discord.stage", room, taking).detach();
        }
    }

    fn announce(&self, room: &RoomId, at: VoiceChannel) {
        if self.parts.discord.announce {
            let post = announcement::post(
                Arc::clone(&self.parts.http),
                self.parts.matrix.clone(),
                room.to_owned(),
                at.channel,
            );
            supervise::spawn("discord.announce", room, post).detach();
        }
    }

    /// Whether the room was in its voice channel a moment ago; people there need not be told again.
    fn returns(&self, room: &RoomId) -> bool {
        let left = lock(&self.returning).remove(room);
        left.is_some_and(|left| left.elapsed() < RETURN)
    }

    /// Leaves the voice channel, in order to enter it anew.
    async fn leave_to_return(&self, room: &RoomId) {
        {
            let mut returning = lock(&self.returning);
            returning.retain(|_, left| left.elapsed() < RETURN);
            returning.insert(room.to_owned(), Instant::now());
        }
        self.leave(room).await;
    }

    async fn leave(&self, room: &RoomId) {
        if let Some(status) = &self.parts.status {
            status.close(room).await;
        }
        let joined = lock(&self.table).release(room);
        instruments::CHANNELS.get().decrement(1);
        if let Some(Joined { session, .. }) = joined {
            session.leave().await;
            tracing::info!("left a voice channel");
        }
    }

    /// Who is in a voice channel, as the other bridge is told; none while nobody can say.
    fn people(&self, at: VoiceChannel, ids: &SharedIds) -> Option<Vec<Person>> {
        let directory = &self.parts.directory;
        let people = directory.people(at)?;
        let (mut ids, now) = (lock(ids), Instant::now());
        ids.meet(&people, now);
        let introduced = people.into_iter().filter_map(|user| {
            let speaker = ids.of(user, now);
            // Whoever cannot be shown as a speaker is not worth the bytes of a name.
            introduction::of(user, speaker.map(|speaker| (speaker, directory.face(at.guild, user))))
        });
        Some(introduced.collect())
    }

    /// Who hears what is said in a voice channel; somebody, while nobody can say.
    fn audience(&self, at: VoiceChannel) -> Audience {
        let crowd = self.parts.directory.crowd(Some(at.guild), at.channel);
        let counts = |person: &facts::Person| person.hears() && (!person.bot || self.parts.people.bots_listen);
        let audience = Audience {
            listening: crowd.is_none_or(|crowd| crowd.iter().any(counts)),
            ..Audience::UNKNOWN
        };
        match self.parts.directory.place(Some(at.guild), at.channel) {
            Place::Known(ChannelFacts {
                bitrate: Some(bits), ..
            }) => audience.within(bits),
            _ => audience,
        }
    }

    /// Somebody came, left or changed in a guild.
    fn count_people(&self, guild: GuildId) {
        let table = lock(&self.table);
        for seat in table.seats().filter(|seat| seat.at.guild == guild) {
            let Some(joined) = seat.session else { continue };
            joined.session.set_audience(self.audience(seat.at));
            if let Some(people) = self.people(seat.at, &joined.ids) {
                joined.people.send_if_modified(|told| {
                    let changed = *told != people;
                    *told = people;
                    changed
                });
            }
        }
    }

    /// Takes note of a change on Discord; gives the calls that it ends.
    pub(crate) async fn changed(&self, event: GatewayEvent) -> Vec<Ended> {
        let guild = match event {
            GatewayEvent::PeopleMoved(guild) | GatewayEvent::PeopleChanged(guild) => {
                self.count_people(guild);
                return Vec::new();
            }
            GatewayEvent::GuildChanged(guild) => {
                // A channel's limit may be another.
                self.count_people(guild);
                guild
            }
            GatewayEvent::BotMoved(guild) => guild,
        };
        let joined = lock(&self.table).joined_in(guild);
        let mut ended = Vec::new();
        for (room, at) in joined {
            let judgement = match event {
                GatewayEvent::BotMoved(_) => standing::of_bot(self.parts.directory.bot_place(guild), at),
                _ => standing::of_channel(&self.place(Some(guild), at.channel).await),
            };
            ended.extend(judgement.err().map(|ending| Ended { room, ending }));
        }
        ended
    }

    /// Something has happened in a room.
    pub(crate) async fn heed(&self, event: &RoomEvent) {
        if let Some(status) = &self.parts.status {
            status.heed(event).await;
        }
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
                    "heard": seat.session.map(|joined| joined.session.audience().borrow().listening),
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
    async fn open(&self, room: &RoomId) -> Result<Entered, Refusal> {
        self.0.join(room).await
    }

    async fn closed(&self, room: &RoomId, ending: Option<&signalling::Ending>) {
        tracing::debug!(?ending, "a channel is over, or its voice channel to be entered anew");
        match ending {
            Some(_) => self.0.leave(room).await,
            None => self.0.leave_to_return(room).await,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
