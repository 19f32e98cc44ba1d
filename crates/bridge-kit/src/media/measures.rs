//! Metrics of the media threads.

use std::sync::Once;
use std::time::{Duration, Instant};

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use voice_media::Stats;

const FRAMES: &str = "voice_media_frames_total";
const OVERFLOWED: &str = "voice_media_overflowed_total";
const PANICS: &str = "voice_media_panics_total";
const ROOMS: &str = "voice_media_rooms";
const LATENESS: &str = "voice_media_lateness_seconds";
const LATE: &str = "voice_media_late_wakeups_total";

/// How often a room adds its counters to the program's.
const INTERVAL: Duration = Duration::from_secs(1);

/// Describes all of them, once.
pub(super) fn describe() {
    static DESCRIBED: Once = Once::new();
    DESCRIBED.call_once(|| {
        describe_counter!(FRAMES, "Opus packets by what became of them (label kind)");
        describe_counter!(OVERFLOWED, "Packets dropped because the queue of their room was full");
        describe_counter!(PANICS, "Rooms ended by a panic of their engine or of a sink");
        describe_gauge!(ROOMS, "Rooms on the media threads");
        describe_histogram!(
            LATENESS,
            Unit::Seconds,
            "How long deadlines and packets of rooms waited for their thread"
        );
        describe_counter!(
            LATE,
            "Frames of 20 ms in which something waited more than 10 ms for its thread"
        );
    });
}

pub(super) fn lateness() -> Histogram {
    histogram!(LATENESS)
}

pub(super) fn late() -> Counter {
    counter!(LATE)
}

pub(super) fn overflowed() {
    counter!(OVERFLOWED).increment(1);
}

pub(super) fn panicked() {
    counter!(PANICS).increment(1);
}

pub(super) fn room_opened() {
    gauge!(ROOMS).increment(1.0);
}

pub(super) fn room_closed() {
    gauge!(ROOMS).decrement(1.0);
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
                counter!(FRAMES, "kind" => kind).increment(now - before);
            }
        }
    }
}
