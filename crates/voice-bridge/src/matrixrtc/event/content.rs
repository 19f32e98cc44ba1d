//! What memberships say.

use bridge_kit::matrix::{OwnedEventId, OwnedUserId};

use super::error::EventError;
use crate::matrixrtc::focus::Focus;

/// What a newer membership event replaces: the piece of state, or the sender's sticky event with the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A state event, by its state key.
    State(String),
    /// A sticky event.
    Sticky {
        /// Whose it is: nobody replaces another's.
        sender: OwnedUserId,
        /// Its sticky key.
        key: String,
    },
}

/// An event about who is in the call of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEvent {
    /// The event's own id.
    pub event_id: OwnedEventId,
    /// Who sent it, and so whose memberships it may hold. State keys name users too, and prove nothing.
    pub sender: OwnedUserId,
    /// What it replaces.
    pub place: Place,
    /// The memberships that it holds; none where somebody has left, or is in another call than the room's own.
    pub memberships: Vec<Membership>,
    /// What was wrong with it, if it holds none for that reason.
    pub fault: Option<EventError>,
}

/// A device's being in the call of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The device, by its own word.
    pub device: String,
    /// The membership's own id, by its own word.
    pub member_id: String,
    /// The kind of event that it is written in.
    pub kind: Kind,
    /// The SFUs that it names, in its order.
    pub foci: Vec<Focus>,
    /// Which of them it publishes on.
    pub selection: Selection,
    /// When it began, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it is over even if nobody says so, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// The kind of event that a membership is written in. Where a device has both, the later one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A state event.
    State,
    /// A sticky event.
    Sticky,
}

/// How it is decided where a member publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// On the first SFU of the member that has been in the call longest (`oldest_membership`).
    Oldest,
    /// On the first of its own (`multi_sfu`).
    Own,
}
