//! The status of a voice channel names who is in the Matrix call, where that is set.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bridge_kit::matrix::{MatrixClient, MatrixError, OwnedRoomId, OwnedUserId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task};
use serde_json::json;
use serenity::prelude::SerenityError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::callers::{self, CALL, Callers, MEMBERSHIP, NAMED};
use super::ledger::{Outcome, Terms, Write};
use super::pace::Pace;
use super::unix_millis;
use super::writer::{Writer, Writing};
use crate::gateway::api::{self, SharedHttp};
use crate::gateway::facts::VoiceChannel;

/// How fast statuses are set, all channels together. Discord does not say what it bears; it asks for patience where it is more.
const BURST: u32 = 5;
const EVERY: Duration = Duration::from_secs(5);

/// The patience that it gets.
const PATIENCE: Duration = Duration::from_secs(10);

/// Voice channels with a status at once.
const MOST: usize = 1_024;

/// Events that may wait; they are taken in at once.
const QUEUE: usize = 256;

/// How long a channel is not left because its status is being taken back.
const FAREWELL: Duration = Duration::from_secs(1);

/// Events of calls that are read of a room when the bot comes into its voice channel.
const RECENT: u32 = 50;

/// How often it is looked whose membership has ended without a word.
const LOOK: Duration = Duration::from_mins(1);

/// Names callers in voice channels. Dropping it ends that.
pub(crate) struct Status {
    /// Rooms whose voice channel the bot is in.
    open: Arc<Mutex<HashSet<OwnedRoomId>>>,
    news: mpsc::Sender<News>,
    _task: Task<()>,
}

enum News {
    Opened(OwnedRoomId, VoiceChannel),
    /// The bot is about to leave the room's voice channel; the answer is that its status is taken back.
    Closing(OwnedRoomId, oneshot::Sender<()>),
    Event(RoomEvent),
}

impl Status {
    /// `peer` is the bridge that answers the rooms' calls.
    pub(crate) fn start(http: SharedHttp, matrix: MatrixClient, peer: OwnedUserId) -> Self {
        let (news, told) = mpsc::channel(QUEUE);
        let desk = Desk {
            http,
            matrix,
            peer,
            rooms: BTreeMap::new(),
            reading: Vec::new(),
            leaving: BTreeMap::new(),
            writer: Writer::new(Terms {
                pace: Pace::new(BURST, EVERY),
                hold: Duration::ZERO,
                most: MOST,
            }),
        };
        Self {
            open: Arc::default(),
            news,
            _task: supervise::spawn("discord.status", "discord", desk.run(told)),
        }
    }

    /// The bot has come into a room's voice channel.
    pub(crate) async fn open(&self, room: &RoomId, at: VoiceChannel) {
        self.rooms().insert(room.to_owned());
        self.tell(News::Opened(room.to_owned(), at)).await;
    }

    /// Takes back the status of a room's voice channel, which only those may do who are in it.
    pub(crate) async fn close(&self, room: &RoomId) {
        if self.rooms().remove(room) {
            let (done, is_done) = oneshot::channel();
            self.tell(News::Closing(room.to_owned(), done)).await;
            // A channel that is left by the last one loses its status anyway.
            let _ = timeout(FAREWELL, is_done).await;
        }
    }

    /// Takes note of an event of any room.
    pub(crate) async fn heed(&self, event: &RoomEvent) {
        let matters = event.kind == MEMBERSHIP || event.kind.starts_with(CALL);
        if matters && self.rooms().contains(&event.room_id) {
            self.tell(News::Event(event.clone())).await;
        }
    }

    async fn tell(&self, news: News) {
        // The task ends with the program alone.
        let _ = self.news.send(news).await;
    }

    fn rooms(&self) -> MutexGuard<'_, HashSet<OwnedRoomId>> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a status says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    room: OwnedRoomId,
    callers: BTreeSet<OwnedUserId>,
}

/// A room whose voice channel the bot is in.
struct Room {
    at: VoiceChannel,
    callers: Callers,
    /// There while the room is read: what came meanwhile is newer.
    meanwhile: Option<Vec<RoomEvent>>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<RoomEvent>, MatrixError>> + Send>>;

struct Desk {
    http: SharedHttp,
    matrix: MatrixClient,
    peer: OwnedUserId,
    rooms: BTreeMap<OwnedRoomId, Room>,
    /// Rooms that are being read, one after the other.
    reading: Vec<(OwnedRoomId, Reading)>,
    /// Who waits for a channel's status to be taken back.
    leaving: BTreeMap<VoiceChannel, oneshot::Sender<()>>,
    writer: Writer<VoiceChannel, Said>,
}

enum Wakeup {
    News(Option<News>),
    Read(OwnedRoomId, Result<Vec<RoomEvent>, MatrixError>),
    Written(VoiceChannel, Outcome),
    Look,
}

impl Desk {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        loop {
            let (http, matrix) = (&self.http, &self.matrix);
            let wakeup = tokio::select! {
                news = news.recv() => Wakeup::News(news),
                (room, read) = next_read(&mut self.reading) => Wakeup::Read(room, read),
                (at, outcome) = self.writer.next(|write| set(http, matrix, write)) => Wakeup::Written(at, outcome),
                () = sleep(LOOK), if !self.rooms.is_empty() => Wakeup::Look,
            };
            match wakeup {
                Wakeup::News(None) => return,
                Wakeup::News(Some(News::Opened(room, at))) => self.on_opened(room, at),
                Wakeup::News(Some(News::Closing(room, done))) => self.on_closing(&room, done),
                Wakeup::News(Some(News::Event(event))) => self.on_event(event),
                Wakeup::Read(room, read) => self.on_read(&room, read),
                Wakeup::Written(at, outcome) => self.on_written(at, outcome),
                Wakeup::Look => self.look_everywhere(),
            }
        }
    }

    fn on_opened(&mut self, room: OwnedRoomId, at: VoiceChannel) {
        // It has come back before it was quite gone.
        self.leaving.remove(&at);
        let (matrix, place) = (self.matrix.clone(), room.clone());
        let reading: Reading = Box::pin(async move { read(&matrix, &place).await });
        self.reading.push((room.clone(), reading));
        let opened = Room {
            at,
            callers: Callers::default(),
            meanwhile: Some(Vec::new()),
        };
        self.rooms.insert(room, opened);
    }

    fn on_closing(&mut self, room: &RoomId, done: oneshot::Sender<()>) {
        self.reading.retain(|(read, _)| read != room);
        let Some(Room { at, .. }) = self.rooms.remove(room) else {
            return;
        };
        self.writer.ledger.wish(Instant::now(), at, None);
        if self.writer.ledger.knows(&at) {
            self.leaving.insert(at, done);
        }
    }

    fn on_event(&mut self, event: RoomEvent) {
        let Some(room) = self.rooms.get_mut(&event.room_id) else {
            return;
        };
        match &mut room.meanwhile {
            Some(meanwhile) if meanwhile.len() < QUEUE => meanwhile.push(event),
            Some(_) => {}
            None => {
                room.callers.take(&event, &self.peer);
                self.look(&event.room_id);
            }
        }
    }

    fn on_read(&mut self, id: &RoomId, read: Result<Vec<RoomEvent>, MatrixError>) {
        let Some(room) = self.rooms.get_mut(id) else {
            return;
        };
        let read = read.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot read who is in a call");
            Vec::new()
        });
        for event in read.into_iter().chain(room.meanwhile.take().into_iter().flatten()) {
            room.callers.take(&event, &self.peer);
        }
        self.look(id);
    }

    fn on_written(&mut self, at: VoiceChannel, outcome: Outcome) {
        if outcome == Outcome::Refused {
            tracing::warn!(
                "Discord does not let the bot set a voice channel's status; may it “Set Voice Channel Status”?"
            );
        }
        if let Some(done) = self.leaving.remove(&at) {
            self.writer.ledger.forget(&at);
            // Whoever waited may have lost his patience.
            let _ = done.send(());
        }
    }

    fn look_everywhere(&mut self) {
        let rooms: Vec<OwnedRoomId> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.look(&room);
        }
    }

    /// Has a voice channel's status say who is in the room's call now.
    fn look(&mut self, id: &RoomId) {
        let Some(room) = self.rooms.get(id).filter(|room| room.meanwhile.is_none()) else {
            return;
        };
        let callers = room.callers.present(unix_millis(), [&self.peer, self.matrix.bot()]);
        let said = (!callers.is_empty()).then(|| Said {
            room: id.to_owned(),
            callers,
        });
        self.writer.ledger.wish(Instant::now(), room.at, said);
    }
}

/// The next of the rooms that were read.
async fn next_read(reading: &mut Vec<(OwnedRoomId, Reading)>) -> (OwnedRoomId, Result<Vec<RoomEvent>, MatrixError>) {
    let Some((room, read)) = reading.first_mut() else {
        return std::future::pending().await;
    };
    let (room, read) = (room.clone(), read.await);
    drop(reading.remove(0));
    (room, read)
}

/// What a room tells of its call so far.
async fn read(matrix: &MatrixClient, room: &RoomId) -> Result<Vec<RoomEvent>, MatrixError> {
    let mut events = matrix.room_state(room).await?;
    events.retain(|event| event.kind == MEMBERSHIP);
    events.extend(matrix.recent_events(room, &["m.call.*"], RECENT).await?);
    Ok(events)
}

/// Sets the status of a voice channel.
fn set(http: &SharedHttp, matrix: &MatrixClient, write: Write<VoiceChannel, Said>) -> Writing {
    let (http, matrix) = (Arc::clone(http), matrix.impatient());
    Box::pin(async move {
        let text = match write.to {
            None => String::new(),
            Some(said) => callers::status(&names(&matrix, &said).await, said.callers.len()),
        };
        let change = json!({ "status": text });
        match http.edit_voice_status(write.key.channel.into(), &change, None).await {
            Ok(()) => Outcome::Written,
            Err(error) => outcome(&error),
        }
    })
}

/// What the first of the callers are called in their room.
async fn names(matrix: &MatrixClient, said: &Said) -> Vec<String> {
    let mut names = Vec::new();
    for user in said.callers.iter().take(NAMED) {
        let member = matrix.state_event(&said.room, "m.room.member", user.as_str()).await;
        let name = member.ok().flatten().and_then(|event| {
            let name = event.content.get("displayname")?.as_str()?.trim();
            (!name.is_empty()).then(|| name.to_owned())
        });
        names.push(name.unwrap_or_else(|| user.localpart().to_owned()));
    }
    names
}

fn outcome(error: &SerenityError) -> Outcome {
    match api::status(error) {
        Some(429) => Outcome::Limited(PATIENCE),
        Some(400..500) => Outcome::Refused,
        _ => Outcome::Failed,
    }
}
