//! A control room in memory, with a look inside.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_kit::channel::{ControlPort, Incoming, PortError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;

/// Changes an event on its way; none: it is lost.
type Tamper = Box<dyn FnMut(&str, Value) -> Option<Value> + Send>;

/// One side's way into the room; what it sends comes out at the other side.
pub(crate) struct Port {
    other: mpsc::Sender<Incoming>,
    room: Arc<Room>,
}

/// What went through the room, and its state.
pub(crate) struct Room {
    timeline: Mutex<Vec<(&'static str, Value)>>,
    state: Mutex<BTreeMap<String, Value>>,
    tamper: Mutex<Tamper>,
}

/// One side's way in and out.
type Way = (Arc<Port>, mpsc::Receiver<Incoming>);

/// A room, and each side's way in and out: the asking side's first.
pub(crate) fn room() -> (Arc<Room>, [Way; 2]) {
    let room = Arc::new(Room {
        timeline: Mutex::default(),
        state: Mutex::default(),
        tamper: Mutex::new(Box::new(|_, content| Some(content))),
    });
    let (to_asker, asker) = mpsc::channel(64);
    let (to_answerer, answerer) = mpsc::channel(64);
    let port = |other| {
        Arc::new(Port {
            other,
            room: Arc::clone(&room),
        })
    };
    let ways = [(port(to_answerer), asker), (port(to_asker), answerer)];
    (room, ways)
}

impl Port {
    /// Puts an event into the room as this side, whatever it is.
    pub(crate) async fn put(&self, kind: &str, content: Value, age: Duration) {
        let incoming = Incoming {
            kind: kind.to_owned(),
            content,
            age,
        };
        self.other.send(incoming).await.expect("the other side listens");
    }
}

impl Room {
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
            self.room.timeline.lock().expect("a lock").push((kind, content.clone()));
            let content = (self.room.tamper.lock().expect("a lock"))(kind, content);
            if let Some(content) = content {
                // Nobody listens any more where a side was dropped.
                let _ = self
                    .other
                    .send(Incoming {
                        kind: kind.to_owned(),
                        content,
                        age: Duration::ZERO,
                    })
                    .await;
            }
            Ok(())
        }
        .boxed()
    }

    fn set_state(&self, kind: &'static str, state_key: String, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
        async move {
            assert_eq!(kind, signalling::names::CHANNEL);
            self.room.state.lock().expect("a lock").insert(state_key, content);
            Ok(())
        }
        .boxed()
    }
}
