//! Calls over an SFU, as Element Call makes them (MSC4143, MSC4195).
//!
//! [`event`] reads and writes memberships, [`machine`] decides when the bridge is in a room's call and which SFUs it
//! needs for that, [`transport`] finds SFUs and gets tokens for them, a [`Session`] for each room joins them to the
//! homeserver, the [`Hub`] gives each event to its session. A session shows a [`Picture`] of the media that it needs, and a
//! conference is at those SFUs and joins their voices to the call of the room. [`Part`] holds all of it.

mod board;
mod conference;
mod config;
pub mod event;
mod focus;
mod hub;
mod identity;
pub mod machine;
mod moment;
mod outbox;
mod part;
mod ports;
mod roster;
mod session;
mod snapshot;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod transport;

pub use self::board::Board;
pub use self::conference::{Means, Role, Tokens};
pub use self::config::{MatrixRtc, MatrixRtcConfigError, Mode};
pub use self::focus::Focus;
pub use self::hub::{Hub, Identity, Reader, Started};
pub use self::identity::Participant;
pub use self::moment::Moment;
pub use self::outbox::Surroundings;
pub use self::part::{Part, Setting};
pub use self::ports::{Desk, Foci};
pub use self::session::{Control, Overrun, Picture, Session};
pub use self::snapshot::Snapshot;

/// The slot of the one call that a room has by itself, as MSC4143 names it; the older events call it `""`.
pub const ROOM_SLOT: &str = "m.call#ROOM";
