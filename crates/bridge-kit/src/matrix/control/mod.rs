//! The control room: where the two bridges talk, and nobody else is listened to.
//!
//! The configured user id of the other bridge is the root of trust. The voice side creates the room under an alias
//! of its exclusive namespace (so that there is one), marks it with `vdp.control`, invites its peer, and mends what
//! is damaged. The other side joins when its peer invites it, and checks who made the room and what the mark says.
//! Marks in other rooms, and strangers' events in this one, are counted and change nothing.

mod guest;
mod inbox;
mod keeper;
mod missed;
mod owner;
mod power;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use ruma::{OwnedEventId, OwnedRoomId, RoomId};
use serde_json::Value;
use signalling::{Mark, names};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use self::inbox::Inbox;
use super::appservice::Connection;
use super::{Fault, MatrixClient, MatrixError, RoomEvent};
use crate::channel::{ControlPort, Incoming, PortError, StateEntry};
use crate::config::{Peer, Role};
use crate::health::Health;
use crate::instruments;
use crate::supervise::{self, Task};

/// How long a send waits for the control room to be there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing could be sent into the control room.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no control room yet.
    #[error("there is no control room yet")]
    NotThere,
    /// The homeserver did not take it.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
}

/// The control room of this bridge. Clones share it; the last drop ends its task.
#[derive(Debug, Clone)]
pub struct ControlRoom {
    shared: Arc<Shared>,
    _keeper: Arc<Task<()>>,
}

/// What the keeper and the users of the control room share.
#[derive(Debug)]
struct Shared {
    role: Role,
    client: MatrixClient,
    peer: Peer,
    place: Mutex<Place>,
    /// The room once it is fit for use.
    ready: watch::Sender<Option<OwnedRoomId>>,
    /// Wakes the keeper when something may have changed.
    recheck: Notify,
}

/// What is known of where the control room is.
#[derive(Debug)]
struct Place {
    /// The room that is, or is about to become, the control room.
    room: Option<OwnedRoomId>,
    inbox: Inbox,
    /// The room to which somebody who is not the peer has invited us last.
    lure: Option<OwnedRoomId>,
}

impl ControlRoom {
    /// Starts to look after the control room, whenever the homeserver is there.
    ///
    /// What the peer says comes out of the returned channel: in order, each event once.
    pub fn start(
        role: Role,
        client: MatrixClient,
        peer: &Peer,
        connection: watch::Receiver<Connection>,
        health: &Health,
    ) -> (Self, mpsc::Receiver<Incoming>) {
        let (inbox, incoming) = Inbox::new();
        let shared = Arc::new(Shared {
            role,
            client,
            peer: peer.clone(),
            place: Mutex::new(Place {
                room: None,
                inbox,
                lure: None,
            }),
            ready: watch::Sender::new(None),
            recheck: Notify::new(),
        });
        let keeper = keeper::keep(Arc::clone(&shared), connection, health.component("control-room"));
        let keeper = Arc::new(supervise::spawn("matrix.control", "program", keeper));
        (
            Self {
                shared,
                _keeper: keeper,
            },
            incoming,
        )
    }

    /// The control room, once it is fit for use.
    pub fn room(&self) -> Option<OwnedRoomId> {
        self.shared.ready.borrow().clone()
    }

    /// Takes note of an event; returns whether it belonged to the control room and needs no further attention.
    pub fn handle(&self, event: &RoomEvent) -> bool {
        self.shared.handle(event)
    }

    /// Sends an event into the control room's timeline; waits for the room and for the homeserver within reason.
    pub async fn send(&self, kind: &str, content: &Value) -> Result<OwnedEventId, ControlError> {
        let room = self.shared.wait_for_room().await?;
        let sent = self.shared.client.send_event(&room, kind, content).await;
        self.shared.checked(sent)
    }

    /// Sets a piece of the control room's state; waits as [`send`](Self::send) does.
    pub async fn set_state(&self, kind: &str, state_key: &str, content: &Value) -> Result<OwnedEventId, ControlError> {
        let room = self.shared.wait_for_room().await?;
        let sent = self.shared.client.send_state(&room, kind, state_key, content).await;
        self.shared.checked(sent)
    }

    /// Reads the pieces of the control room's state of one type that the answering side has set; waits as
    /// [`send`](Self::send) does.
    pub async fn state(&self, kind: &str) -> Result<Vec<StateEntry>, ControlError> {
        let room = self.shared.wait_for_room().await?;
        let state = self.shared.client.room_state(&room).await?;
        let answerer = self.shared.mark().answerer;
        let theirs = state
            .into_iter()
            .filter(|event| event.kind == kind && event.sender == answerer);
        Ok(theirs
            .filter_map(|event| Some((event.state_key?, event.content)))
            .collect())
    }
}

impl ControlPort for ControlRoom {
    fn send(&self, kind: &'static str, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
        async move { self.send(kind, &content).await.map(drop).map_err(PortError::new) }.boxed()
    }

    fn set_state(&self, kind: &'static str, state_key: String, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
        async move {
            self.set_state(kind, &state_key, &content)
                .await
                .map(drop)
                .map_err(PortError::new)
        }
        .boxed()
    }

    fn state(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<StateEntry>, PortError>> {
        async move { self.state(kind).await.map_err(PortError::new) }.boxed()
    }
}

impl Shared {
    fn handle(&self, event: &RoomEvent) -> bool {
        let mut place = self.place();
        if place.room.as_deref() == Some(&*event.room_id) {
            self.within(&mut place.inbox, event);
            return true;
        }
        // The owner's own mark may come before the room is known.
        let ours = event.sender == self.client.bot() || event.sender == self.peer.user_id;
        if event.kind == names::CONTROL && event.state_key.is_some() && !ours {
            ignored("forged_mark");
        }
        if self.invites_us(event) {
            if event.sender == self.peer.user_id {
                place.lure = None;
                self.recheck.notify_one();
            } else {
                place.lure = Some(event.room_id.clone());
            }
        }
        false
    }

    /// An event of the control room itself.
    fn within(&self, inbox: &mut Inbox, event: &RoomEvent) {
        if event.sender == self.client.bot() {
            return;
        }
        if event.state_key.is_some() {
            if STRUCTURE.contains(&event.kind.as_str()) {
                self.recheck.notify_one();
            }
        } else if event.kind.starts_with(SIGNALLING) {
            if event.sender == self.peer.user_id {
                inbox.take(event);
            } else {
                ignored("stranger");
            }
        }
    }

    fn invites_us(&self, event: &RoomEvent) -> bool {
        matches!(event.membership(), Some((user, "invite")) if user == self.client.bot().as_str())
    }

    /// Whether the last invitation to the room came from somebody who is not the peer.
    fn is_lure(&self, room: &RoomId) -> bool {
        self.place().lure.as_deref() == Some(room)
    }

    /// What the mark must say.
    fn mark(&self) -> Mark {
        let (own, peer) = (self.client.bot().to_string(), self.peer.user_id.to_string());
        match self.role {
            Role::Asks => Mark {
                asker: own,
                answerer: peer,
            },
            Role::Answers => Mark {
                asker: peer,
                answerer: own,
            },
        }
    }

    /// Whether somebody has closed the room, as an upgrade to another room version does.
    async fn is_closed(&self, room: &RoomId) -> Result<bool, MatrixError> {
        Ok(self.client.state_event(room, TOMBSTONE, "").await?.is_some())
    }

    async fn wait_for_room(&self) -> Result<OwnedRoomId, ControlError> {
        let mut ready = self.ready.subscribe();
        let found = timeout(PATIENCE, ready.wait_for(Option::is_some)).await;
        let room = found.ok().and_then(Result::ok).and_then(|room| room.clone());
        room.ok_or(ControlError::NotThere)
    }

    /// A refusal means that something is wrong with the room, or with our place in it.
    fn checked(&self, sent: Result<OwnedEventId, MatrixError>) -> Result<OwnedEventId, ControlError> {
        if let Err(error) = &sent
            && matches!(error.fault(), Fault::Forbidden | Fault::NotFound)
        {
            self.recheck.notify_one();
        }
        Ok(sent?)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// State that the keeper looks at again when anybody changes it.
const STRUCTURE: [&str; 4] = [names::CONTROL, "m.room.member", power::POWER, TOMBSTONE];

/// The type of the state event that says that a room is not to be used any more.
const TOMBSTONE: &str = "m.room.tombstone";

/// What the types of all signalling events start with.
const SIGNALLING: &str = "vdp.channel.";

fn ignored(why: &'static str) {
    instruments::CONTROL_IGNORED.with([why]).increment(1);
    tracing::debug!(why, "ignored something that is not the peer's in the control room");
}
