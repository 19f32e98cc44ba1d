//! What is counted about channels. Labels come from closed lists.

use std::time::Instant;

use signalling::{BrokenReason, Ending};

use crate::instruments;

pub(super) fn sent(kind: &'static str, failed: bool) {
    let counter = if failed {
        instruments::EVENTS_UNSENT
    } else {
        instruments::EVENTS_SENT
    };
    counter.with([kind]).increment(1);
}

pub(super) fn received(kind: &'static str) {
    instruments::EVENTS_RECEIVED.with([kind]).increment(1);
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
    instruments::EVENTS_IGNORED.with([why]).increment(1);
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
        instruments::OPENED.get().increment(1);
        if let Some(since) = self.since.take() {
            instruments::NEGOTIATION
                .get()
                .record(now.saturating_duration_since(since));
        }
        self.open.get_or_insert_with(OpenGauge::new);
    }

    pub(super) fn broken(&mut self, now: Instant, reason: &BrokenReason) {
        instruments::BROKEN.with([reason.label()]).increment(1);
        self.open = None;
        self.negotiating(now);
    }

    pub(super) fn ended(&mut self, ending: &Ending) {
        match ending {
            Ending::Rejected(refusal) => {
                instruments::REJECTED.with([refusal.reason.label()]).increment(1);
            }
            Ending::Closed { reason, .. } => {
                instruments::CLOSED.with([reason.label()]).increment(1);
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
        instruments::CHANNELS_OPEN.get().increment(1.0);
        Self
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        instruments::CHANNELS_OPEN.get().decrement(1.0);
    }
}
