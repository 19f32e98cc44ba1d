//! The call of a room: who takes part, and the one channel to the other bridge.
//!
//! A call does not know how its participants come (by `m.call` events, from an SFU): each brings a source and a sink of voice.
//! The first participant asks for the channel, the last one's leaving closes it. Everybody hears everybody
//! else and the other side, and nobody himself. Who is in the voice channel in person, too, neither hears nor is heard by
//! the other side: over the bridge he would hear himself come back.

mod core;
mod member;
mod participation;
mod people;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bridge_kit::matrix::{OwnedRoomId, RoomId};
use bridge_kit::media::MediaPool;
use bridge_kit::supervise::Group;
use serde_json::Value;

use self::core::{Core, Tells};
use self::member::Member;
pub use self::participation::Participation;
pub use self::people::{OtherSelf, People};
use crate::ports::{Channels, Homeserver};

/// Participants that one room's call may have: the engine of a room holds 128 sources.
const MAX_PARTICIPANTS: usize = 100;
/// Calls that may run at once.
const MAX_CALLS: usize = 512;

/// The state of a call's channel to the other bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    /// Asked for, and not answered yet.
    Asking,
    /// Voice can cross.
    Open {
        /// Counts the times that it was opened, from what the other bridge says.
        epoch: u32,
    },
    /// Voice does not cross at the moment; both bridges work on it.
    Broken,
    /// It will not come back.
    Ended(Ended),
}

/// Why there is no channel any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The other bridge, or this one, is full.
    Full,
    /// The other bridge refused.
    Refused,
    /// The other bridge closed it.
    Closed,
    /// Something failed on this side.
    Failed,
}

/// There is no room for another participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call is full")]
pub struct CallFull;

/// The calls of all rooms. Clones share them; the last drop ends them.
#[derive(Clone)]
pub struct Calls {
    inner: Arc<Inner>,
}

struct Inner {
    channels: Arc<dyn Channels>,
    homeserver: Arc<dyn Homeserver>,
    pool: MediaPool,
    people: People,
    rooms: Mutex<HashMap<OwnedRoomId, Slot>>,
    tasks: Group,
}

/// A room's place: its call, if one runs, and whose turn it is to have the room's channel.
#[derive(Default)]
struct Slot {
    core: Weak<Core>,
    /// Held by a call's task until its channel is closed, so that the next call does not ask too early.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    /// Prepares for calls whose voice is handled by `pool`.
    pub fn new(channels: Arc<dyn Channels>, homeserver: Arc<dyn Homeserver>, pool: MediaPool, people: People) -> Self {
        let inner = Inner {
            channels,
            homeserver,
            pool,
            people,
            rooms: Mutex::default(),
            tasks: Group::new("calls"),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Has `user` join the call of a room, or start it. `kind` says how he came.
    ///
    /// Returns at once: [`Participation::channel`] tells whether voice can cross yet.
    pub fn join(&self, room: &RoomId, user: &str, kind: &'static str) -> Result<Participation, CallFull> {
        self.take_place(room, user, kind, Tells::Room)
    }

    /// The same where the room's people know already why voice could not cross so far: a refusal is not told to them.
    pub fn join_again(&self, room: &RoomId, user: &str, kind: &'static str) -> Result<Participation, CallFull> {
        self.take_place(room, user, kind, Tells::Nobody)
    }

    fn take_place(
        &self,
        room: &RoomId,
        user: &str,
        kind: &'static str,
        tells: Tells,
    ) -> Result<Participation, CallFull> {
        self.enter(self.core(room, tells)?, user, kind)
    }

    /// Has `user` join the very call that somebody else is in, even if its channel has ended.
    pub fn join_beside(
        &self,
        other: &Participation,
        user: &str,
        kind: &'static str,
    ) -> Result<Participation, CallFull> {
        self.enter(other.core(), user, kind)
    }

    fn enter(&self, core: Arc<Core>, user: &str, kind: &'static str) -> Result<Participation, CallFull> {
        if core.participants() >= MAX_PARTICIPANTS {
            return Err(CallFull);
        }
        let member = Member::new(kind, self.inner.people.other_self(user));
        Ok(Participation::new(core, member))
    }

    /// The running calls for a status page.
    pub fn status(&self) -> Value {
        let rooms = self.inner.rooms();
        let cores = rooms
            .iter()
            .filter_map(|(room, slot)| Some((room, slot.core.upgrade()?)));
        cores.map(|(room, core)| core.status(room)).collect()
    }

    /// The room's call: the running one, unless its channel has ended, else a new one.
    fn core(&self, room: &RoomId, tells: Tells) -> Result<Arc<Core>, CallFull> {
        let mut rooms = self.inner.rooms();
        rooms.retain(|_, slot| slot.is_used());
        if let Some(core) = rooms.get(room).and_then(Slot::running) {
            return Ok(core);
        }
        if rooms.len() >= MAX_CALLS {
            return Err(CallFull);
        }
        let slot = rooms.entry(room.to_owned()).or_default();
        let media = self.inner.pool.room(room.as_str());
        let (core, task) = Core::new(room.to_owned(), media, slot.turn.clone(), tells);
        slot.core = Arc::downgrade(&core);
        let (channels, homeserver) = (self.inner.channels.clone(), self.inner.homeserver.clone());
        let run = task.run(channels, homeserver, self.inner.pool.overload());
        self.inner.tasks.spawn("call.channel", run);
        Ok(core)
    }
}

impl Inner {
    fn rooms(&self) -> MutexGuard<'_, HashMap<OwnedRoomId, Slot>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn running(&self) -> Option<Arc<Core>> {
        let core = self.core.upgrade()?;
        (!core.is_ended()).then_some(core)
    }

    /// Whether a call runs, or the task of an earlier one still closes its channel.
    fn is_used(&self) -> bool {
        self.core.strong_count() > 0 || Arc::strong_count(&self.turn) > 1
    }
}
