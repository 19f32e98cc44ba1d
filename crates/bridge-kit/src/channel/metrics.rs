//! What is counted about channels. Labels come from closed lists.

use std::time::Instant;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use signalling::{BrokenReason, Ending};

const OPEN: &str = "vdp_signalling_channels_open";
const OPENED: &str = "vdp_signalling_opened_total";
const REJECTED: &str = "vdp_signalling_rejected_total";
const BROKEN: &str = "vdp_signalling_broken_total";
const CLOSED: &str = "vdp_signalling_closed_total";
const NEGOTIATION: &str = "vdp_signalling_negotiation_seconds";
const SENT: &str = "vdp_signalling_events_sent_total";
const SEND_FAILURES: &str = "vdp_signalling_send_failures_total";
const RECEIVED: &str = "vdp_signalling_events_received_total";
const IGNORED: &str = "vdp_signalling_events_ignored_total";

/// Says what each metric means; to be called once a recorder is installed.
pub(super) fn describe() {
    describe_gauge!(OPEN, "Rooms whose channel is open");
    describe_counter!(OPENED, "Epochs of channels that were opened");
    describe_counter!(REJECTED, "Requests for a channel that were rejected, by reason");
    describe_counter!(BROKEN, "Epochs of channels that broke, by reason");
    describe_counter!(CLOSED, "Channels that were closed, by reason");
    describe_histogram!(
        NEGOTIATION,
        Unit::Seconds,
        "From asking for an epoch, or its break, until one is open"
    );
    describe_counter!(SENT, "Signalling events sent, by type");
    describe_counter!(SEND_FAILURES, "Signalling events that could not be sent, by type");
    describe_counter!(RECEIVED, "Signalling events received that could be read, by type");
    describe_counter!(IGNORED, "Signalling events received that had no effect, by why");
}

pub(super) fn sent(kind: &'static str, failed: bool) {
    counter!(if failed { SEND_FAILURES } else { SENT }, "kind" => kind).increment(1);
}

pub(super) fn received(kind: &'static str) {
    counter!(RECEIVED, "kind" => kind).increment(1);
}

/// Why an event had no effect.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ignored {
    /// Its type is not one of this version's.
    UnknownType,
    /// It could not be read.
    Unreadable,
    /// It is a request that nobody waits for any more.
    Stale,
    /// Its room has more events waiting than it can take.
    Flooded,
    /// It belongs to no channel of this side.
    Stray,
}

pub(super) fn ignored(why: Ignored) {
    let why = match why {
        Ignored::UnknownType => "unknown_type",
        Ignored::Unreadable => "unreadable",
        Ignored::Stale => "stale",
        Ignored::Flooded => "flooded",
        Ignored::Stray => "stray",
    };
    counter!(IGNORED, "why" => why).increment(1);
}

/// Counts what becomes of one room's channel.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: Option<OpenGauge>,
    since: Option<Instant>,
}

impl Tally {
    /// An epoch is being negotiated from now on.
    pub(super) fn negotiating(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    pub(super) fn opened(&mut self, now: Instant) {
        counter!(OPENED).increment(1);
        if let Some(since) = self.since.take() {
            histogram!(NEGOTIATION).record(now.saturating_duration_since(since));
        }
        self.open.get_or_insert_with(OpenGauge::new);
    }

    pub(super) fn broken(&mut self, now: Instant, reason: &BrokenReason) {
        counter!(BROKEN, "reason" => reason.label()).increment(1);
        self.open = None;
        self.negotiating(now);
    }

    pub(super) fn ended(&mut self, ending: &Ending) {
        match ending {
            Ending::Rejected(refusal) => {
                counter!(REJECTED, "reason" => refusal.reason.label()).increment(1);
            }
            Ending::Closed { reason, .. } => {
                counter!(CLOSED, "reason" => reason.label()).increment(1);
            }
        }
        *self = Self::default();
    }
}

/// One room's part of the gauge of open channels, taken back whichever way the room's task ends.
#[derive(Debug)]
struct OpenGauge;

impl OpenGauge {
    fn new() -> Self {
        gauge!(OPEN).increment(1.0);
        Self
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        gauge!(OPEN).decrement(1.0);
    }
}
