//! The instruments of `m.call` calls, in one place.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::machine::{EndReason, Ignored};

const CALLS: &str = "voice_voip_calls";
const ENDED: &str = "voice_voip_calls_ended_total";
const TAKEN_OVER: &str = "voice_voip_calls_taken_over_total";
const EVENTS: &str = "voice_voip_events_total";
const PASSED_OVER: &str = "voice_voip_events_ignored_total";

/// Why an event reached no call.
#[derive(Debug, Clone, Copy)]
pub(super) enum PassedOver {
    /// Its content cannot be read.
    Unreadable,
    /// It was sent by this bridge or the other one.
    Own,
    /// Its invite is for somebody else.
    ForOthers,
    /// It, or an invite that says the same, has been dealt with.
    Duplicate,
    /// It is older than it may be.
    Expired,
    /// It belongs to no call that runs.
    NoCall,
    /// Its call is too slow to take it.
    Full,
    /// There are too many calls already.
    TooManyCalls,
}

/// Registers names, units and descriptions; to be called once at start.
pub fn describe() {
    describe_gauge!(CALLS, "VoIP calls that ring or run");
    gauge!(CALLS).set(0.0);
    describe_counter!(ENDED, "VoIP calls that ended, by reason");
    describe_counter!(
        TAKEN_OVER,
        "VoIP calls that an earlier run had answered and this one went on with"
    );
    describe_counter!(EVENTS, "m.call.* events that were read");
    describe_counter!(PASSED_OVER, "m.call.* events that had no effect, by reason");
}

/// Counts a call for as long as it exists.
#[derive(Debug)]
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        gauge!(CALLS).increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(CALLS).decrement(1.0);
    }
}

pub(super) fn event() {
    counter!(EVENTS).increment(1);
}

pub(super) fn taken_over() {
    counter!(TAKEN_OVER).increment(1);
}

pub(super) fn ended(reason: EndReason) {
    let reason = match reason {
        EndReason::HungUp => "hung_up",
        EndReason::AnsweredElsewhere => "answered_elsewhere",
        EndReason::MemberLeft => "member_left",
        EndReason::InviteExpired => "invite_expired",
        EndReason::ChannelEnded => "channel_ended",
        EndReason::UnusableOffer => "unusable_offer",
        EndReason::NeverConnected => "never_connected",
        EndReason::MediaLost => "media_lost",
        EndReason::MediaFailed => "media_failed",
        EndReason::MediaClosed => "media_closed",
        EndReason::SendFailed => "send_failed",
        EndReason::Superseded => "superseded",
        EndReason::Stopping => "stopping",
    };
    counter!(ENDED, "reason" => reason).increment(1);
}

pub(super) fn passed_over(why: PassedOver) {
    let why = match why {
        PassedOver::Unreadable => "unreadable",
        PassedOver::Own => "own",
        PassedOver::ForOthers => "for_others",
        PassedOver::Duplicate => "duplicate",
        PassedOver::Expired => "expired",
        PassedOver::NoCall => "no_call",
        PassedOver::Full => "full",
        PassedOver::TooManyCalls => "too_many_calls",
    };
    counter!(PASSED_OVER, "why" => why).increment(1);
}

pub(super) fn ignored(why: Ignored) {
    let why = match why {
        Ignored::OwnEcho => "own_echo",
        Ignored::OtherParty => "other_party",
        Ignored::OutOfPlace => "out_of_place",
        Ignored::Expired => "expired",
        Ignored::TooMany => "too_many",
    };
    counter!(PASSED_OVER, "why" => why).increment(1);
}
