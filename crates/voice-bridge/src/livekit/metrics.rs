//! The instruments of the LiveKit client, in one place.

use super::machine::{EndReason, Oddity, PathState};
use super::message::Side;
use crate::instruments;

/// Counts a session for as long as it exists.
#[derive(Debug)]
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        instruments::LIVEKIT_SESSIONS.get().increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        instruments::LIVEKIT_SESSIONS.get().decrement(1.0);
    }
}

pub(super) fn entered() {
    instruments::LIVEKIT_JOINS.get().increment(1);
}

pub(super) fn resumed() {
    instruments::LIVEKIT_RESUMES.get().increment(1);
}

pub(super) fn interrupted() {
    instruments::LIVEKIT_INTERRUPTIONS.get().increment(1);
}

pub(super) fn ended(reason: EndReason) {
    let reason = match reason {
        EndReason::Left => "left",
        EndReason::ByServer(_) => "by_server",
    };
    instruments::LIVEKIT_ENDED.with([reason]).increment(1);
}

pub(super) fn path(side: Side, state: PathState) {
    let side = match side {
        Side::Publisher => "publisher",
        Side::Subscriber => "subscriber",
    };
    let state = match state {
        PathState::Up => "up",
        PathState::Down => "down",
        PathState::Failed => "failed",
    };
    instruments::LIVEKIT_PATHS.with([side, state]).increment(1);
}

pub(super) fn odd(oddity: Oddity) {
    let kind = match oddity {
        Oddity::StrayAnswer => "stray_answer",
        Oddity::SubscriptionFailed => "subscription_failed",
        Oddity::TooManyCandidates => "too_many_candidates",
        Oddity::AttributeRefused => "attribute_refused",
    };
    instruments::LIVEKIT_ODDITIES.with([kind]).increment(1);
}

pub(super) fn unreadable() {
    instruments::LIVEKIT_ODDITIES.with(["unreadable_message"]).increment(1);
}

pub(super) fn unheard() {
    instruments::LIVEKIT_UNHEARD.get().increment(1);
}
