//! Voice away: for how long was nothing heard of what was said?

use super::recording::{Clock, Recording};
use super::tracking::{Breaks, MATCHED, Signal, WINDOW_MS, Window, track};
use std::fmt;
use std::time::Duration;

/// What was said and what arrived of it, over breaks of the way between: the lag may be another one after each.
#[derive(Clone, Debug)]
pub struct VoiceAway {
    stretches: Vec<Stretch>,
    windows: usize,
}

/// A time without voice at the listener, who should have heard some; in UNIX milliseconds by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from_ms: f64,
    to_ms: f64,
}

impl Stretch {
    fn of((from_ms, said_to_ms): (f64, f64), lag_after_ms: f64) -> Self {
        Self {
            from_ms,
            to_ms: said_to_ms + lag_after_ms,
        }
    }

    fn since(self, unix_ms: f64) -> Duration {
        Duration::from_secs_f64((self.to_ms - self.from_ms.max(unix_ms)).max(0.0) / 1_000.0)
    }
}

impl VoiceAway {
    /// Compares what was said with what was heard. Both need clocks: nothing is found without.
    pub fn run(said: &Recording, heard: &Recording) -> Self {
        let windows = track(&Signal::new(said), &Signal::new(heard), Breaks::Bridge);
        let stretches = match (&said.clock, &heard.clock) {
            (Some(clock), Some(_)) => stretches(&windows, clock),
            _ => Vec::new(),
        };
        Self {
            stretches,
            windows: windows.len(),
        }
    }

    /// The longest time without voice.
    pub fn longest(&self) -> Duration {
        self.longest_since(f64::NEG_INFINITY)
    }

    /// The same from a moment on (UNIX milliseconds): of a stretch that began before, what came after it.
    pub fn longest_since(&self, unix_ms: f64) -> Duration {
        let since = self.stretches.iter().map(|stretch| stretch.since(unix_ms));
        since.max().unwrap_or_default()
    }

    /// How many windows of speech were looked for. A verdict on none would be no verdict.
    pub fn windows(&self) -> usize {
        self.windows
    }
}

impl fmt::Display for VoiceAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.longest().as_secs_f64())
    }
}

/// Windows in a row that do not match, pauses included, each row as one stretch of the listener's time: from where the
/// voice was missed, by the lag before, to where it was heard again, by the lag after.
fn stretches(windows: &[Window], said: &Clock) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut lag_before = None;
    // Where a row begins at the listener, and where its last window ends at the speaker.
    let mut row: Option<(f64, f64)> = None;
    for window in windows {
        let at = said.time_at(window.at);
        if window.correlation < MATCHED {
            let from = at + lag_before.unwrap_or(window.tracked_ms);
            row = Some((row.map_or(from, |(from, _)| from), at + WINDOW_MS as f64));
            continue;
        }
        lag_before = Some(window.tracked_ms);
        stretches.extend(row.take().map(|row| Stretch::of(row, window.tracked_ms)));
    }
    let last_lag = windows.last().map_or(0.0, |window| window.tracked_ms);
    stretches.extend(row.map(|row| Stretch::of(row, last_lag)));
    stretches
}
