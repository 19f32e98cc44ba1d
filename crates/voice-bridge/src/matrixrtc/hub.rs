//! Gives each event to the session of its room, and starts sessions where somebody is in the call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::{OwnedRoomId, OwnedUserId, RoomEvent, RoomId};
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;

use super::config::MatrixRtc;
use super::event::RoomFact;
use super::outbox::Surroundings;
use super::session::{Picture, Session};
use super::snapshot::Snapshot;

/// Rooms whose calls may be followed at a time.
const MAX_ROOMS: usize = 512;
/// Events that may wait while a room is read.
const MAX_MISSED: usize = 256;

/// Reads rooms.
pub trait Reader: Send + Sync + 'static {
    /// What a room says of its call; `None` where its calls are not taken, or it cannot be read.
    fn read(&self, room: &RoomId) -> BoxFuture<'static, Option<Snapshot>>;
}

/// Who the bridge is in all calls.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The section of the configuration.
    pub config: MatrixRtc,
    /// The bridge's bot.
    pub user: OwnedUserId,
    /// The other bridge's.
    pub peer: OwnedUserId,
    /// The id of the memberships of this run.
    pub member_id: String,
}

/// The calls of all rooms.
pub struct Hub {
    surroundings: Surroundings,
    reader: Arc<dyn Reader>,
    identity: Identity,
    rooms: HashMap<OwnedRoomId, Followed>,
    readings: FuturesUnordered<BoxFuture<'static, Read>>,
    /// Counts readings.
    last: u64,
}

/// What came out of a reading.
struct Read {
    room: OwnedRoomId,
    reading: u64,
    snapshot: Option<Snapshot>,
}

/// How far a room is.
enum Followed {
    /// It is being read; what happens meanwhile comes after.
    Reading {
        reading: u64,
        missed: Vec<RoomEvent>,
        /// More was missed than fits: it is to be read once more.
        again: bool,
    },
    /// Its call is followed.
    Running(Session),
}

/// A room's call that is followed from now on.
#[derive(Debug)]
pub struct Started {
    /// The room.
    pub room: OwnedRoomId,
    /// Its call; closed when it is not followed any more.
    pub picture: watch::Receiver<Picture>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("rooms", &self.rooms.len())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// Prepares for calls.
    pub fn new(surroundings: Surroundings, reader: Arc<dyn Reader>, identity: Identity) -> Self {
        Self {
            surroundings,
            reader,
            identity,
            rooms: HashMap::new(),
            readings: FuturesUnordered::new(),
            last: 0,
        }
    }

    /// Takes a room's event. The first membership in a room starts its session.
    pub fn handle(&mut self, event: &RoomEvent) {
        let room = &event.room_id;
        if self.is_our_leaving(event) {
            return self.forget(room);
        }
        match self.rooms.get_mut(room) {
            Some(Followed::Reading { missed, .. }) if missed.len() < MAX_MISSED => missed.push(event.clone()),
            Some(Followed::Reading { again, .. }) => *again = true,
            Some(Followed::Running(session)) if session.handle(event).is_err() => self.follow(room),
            None if joins(event) => self.examine(room),
            Some(Followed::Running(_)) | None => {}
        }
    }

    /// Looks whether somebody is in the call of a room: at start, after the bot came into it, after it was linked.
    pub fn examine(&mut self, room: &RoomId) {
        if !self.rooms.contains_key(room) && self.rooms.len() < MAX_ROOMS {
            self.follow(room);
        }
    }

    /// The SFU that the bridge publishes on in this room lets it in no more.
    pub fn focus_lost(&mut self, room: &RoomId) {
        if let Some(Followed::Running(session)) = self.rooms.get(room)
            && session.focus_lost().is_err()
        {
            self.follow(room);
        }
    }

    /// Follows the call of a room no more, without a goodbye: the bot is out of it, or its delayed leave says it.
    pub fn forget(&mut self, room: &RoomId) {
        self.rooms.remove(room);
    }

    /// The next room whose call is followed. Cancel-safe; pending for ever while there is none.
    pub async fn next(&mut self) -> Started {
        loop {
            let Some(read) = self.readings.next().await else {
                return std::future::pending().await;
            };
            if let Some(started) = self.on_read(read) {
                return started;
            }
        }
    }

    /// Leaves all calls, for at most `limit`.
    pub async fn stop(self, limit: Duration) {
        let sessions = self.rooms.into_values().filter_map(|followed| match followed {
            Followed::Running(session) => Some(session.stop(limit)),
            Followed::Reading { .. } => None,
        });
        join_all(sessions).await;
    }

    fn is_our_leaving(&self, event: &RoomEvent) -> bool {
        matches!(event.membership(), Some((user, "leave" | "ban")) if user == self.identity.user.as_str())
    }

    /// Reads a room, and starts its session from there. An earlier one is given up.
    fn follow(&mut self, room: &RoomId) {
        self.last += 1;
        let (room, reading, snapshot) = (room.to_owned(), self.last, self.reader.read(room));
        let followed = Followed::Reading {
            reading,
            missed: Vec::new(),
            again: false,
        };
        self.rooms.insert(room.clone(), followed);
        self.readings.push(Box::pin(async move {
            let snapshot = snapshot.await;
            Read {
                room,
                reading,
                snapshot,
            }
        }));
    }

    fn on_read(&mut self, read: Read) -> Option<Started> {
        let Read { room, snapshot, .. } = read;
        let (missed, again) = match self.rooms.get_mut(&room)? {
            Followed::Reading { reading, missed, again } if *reading == read.reading => {
                (std::mem::take(missed), *again)
            }
            // The room was given up meanwhile, or is read once more.
            Followed::Reading { .. } | Followed::Running(_) => return None,
        };
        self.rooms.remove(&room);
        if again {
            self.follow(&room);
            return None;
        }
        let snapshot = snapshot.filter(|snapshot| snapshot.has_members() || missed.iter().any(joins))?;
        let Identity {
            config,
            user,
            peer,
            member_id,
        } = &self.identity;
        let setup = snapshot.setup(config, user, peer, member_id.clone());
        let session = Session::start(self.surroundings.clone(), &room, setup, snapshot.facts);
        for event in &missed {
            // It was just started, with a queue longer than this.
            let _ = session.handle(event);
        }
        let picture = session.picture();
        self.rooms.insert(room.clone(), Followed::Running(session));
        Some(Started { room, picture })
    }
}

/// Whether an event puts somebody into a call.
fn joins(event: &RoomEvent) -> bool {
    matches!(RoomFact::from_event(event), Ok(Some(RoomFact::Member(member))) if !member.memberships.is_empty())
}
