//! The JSON of `m.call.*` events (Matrix specification, "Voice over IP", version 1).
//!
//! This module alone knows how a call event is written; everything else works with [`CallEvent`].

mod content;
mod error;
mod read;
mod reason;
#[cfg(test)]
mod tests;
mod write;

pub use self::content::{Body, CallEvent, IceCandidate, Invite, Negotiate, SdpKind, Version};
pub use self::error::EventError;
pub use self::reason::HangupReason;
