//! The way into the control room, as narrow as the machines need it.

use std::fmt::Display;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;

/// Sends into the control room. What comes out of it arrives as [`Incoming`] on a channel of its own.
///
/// A send may take as long as the homeserver is away, within reason (half a minute), and may fail: the machines
/// repeat what matters. The sends of one room are never in flight at the same time.
pub trait ControlPort: Send + Sync + 'static {
    /// Sends an event to the room's timeline.
    fn send(&self, kind: &'static str, content: Value) -> BoxFuture<'_, Result<(), PortError>>;

    /// Sets the room's state of this type under `state_key`.
    fn set_state(&self, kind: &'static str, state_key: String, content: Value) -> BoxFuture<'_, Result<(), PortError>>;

    /// Reads the room's state of this type, as far as the answering side has set it. Waits as long as a send does.
    fn state(&self, kind: &'static str) -> BoxFuture<'_, Result<Vec<StateEntry>, PortError>>;
}

/// A state event: its state key and its content.
pub type StateEntry = (String, Value);

/// Why nothing could be sent into the control room, or read in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the control room could not be used: {0}")]
pub struct PortError(String);

impl PortError {
    /// An error with what the homeserver or the way to it said.
    pub fn new(cause: impl Display) -> Self {
        Self(cause.to_string())
    }
}

/// An event of the configured peer, from the timeline of the control room.
///
/// Whoever supplies these has checked the sender and the room, and hands in each event once.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The event's type.
    pub kind: String,
    /// The event's content, unread.
    pub content: Value,
    /// How long ago it was sent, as far as the homeserver says.
    pub age: Duration,
}
