//! A control room in memory, with a look inside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_kit::channel::{ControlPort, Incoming, PortError, StateEntry};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

/// Changes an event on its way; none: it is lost.
type Tamper = Box<dyn FnMut(&str, Value) -> Option<Value> + Send>;

/// One side's way into the room; what it sends comes out at the other side.
pub(crate) struct Port {
    from: Side,
    alive: Arc<AtomicBool>,
    room: Arc<Room>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Asker,
    Answerer,
}

/// What went through the room, and its state.
pub(crate) struct Room {
    timeline: Mutex<Vec<(&'static str, Value)>>,
    state: Mutex<BTreeMap<String, Value>>,
    tamper: Mutex<Tamper>,
    /// The asker and the answerer.
    seats: [Mutex<Option<Seat>>; 2],
}

/// A side that is in the room.
#[derive(Clone)]
struct Seat {
    inbox: mpsc::Sender<Incoming>,
    /// Whether it may still say something.
    alive: Arc<AtomicBool>,
}

/// One side's way in and out.
type Way = (Arc<Port>, mpsc::Receiver<Incoming>);

/// A room, and each side's way in and out: the asking side's first.
pub(crate) fn room() -> (Arc<Room>, [Way; 2]) {
    let room = Arc::new(Room {
        timeline: Mutex::default(),
        state: Mutex::default(),
        tamper: Mutex::new(Box::new(|_, content| Some(content))),
        seats: Default::default(),
    });
    let ways = [Side::Asker, Side::Answerer].map(|side| room.enter(side));
    (room, ways)
}

impl Port {
    fn is_alive(&self) -> Result<(), PortError> {
        let alive = self.alive.load(Ordering::SeqCst);
        alive.then_some(()).ok_or_else(|| PortError::new("killed"))
    }

    /// Puts an event into the room as this side, whatever it is.
    pub(crate) async fn put(&self, kind: &str, content: Value, age: Duration) {
        let incoming = Incoming {
            kind: kind.to_owned(),
            content,
            age,
        };
        assert!(self.room.deliver(self.from, incoming).await, "the other side listens");
    }
}

impl Room {
    /// A side's way in and out, in place of any that it had before.
    pub(crate) fn enter(self: &Arc<Self>, side: Side) -> Way {
        let (inbox, incoming) = mpsc::channel(64);
        let alive = Arc::new(AtomicBool::new(true));
        let seat = Seat {
            inbox,
            alive: Arc::clone(&alive),
        };
        *self.seats[side as usize].lock().expect("a lock") = Some(seat);
        let room = Arc::clone(self);
        let port = Port {
            from: side,
            alive,
            room,
        };
        (Arc::new(port), incoming)
    }

    /// A side is gone without a word: what it had to say, and what is for it, is lost.
    pub(crate) fn kill(&self, side: Side) {
        let seat = self.seats[side as usize].lock().expect("a lock").take();
        seat.expect("it is in the room").alive.store(false, Ordering::SeqCst);
    }

    /// Whether somebody took it.
    async fn deliver(&self, from: Side, incoming: Incoming) -> bool {
        let to = match from {
            Side::Asker => Side::Answerer,
            Side::Answerer => Side::Asker,
        };
        let seat = self.seats[to as usize].lock().expect("a lock").clone();
        match seat {
            Some(Seat { inbox, .. }) => inbox.send(incoming).await.is_ok(),
            None => false,
        }
    }

    /// Changes or loses events from now on.
    pub(crate) fn tamper(&self, tamper: impl FnMut(&str, Value) -> Option<Value> + Send + 'static) {
        *self.tamper.lock().expect("a lock") = Box::new(tamper);
    }

    /// The contents of all events of this type so far.
    pub(crate) fn sent(&self, kind: &str) -> Vec<Value> {
        let timeline = self.timeline.lock().expect("a lock");
        timeline
            .iter()
            .filter(|(sent, _)| *sent == kind)
            .map(|(_, content)| content.clone())
            .collect()
    }

    /// The record of a room's channel.
    pub(crate) fn record(&self, room_id: &str) -> Option<Value> {
        self.state.lock().expect("a lock").get(room_id).cloned()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeline = self.timeline.lock().expect("a lock");
        let events = timeline
            .iter()
            .map(|(kind, content)| format!("{kind} {}", content["epoch"]));
        f.debug_list().entries(events).finish()
    }
}

impl ControlPort for Port {
    fn send(&self, kind: &'static str, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
        async move {
            self.is_alive()?;
            self.room.timeline.lock().expect("a lock").push((kind, content.clone()));
            let content = (self.room.tamper.lock().expect("a lock"))(kind, content);
            if let Some(content) = content {
                let incoming = Incoming {
                    kind: kind.to_owned(),
                    content,
                    age: Duration::ZERO,
                };
                // Nobody listens where a side was dropped.
                let _ = self.room.deliver(self.from, incoming).await;
            }
            Ok(())
        }
        .boxed()
    }

    fn set_state(&self, kind: &'static str, state_key: String, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
        async move {
            assert_eq!(kind, signalling::names::CHANNEL);
            self.is_alive()?;
            self.room.state.lock().expect("a lock").insert(state_key, content);
            Ok(())
        }
        .boxed()
    }

    fn state(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<StateEntry>, PortError>> {
        async move {
            assert_eq!(kind, signalling::names::CHANNEL);
            let state = self.room.state.lock().expect("a lock").clone();
            Ok(state.into_iter().collect())
        }
        .boxed()
    }
}
