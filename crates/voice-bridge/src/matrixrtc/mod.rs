//! Calls over an SFU, as Element Call makes them (MSC4143, MSC4195).
//!
//! [`event`] reads and writes memberships, [`machine`] decides when the bridge is in a room's call,
//! [`transport`] finds SFUs and gets tokens for them.

mod config;
pub mod event;
mod focus;
mod identity;
pub mod machine;
mod moment;
mod roster;
#[cfg(test)]
mod testing;
pub mod transport;

pub use self::config::{MatrixRtc, MatrixRtcConfigError, Mode};
pub use self::focus::Focus;
pub use self::identity::Participant;
pub use self::moment::Moment;

/// The slot of the one call that a room has by itself, as MSC4143 names it; the older events call it `""`.
pub const ROOM_SLOT: &str = "m.call#ROOM";
