//! What calls need of the world outside, as narrow traits: the homeserver, and the channel to the other bridge.
//!
//! The live homeserver is [`crate::rooms::Rooms`], the live channels are the kit's; tests have fakes.

use bridge_kit::channel::{AskError, Audience, Session, SessionEvent};
use bridge_kit::matrix::RoomId;
use bridge_kit::media::RoomMedia;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::notice::Notice;

/// An event could not be sent, however often it was tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the homeserver does not take our events")]
pub struct SendFailed;

/// Whether calls of a room are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The room is bridged to a voice channel.
    Bridged,
    /// Nobody who is trusted has linked the room.
    NotBridged,
    /// The room is encrypted, so its call events cannot be read.
    Encrypted,
    /// The homeserver could not be asked.
    Unknown,
}

/// The homeserver, as calls see it.
pub trait Homeserver: Send + Sync + 'static {
    /// Sends an event as the bridge's bot, trying again for a while.
    fn send(&self, room: &RoomId, kind: &'static str, content: Value) -> BoxFuture<'static, Result<(), SendFailed>>;

    /// Sends an event to one device of a user, trying again for a moment.
    fn send_to_device(
        &self,
        user: &str,
        device: &str,
        kind: &'static str,
        content: Value,
    ) -> BoxFuture<'static, Result<(), SendFailed>>;

    /// Posts a notice for the room's people; a standing one only if it was not posted lately.
    fn notify(&self, room: &RoomId, notice: Notice) -> BoxFuture<'static, ()>;

    /// Finds out whether calls of this room are taken.
    fn admit(&self, room: &RoomId) -> BoxFuture<'static, Admission>;
}

/// The way to channels of the other bridge.
pub trait Channels: Send + Sync + 'static {
    /// Asks for a channel for a room, whose voice is `media`. Returns at once.
    fn ask(&self, room: &RoomId, media: RoomMedia) -> Result<Box<dyn Channel>, AskError>;
}

/// One channel that was asked for. Dropping it closes it.
pub trait Channel: Send {
    /// The next thing that happens to it; `None` after its end. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<SessionEvent>>;

    /// Says for whom the other side's voice is taken in.
    fn set_audience(&self, audience: Audience);
}

impl Channels for bridge_kit::channel::Asker {
    fn ask(&self, room: &RoomId, media: RoomMedia) -> Result<Box<dyn Channel>, AskError> {
        let session = Self::ask(self, room, media)?;
        Ok(Box::new(session))
    }
}

impl Channel for Session {
    fn next(&mut self) -> BoxFuture<'_, Option<SessionEvent>> {
        Box::pin(Self::next(self))
    }

    fn set_audience(&self, audience: Audience) {
        Self::set_audience(self, audience);
    }
}
