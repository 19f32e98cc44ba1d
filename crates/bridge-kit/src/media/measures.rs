//! Metrics of the media threads.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram};
use voice_media::Stats;

use crate::instruments;

/// Looked up once: what happens for a packet allocates nothing.
static MUTED: LazyLock<Counter> = LazyLock::new(|| instruments::MEDIA_MUTED.get());

/// How often a room adds its counters to the program's.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn lateness() -> Histogram {
    instruments::MEDIA_LATENESS.get()
}

pub(super) fn late() -> Counter {
    instruments::MEDIA_LATE.get()
}

pub(super) fn overflowed() {
    instruments::MEDIA_OVERFLOWED.get().increment(1);
}

pub(super) fn muted() {
    MUTED.increment(1);
}

pub(super) fn panicked() {
    instruments::MEDIA_PANICS.get().increment(1);
}

pub(super) fn room_opened() {
    instruments::MEDIA_ROOMS.get().increment(1.0);
}

pub(super) fn room_closed() {
    instruments::MEDIA_ROOMS.get().decrement(1.0);
}

/// Adds what one room counts to the program's counters, at intervals, because that costs more than a packet does.
#[derive(Debug, Default)]
pub(super) struct Meter {
    reported: Stats,
    at: Option<Instant>,
}

impl Meter {
    /// Reports, if it is time.
    pub(super) fn report(&mut self, now: Instant, stats: Stats) {
        if self.at.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL) {
            self.at = Some(now);
            self.flush(stats);
        }
    }

    /// Reports what has not been reported.
    pub(super) fn flush(&mut self, stats: Stats) {
        let before = std::mem::replace(&mut self.reported, stats);
        for (kind, now, before) in [
            ("received", stats.received, before.received),
            ("forwarded", stats.forwarded, before.forwarded),
            ("decoded", stats.decoded, before.decoded),
            ("mixed", stats.mixed, before.mixed),
            ("encoded", stats.encoded, before.encoded),
            ("ducked", stats.ducked, before.ducked),
            ("lost", stats.lost, before.lost),
            ("late", stats.late, before.late),
            ("duplicate", stats.duplicates, before.duplicates),
            ("malformed", stats.malformed, before.malformed),
            ("concealed", stats.concealed, before.concealed),
            ("transcoded", stats.transcoded, before.transcoded),
            ("skipped", stats.skipped, before.skipped),
        ] {
            if now > before {
                instruments::MEDIA_FRAMES.with([kind]).increment(now - before);
            }
        }
    }
}
