//! The instruments of the LiveKit client, in one place.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::machine::{EndReason, Oddity, PathState};
use super::message::Side;

const SESSIONS: &str = "voice_livekit_sessions";
const ENTERED: &str = "voice_livekit_joins_total";
const RESUMES: &str = "voice_livekit_resumes_total";
const INTERRUPTED: &str = "voice_livekit_interruptions_total";
const ENDED: &str = "voice_livekit_sessions_ended_total";
const PATHS: &str = "voice_livekit_path_changes_total";
const ODDITIES: &str = "voice_livekit_oddities_total";
const UNHEARD: &str = "voice_livekit_packets_unheard_total";

/// Registers names, units and descriptions; to be called once at start.
pub fn describe() {
    describe_gauge!(SESSIONS, "LiveKit sessions that exist");
    gauge!(SESSIONS).set(0.0);
    describe_counter!(ENTERED, "LiveKit rooms that were entered, the same one anew included");
    describe_counter!(RESUMES, "Signal connections opened to resume a LiveKit session");
    describe_counter!(
        INTERRUPTED,
        "Times that our voice did not get through to a LiveKit room"
    );
    describe_counter!(ENDED, "LiveKit sessions that ended, by reason");
    describe_counter!(PATHS, "Changes of a LiveKit session's media paths, by side and state");
    describe_counter!(ODDITIES, "Things of LiveKit servers that had no effect, by kind");
    describe_counter!(UNHEARD, "Voice packets of LiveKit tracks that nobody was told of");
}

/// Counts a session for as long as it exists.
#[derive(Debug)]
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        gauge!(SESSIONS).increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(SESSIONS).decrement(1.0);
    }
}

pub(super) fn entered() {
    counter!(ENTERED).increment(1);
}

pub(super) fn resumed() {
    counter!(RESUMES).increment(1);
}

pub(super) fn interrupted() {
    counter!(INTERRUPTED).increment(1);
}

pub(super) fn ended(reason: EndReason) {
    let reason = match reason {
        EndReason::Left => "left",
        EndReason::ByServer(_) => "by_server",
    };
    counter!(ENDED, "reason" => reason).increment(1);
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
    counter!(PATHS, "side" => side, "state" => state).increment(1);
}

pub(super) fn odd(oddity: Oddity) {
    let kind = match oddity {
        Oddity::StrayAnswer => "stray_answer",
        Oddity::SubscriptionFailed => "subscription_failed",
        Oddity::TooManyCandidates => "too_many_candidates",
    };
    counter!(ODDITIES, "kind" => kind).increment(1);
}

pub(super) fn unreadable() {
    counter!(ODDITIES, "kind" => "unreadable_message").increment(1);
}

pub(super) fn unheard() {
    counter!(UNHEARD).increment(1);
}
