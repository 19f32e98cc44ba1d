//! The instruments of `m.call` calls, in one place.

use super::machine::{EndReason, Ignored};
use crate::instruments;

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

/// Counts a call for as long as it exists.
#[derive(Debug)]
pub(super) struct Counted;

impl Counted {
    pub(super) fn new() -> Self {
        instruments::VOIP_CALLS.get().increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        instruments::VOIP_CALLS.get().decrement(1.0);
    }
}

pub(super) fn event() {
    instruments::VOIP_EVENTS.get().increment(1);
}

pub(super) fn taken_over() {
    instruments::VOIP_TAKEN_OVER.get().increment(1);
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
    instruments::VOIP_ENDED.with([reason]).increment(1);
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
    instruments::VOIP_IGNORED.with([why]).increment(1);
}

pub(super) fn ignored(why: Ignored) {
    let why = match why {
        Ignored::OwnEcho => "own_echo",
        Ignored::OtherParty => "other_party",
        Ignored::OutOfPlace => "out_of_place",
        Ignored::Expired => "expired",
        Ignored::TooMany => "too_many",
    };
    instruments::VOIP_IGNORED.with([why]).increment(1);
}
