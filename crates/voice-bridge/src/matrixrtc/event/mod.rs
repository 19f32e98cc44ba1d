//! The JSON of calls over an SFU: memberships as state (MSC3401 and its successors) and as sticky events (MSC4143, MSC4354),
//! slots, and the SFUs that homeservers name.
//!
//! This module alone knows how it is written; everything else works with [`MemberEvent`] and [`Own`].

mod content;
mod error;
mod foci;
mod read;
mod state;
mod sticky;
#[cfg(test)]
mod tests;
mod write;

pub use self::content::{Kind, MemberEvent, Membership, Place, Selection};
pub use self::error::EventError;
pub use self::foci::{transports, well_known};
pub use self::read::{KINDS, RoomFact, STICKY};
pub use self::write::{Own, Written, leave, place};
