//! The instruments of the WebRTC end, in one place.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const DROPPED: &str = "voice_webrtc_datagrams_dropped_total";
const SKIPPED: &str = "voice_webrtc_candidates_skipped_total";
const UNSENT: &str = "voice_webrtc_packets_unsent_total";
const UNHEARD: &str = "voice_webrtc_packets_unheard_total";
const ERRORS: &str = "voice_webrtc_errors_total";
const CONNECTIONS: &str = "voice_webrtc_connections";

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

/// Registers names, units and descriptions; to be called once at start.
pub fn describe() {
    describe_counter!(DROPPED, "Datagrams on the WebRTC port that went nowhere");
    describe_counter!(SKIPPED, "ICE candidates of peers that cannot be used");
    describe_counter!(UNSENT, "Voice packets that a WebRTC connection could not send");
    describe_counter!(UNHEARD, "Voice packets that a WebRTC connection was too slow to take");
    describe_counter!(ERRORS, "Inputs that a WebRTC connection refused");
    describe_gauge!(CONNECTIONS, "WebRTC connections that exist");
    gauge!(CONNECTIONS).set(0.0);
}

pub(super) fn dropped(why: Dropped) {
    let reason = match why {
        Dropped::UnknownSource => "unknown_source",
        Dropped::UnknownUser => "unknown_user",
        Dropped::Garbage => "garbage",
        Dropped::Full => "full",
        Dropped::SendFailed => "send_failed",
    };
    counter!(DROPPED, "reason" => reason).increment(1);
}

pub(super) fn candidate_skipped(reason: &'static str) {
    counter!(SKIPPED, "reason" => reason).increment(1);
}

pub(super) fn unsent() {
    counter!(UNSENT).increment(1);
}

pub(super) fn unheard() {
    counter!(UNHEARD).increment(1);
}

pub(super) fn error(stage: &'static str) {
    counter!(ERRORS, "stage" => stage).increment(1);
}

pub(super) fn connections(change: f64) {
    gauge!(CONNECTIONS).increment(change);
}
