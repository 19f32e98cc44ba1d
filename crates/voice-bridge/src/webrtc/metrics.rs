//! The instruments of the WebRTC end, in one place.

use crate::instruments;

/// Why a datagram was not given to a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    /// From an address that no call knows.
    UnknownSource,
    /// STUN with a user name that no call uses.
    UnknownUser,
    /// Not a protocol of WebRTC.
    Garbage,
    /// The call is too slow to take it.
    Full,
    /// The socket did not take it.
    SendFailed,
}

pub(super) fn dropped(why: Dropped) {
    let reason = match why {
        Dropped::UnknownSource => "unknown_source",
        Dropped::UnknownUser => "unknown_user",
        Dropped::Garbage => "garbage",
        Dropped::Full => "full",
        Dropped::SendFailed => "send_failed",
    };
    instruments::WEBRTC_DROPPED.with([reason]).increment(1);
}

pub(super) fn candidate_skipped(reason: &'static str) {
    instruments::WEBRTC_SKIPPED.with([reason]).increment(1);
}

pub(super) fn unsent() {
    instruments::WEBRTC_UNSENT.get().increment(1);
}

pub(super) fn unheard() {
    instruments::WEBRTC_UNHEARD.get().increment(1);
}

pub(super) fn error(stage: &'static str) {
    instruments::WEBRTC_ERRORS.with([stage]).increment(1);
}

pub(super) fn connections(change: f64) {
    instruments::WEBRTC_CONNECTIONS.get().increment(change);
}
