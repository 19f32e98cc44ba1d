//! Matrix voice over IP, version 1 (`m.call.*`), as the callee.
//!
//! [`machine`] decides, [`event`] reads and writes, a task for each call joins them to the room, to WebRTC
//! and to the call of the room; the [`Switchboard`] gives each event to its call.

pub mod event;
mod identity;
pub mod machine;
pub mod metadata;
mod metrics;
mod outbox;
mod past;
mod recent;
mod speaking;
mod switchboard;
mod task;
#[cfg(test)]
mod tests;

pub use self::identity::Identity;
pub use self::switchboard::Switchboard;
