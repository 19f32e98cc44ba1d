//! Gives each event to the session of its room, and starts sessions where somebody is in the call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::{OwnedRoomId, OwnedUserId, RoomEvent, RoomId};
use bridge_kit::supervise;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;

use super::board::Board;
use super::config::MatrixRtc;
use super::event::RoomFact;
use super::outbox::Surroundings;
use super::session::{Control, Picture, Session};
use super::snapshot::Snapshot;
use super::transport::Caller;

/// Rooms whose calls may be followed at a time.
const MAX_ROOMS: usize = 512;
/// Events that may wait while a room is read.
const MAX_MISSED: usize = 256;
/// How long a room is followed after its call.
const REST: Duration = Duration::from_secs(1);
/// How long a call that is not bridged any more may take to be left.
const GOODBYE: Duration = Duration::from_secs(30);

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
    /// Sessions whose call is over.
    rests: FuturesUnordered<BoxFuture<'static, OwnedRoomId>>,
    board: Board,
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
    /// By which its media reaches the membership.
    pub control: Control,
    /// Who the bridge is to its SFUs.
    pub caller: Caller,
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
            rests: FuturesUnordered::new(),
            board: Board::default(),
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
            Some(Followed::Running(session)) => {
                let overrun = session.handle(event).is_err();
                if overrun {
                    self.follow(room);
                }
            }
            None if joins(event) => self.examine(room),
            None => {}
        }
    }

    /// Looks whether somebody is in the call of a room: at start, after the bot came into it, after it was linked.
    pub fn examine(&mut self, room: &RoomId) {
        if !self.rooms.contains_key(room) && self.rooms.len() < MAX_ROOMS {
            self.follow(room);
        }
    }

    /// Follows the call of a room no more, and leaves it: the room is not bridged any longer.
    pub fn unbridged(&mut self, room: &RoomId) {
        if let Some(Followed::Running(session)) = self.remove(room) {
            // It ends by itself, since the homeserver is not waited for.
            supervise::spawn("matrixrtc.goodbye", room, session.stop(GOODBYE)).detach();
        }
    }

    /// Follows the call of a room no more, without a goodbye: the bot is out of it, or its delayed leave says it.
    pub fn forget(&mut self, room: &RoomId) {
        self.remove(room);
    }

    /// The next room whose call is followed. Cancel-safe; pending for ever while there is none.
    pub async fn next(&mut self) -> Started {
        loop {
            tokio::select! {
                Some(read) = self.readings.next() => {
                    if let Some(started) = self.on_read(read) {
                        return started;
                    }
                }
                Some(room) = self.rests.next() => self.on_rest(room),
                else => return std::future::pending().await,
            }
        }
    }

    /// The calls that are followed, for a status page.
    pub fn board(&self) -> Board {
        self.board.clone()
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

    fn remove(&mut self, room: &RoomId) -> Option<Followed> {
        self.board.take_down(room);
        self.rooms.remove(room)
    }

    /// A call was over a moment ago: if it still is, its room is looked at again when somebody joins.
    fn on_rest(&mut self, room: OwnedRoomId) {
        match self.rooms.get(&room) {
            Some(Followed::Running(session)) if session.rests() => {
                self.remove(&room);
            }
            Some(Followed::Running(session)) => self.rests.push(Box::pin(rested(room, session.picture()))),
            Some(Followed::Reading { .. }) | None => {}
        }
    }

    /// Reads a room, and starts its session from there. An earlier one is given up.
    fn follow(&mut self, room: &RoomId) {
        self.board.take_down(room);
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
        let caller = setup.caller(&room);
        let mut session = Session::start(self.surroundings.clone(), &room, setup, snapshot.facts);
        for event in &missed {
            // It was just started, with a queue longer than this.
            let _ = session.handle(event);
        }
        let (picture, control) = (session.picture(), session.control());
        self.board.put_up(&room, picture.clone());
        self.rests.push(Box::pin(rested(room.clone(), picture.clone())));
        self.rooms.insert(room.clone(), Followed::Running(session));
        Some(Started {
            room,
            picture,
            control,
            caller,
        })
    }
}

/// Waits until a call has been over for a while: people come back, by a page that is loaded again, say.
async fn rested(room: OwnedRoomId, mut picture: watch::Receiver<Picture>) -> OwnedRoomId {
    // An error says that its session has ended, and then there is nothing to wait for.
    let _ = picture.wait_for(|picture| picture.rests).await;
    tokio::time::sleep(REST).await;
    room
}

/// Whether an event puts somebody into a call.
fn joins(event: &RoomEvent) -> bool {
    matches!(RoomFact::from_event(event), Ok(Some(RoomFact::Member(member))) if !member.memberships.is_empty())
}
