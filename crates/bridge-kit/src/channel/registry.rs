//! Which rooms have a task, and how to reach it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ruma::{OwnedRoomId, RoomId};
use signalling::{CloseReason, Event};
use tokio::sync::{mpsc, watch};

use super::status::{ChannelStatus, RoomState};

/// Events that wait for a room's task. It takes them at once unless it is in trouble.
const INBOX: usize = 64;

/// What a room's own side wants of its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Its voice channel was lost, and is to be entered anew.
    Renew { text: String },
    /// It is to be closed.
    End { reason: CloseReason, text: String },
}

/// The last wish that was made, if one was. None follows the end.
pub(super) type Wishes = watch::Sender<Option<Wish>>;

/// The rooms that have a task.
#[derive(Debug)]
pub(super) struct Registry {
    rooms: Mutex<Rooms>,
    most: usize,
}

#[derive(Debug, Default)]
struct Rooms {
    by_id: BTreeMap<OwnedRoomId, Entry>,
    /// Tells the tasks that one room has had apart.
    registered: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    inbox: mpsc::Sender<Event>,
    wishes: Wishes,
    state: Arc<RoomState>,
}

/// What a room gets when it is registered.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) place: Place,
    /// Says what is wished of the room's task.
    pub(super) wishes: Wishes,
    pub(super) desk: Desk,
}

/// What a room's task works from.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) inbox: mpsc::Receiver<Event>,
    pub(super) wishes: watch::Receiver<Option<Wish>>,
    pub(super) state: Arc<RoomState>,
}

/// A room's place in the registry, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    room_id: OwnedRoomId,
    number: u64,
}

/// Why a room was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRegistered {
    /// It is already.
    Busy,
    /// There are too many.
    Full,
}

impl Registry {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            rooms: Mutex::default(),
            most,
        })
    }

    /// Gives a room its place.
    pub(super) fn register(self: &Arc<Self>, room_id: &RoomId) -> Result<Registered, NotRegistered> {
        let mut rooms = self.lock();
        if rooms.by_id.contains_key(room_id) {
            return Err(NotRegistered::Busy);
        }
        if rooms.by_id.len() >= self.most {
            return Err(NotRegistered::Full);
        }
        rooms.registered += 1;
        let number = rooms.registered;
        let (inbox, incoming) = mpsc::channel(INBOX);
        let (wishes, receiver) = watch::channel(None);
        let state = Arc::new(RoomState::new(room_id.to_owned()));
        let entry = Entry {
            number,
            inbox,
            wishes: wishes.clone(),
            state: Arc::clone(&state),
        };
        rooms.by_id.insert(room_id.to_owned(), entry);
        let place = Place {
            registry: Arc::clone(self),
            room_id: room_id.to_owned(),
            number,
        };
        Ok(Registered {
            place,
            wishes,
            desk: Desk {
                inbox: incoming,
                wishes: receiver,
                state,
            },
        })
    }

    /// Where to put the events of a room that has a task.
    pub(super) fn inbox(&self, room_id: &RoomId) -> Option<mpsc::Sender<Event>> {
        self.lock().by_id.get(room_id).map(|entry| entry.inbox.clone())
    }

    /// Says to the task of a room, if it has one, what is wished of its channel.
    pub(super) fn wish(&self, room_id: &RoomId, wish: Wish) {
        if let Some(entry) = self.lock().by_id.get(room_id) {
            entry.wishes.send_if_modified(|last| {
                let open = !matches!(last, Some(Wish::End { .. }));
                if open {
                    *last = Some(wish);
                }
                open
            });
        }
    }

    /// Where all the rooms stand.
    pub(super) fn snapshot(&self) -> Vec<ChannelStatus> {
        let states: Vec<_> = self
            .lock()
            .by_id
            .values()
            .map(|entry| Arc::clone(&entry.state))
            .collect();
        states.iter().map(|state| state.snapshot()).collect()
    }

    /// Nothing panics while the lock is held, so a poisoned one still guards sound data.
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rooms = self.registry.lock();
        if rooms
            .by_id
            .get(&self.room_id)
            .is_some_and(|entry| entry.number == self.number)
        {
            rooms.by_id.remove(&self.room_id);
        }
    }
}
