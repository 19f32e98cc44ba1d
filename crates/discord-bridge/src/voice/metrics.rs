//! What the voice side counts, for all channels together.

use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::frame::Unfit;

const CHANNELS: &str = "voice_discord_channels_joined";
const RECEIVED: &str = "voice_discord_packets_received_total";
const SENT: &str = "voice_discord_packets_sent_total";
const CONCEALED: &str = "voice_discord_ticks_concealed_total";
const TRIMMED: &str = "voice_discord_packets_trimmed_total";
const DROPPED: &str = "voice_discord_packets_dropped_total";
const LINES_LOST: &str = "voice_discord_lines_lost_total";

/// Tells the exporter what the names mean.
pub(crate) fn describe() {
    describe_gauge!(CHANNELS, Unit::Count, "Voice channels that the bot is in");
    describe_counter!(
        RECEIVED,
        Unit::Count,
        "Voice packets from Discord that went on to a room"
    );
    describe_counter!(SENT, Unit::Count, "Voice packets that went on to Discord");
    describe_counter!(
        CONCEALED,
        Unit::Count,
        "20 ms ticks inside a talk spurt that had no packet for Discord"
    );
    describe_counter!(
        TRIMMED,
        Unit::Count,
        "Packets for Discord dropped because they stood in the queue"
    );
    describe_counter!(DROPPED, Unit::Count, "Packets dropped, by reason");
    describe_counter!(
        LINES_LOST,
        Unit::Count,
        "Connections to voice servers that ended while they were needed"
    );
    // Nothing joined is a statement too.
    channels().set(0.0);
}

/// The gauge of joined channels.
pub(crate) fn channels() -> Gauge {
    gauge!(CHANNELS)
}

pub(super) fn line_lost() {
    counter!(LINES_LOST).increment(1);
}

pub(super) fn received() {
    counter!(RECEIVED).increment(1);
}

pub(super) fn ignored() {
    counter!(DROPPED, "reason" => "ignored_user").increment(1);
}

pub(super) fn unknown(packets: u64) {
    counter!(DROPPED, "reason" => "unknown_ssrc").increment(packets);
}

pub(super) fn unencrypted() {
    counter!(DROPPED, "reason" => "unencrypted").increment(1);
}

pub(super) fn sent() {
    counter!(SENT).increment(1);
}

pub(super) fn concealed() {
    counter!(CONCEALED).increment(1);
}

pub(super) fn trimmed(packets: u64) {
    counter!(TRIMMED).increment(packets);
}

pub(super) fn overflowed() {
    counter!(DROPPED, "reason" => "queue_full").increment(1);
}

pub(super) fn unfit(unfit: Unfit) {
    let reason = match unfit {
        Unfit::TooLong => "too_long",
        Unfit::NotOneTick => "not_20_ms",
    };
    counter!(DROPPED, "reason" => reason).increment(1);
}
