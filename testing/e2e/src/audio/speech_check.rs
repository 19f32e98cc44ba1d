//! `SPEECH_CHECK`: is what was heard what was said?

use super::recording::Recording;
use super::sound::{Audio, SAMPLE_RATE};
use super::tracking::{Breaks, MATCHED, STEP_MS, Signal, WINDOW_MS, Window, are_clocked, track};
use std::fmt;

/// The least 10th percentile of the windows' correlations.
const LEAST_P10: f64 = 0.7;
/// The least share of windows that are matched.
const LEAST_MATCHED: f64 = 0.95;
/// The most that the tracked lag may differ over a run, in ms.
const MOST_DRIFT_MS: f64 = 100.0;
/// The most that other speech may correlate, by the median.
const MOST_UNRELATED: f64 = 0.3;
/// A verdict on fewer windows would be chance: two seconds of speech.
const LEAST_WINDOWS: usize = 20;

/// How voice got from one end to the other, which says how exactly it must be what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoicePath {
    /// Its Opus packets went through untouched.
    Forwarded,
    /// It was decoded and encoded again on the way.
    Transcoded,
}

impl VoicePath {
    fn least_median(self) -> f64 {
        match self {
            Self::Forwarded => 0.9,
            Self::Transcoded => 0.8,
        }
    }
}

/// How much later something was heard than it was said, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Half of the time it was shorter.
    pub median_ms: f64,
    /// For 95 % of the time it was shorter.
    pub p95_ms: f64,
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.0} ms, p95 {:.0} ms", self.median_ms, self.p95_ms)
    }
}

/// The figures of one comparison. Printed, it is one line.
#[derive(Clone, Debug)]
pub struct SpeechCheck {
    windows: Vec<Window>,
    clocked: bool,
}

impl SpeechCheck {
    /// Looks for all that `reference` says in `heard`.
    ///
    /// Where both have clocks, only the time that both cover counts, and the first lag is searched from half a second
    /// early (clocks differ) to three seconds late. Otherwise it is searched anywhere.
    pub fn run(reference: &Recording, heard: &Recording) -> Self {
        let (reference, heard) = (Signal::new(reference), Signal::new(heard));
        Self {
            windows: track(&reference, &heard, Breaks::Lose),
            clocked: are_clocked(&reference, &heard),
        }
    }

    /// Whether what was heard is what was said.
    pub fn passes(&self, path: VoicePath) -> bool {
        self.failures(path).is_empty()
    }

    /// What is not as it must be: each with its figure and its limit. Empty if the check passes.
    pub fn failures(&self, path: VoicePath) -> Vec<String> {
        let mut failures = Vec::new();
        let mut require = |holds: bool, text: String| {
            if !holds {
                failures.push(text);
            }
        };
        let (count, median, p10) = (self.windows.len(), self.median(), self.p10());
        require(
            count >= LEAST_WINDOWS,
            format!("{count} windows of speech, at least {LEAST_WINDOWS} needed"),
        );
        require(
            median >= path.least_median(),
            format!("median {median:.2}, at least {} needed", path.least_median()),
        );
        require(p10 >= LEAST_P10, format!("p10 {p10:.2}, at least {LEAST_P10} needed"));
        let share = self.share_matched();
        require(
            share >= LEAST_MATCHED,
            format!(
                "{:.1} % matched, at least {:.0} % needed",
                share * 100.0,
                LEAST_MATCHED * 100.0
            ),
        );
        let drift = self.drift_ms();
        require(
            drift <= MOST_DRIFT_MS,
            format!("the lag drifts by {drift:.0} ms, at most {MOST_DRIFT_MS} allowed"),
        );
        failures
    }

    /// The control: whether this is not what was said. Silence is unrelated to everything.
    pub fn is_unrelated(&self) -> bool {
        self.median() <= MOST_UNRELATED
    }

    /// The median of the windows' correlations.
    pub fn median(&self) -> f64 {
        percentile(self.windows.iter().map(|window| window.correlation), 0.5)
    }

    /// The 10th percentile of the windows' correlations.
    pub fn p10(&self) -> f64 {
        percentile(self.windows.iter().map(|window| window.correlation), 0.1)
    }

    /// The share of windows that correlate by at least one half.
    pub fn share_matched(&self) -> f64 {
        self.matched().count() as f64 / self.windows.len().max(1) as f64
    }

    /// How far the tracked lag moved over the run: its largest less its smallest value, in ms.
    pub fn drift_ms(&self) -> f64 {
        let lags = || self.matched().map(|window| window.tracked_ms);
        percentile(lags(), 1.0) - percentile(lags(), 0.0)
    }

    /// Mouth to ear, where both recordings have clocks and anything matched.
    pub fn delay(&self) -> Option<Delay> {
        if !self.clocked || self.matched().next().is_none() {
            return None;
        }
        let at = |share| percentile(self.matched().map(|window| window.tracked_ms), share);
        Some(Delay {
            median_ms: at(0.5),
            p95_ms: at(0.95),
        })
    }

    /// Every window that counted, in order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    fn matched(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|window| window.correlation >= MATCHED)
    }
}

impl fmt::Display for SpeechCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.windows.len() as f64 * STEP_MS as f64 / 1_000.0;
        write!(
            f,
            "median {:.2}, p10 {:.2}, {:.1} % matched of {seconds:.1} s speech, drift {:.0} ms",
            self.median(),
            self.p10(),
            self.share_matched() * 100.0,
            self.drift_ms(),
        )?;
        self.delay().map_or(Ok(()), |delay| write!(f, ", delay {delay}"))
    }
}

/// What was heard with four windows of every nine muted: the check must fail on it.
pub fn muted(heard: &Recording) -> Recording {
    let window = SAMPLE_RATE as usize * WINDOW_MS / 1_000;
    let mut samples = heard.audio.samples().to_vec();
    for stretch in samples.chunks_mut(9 * window) {
        stretch.iter_mut().take(4 * window).for_each(|sample| *sample = 0.0);
    }
    Recording {
        audio: Audio::new(samples),
        clock: heard.clock.clone(),
    }
}

/// The value below which the given share of all values lies; 0 if there are none.
fn percentile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(0.0)
}
