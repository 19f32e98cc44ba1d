//! Where each moment of one recording is found in another, followed over time.

use super::correlation::Correlator;
use super::recording::{Clock, Recording};
use super::resample::decimate;
use super::sound::{SAMPLE_RATE, rms};
use std::collections::VecDeque;
use std::time::Duration;

/// The rate the checks work at is [`SAMPLE_RATE`] divided by this.
pub(super) const FACTOR: usize = 3;
/// Samples a millisecond at the working rate.
pub(super) const SAMPLES_A_MS: usize = SAMPLE_RATE as usize / FACTOR / 1_000;
/// The step from window to window.
pub(super) const STEP_MS: usize = 100;
/// The length of a window.
pub(super) const WINDOW_MS: usize = 400;
/// A window that correlates at least this well is matched.
pub(super) const MATCHED: f64 = 0.5;

/// How far from the lag tracked so far a window is searched.
const SEARCH_MS: usize = 100;
/// A window counts if its level is above this share of the whole reference's.
const ACTIVE_SHARE: f32 = 0.2;
/// The tracked lag is the median of so many matched windows, so that one that fell for a period of the voice does no harm.
const MEDIAN_OF: usize = 5;

/// The seed of the lag is searched at the working rate divided by this; whole files are cheap there.
const SEED_FACTOR: usize = 4;
/// What is searched for the seed: the loudest stretches of this length.
const SEED_MS: usize = 2_000;
const SEEDS: usize = 6;
/// How much later than said (or, by the clocks' inaccuracy, earlier) something may be heard.
const SEED_RANGE_MS: (f64, f64) = (-500.0, 3_000.0);

/// One window of the reference, and where it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Where it begins in the reference.
    pub at: Duration,
    /// How much later it was heard, in ms: by the wall clock where both recordings have one, else in the files.
    pub lag_ms: f64,
    /// The same, smoothed over the last matched windows.
    pub tracked_ms: f64,
    /// The normalised correlation there, −1 to 1.
    pub correlation: f64,
}

/// A recording at the working rate.
#[derive(Clone)]
pub(super) struct Signal {
    pub(super) samples: Vec<f32>,
    clock: Option<Clock>,
}

impl Signal {
    pub(super) fn new(recording: &Recording) -> Self {
        Self {
            samples: decimate(recording.audio.samples(), FACTOR),
            clock: recording.clock.clone(),
        }
    }

    /// The same moments with other samples.
    pub(super) fn with_samples(&self, samples: Vec<f32>) -> Self {
        Self {
            samples,
            clock: self.clock.clone(),
        }
    }

    /// The samples from a place on, which may begin before the first and end after the last one.
    fn padded(&self, start: i64, length: usize) -> Vec<f32> {
        let before = usize::try_from(-start).unwrap_or(0).min(length);
        let first = usize::try_from(start).unwrap_or(0).min(self.samples.len());
        let end = (first + length - before).min(self.samples.len());
        let mut part = vec![0.0; before];
        part.extend_from_slice(self.samples.get(first..end).unwrap_or_default());
        part.resize(length, 0.0);
        part
    }
}

/// The place in `heard` that is the same moment as a place in `reference`: by the clocks if both have one, else the same place.
pub(super) fn same_moment(reference: &Signal, heard: &Signal, place: f64) -> f64 {
    match (&reference.clock, &heard.clock) {
        (Some(said), Some(heard)) => heard.sample_at(said.time_of(place * FACTOR as f64)) / FACTOR as f64,
        _ => place,
    }
}

/// Whether the lags are delays: both recordings have a clock.
pub(super) fn are_clocked(reference: &Signal, heard: &Signal) -> bool {
    reference.clock.is_some() && heard.clock.is_some()
}

/// Follows `reference` through `heard`. Windows in which the reference is silent, or at whose moment nothing was recorded,
/// are left out.
pub(super) fn track(reference: &Signal, heard: &Signal) -> Vec<Window> {
    let mut correlator = Correlator::new();
    let Some(seed) = seed_lag(&mut correlator, reference, heard) else {
        return Vec::new();
    };
    let mut lag = TrackedLag::new(seed);
    let windows = active_windows(&reference.samples, WINDOW_MS, STEP_MS);
    let follow = |(start, samples)| follow(&mut correlator, &mut lag, reference, heard, start, samples);
    windows.into_iter().filter_map(follow).collect()
}

/// Finds one window near the tracked lag, which it moves if it matches.
fn follow(
    correlator: &mut Correlator,
    lag: &mut TrackedLag,
    reference: &Signal,
    heard: &Signal,
    start: usize,
    window: &[f32],
) -> Option<Window> {
    let margin = SEARCH_MS * SAMPLES_A_MS;
    let moment = same_moment(reference, heard, start as f64);
    let expected = (moment + lag.tracked()).round();
    if expected < 0.0 || expected + window.len() as f64 > heard.samples.len() as f64 {
        return None;
    }
    let searched = (expected - margin as f64) as i64;
    let peak = correlator.best(window, &heard.padded(searched, window.len() + 2 * margin))?;
    let found = searched as f64 + peak.offset - moment;
    if peak.correlation >= MATCHED {
        lag.found(found);
    }
    Some(Window {
        at: Duration::from_secs_f64(start as f64 / (SAMPLES_A_MS * 1_000) as f64),
        lag_ms: found / SAMPLES_A_MS as f64,
        tracked_ms: lag.tracked() / SAMPLES_A_MS as f64,
        correlation: peak.correlation,
    })
}

/// The median of the last lags, in samples.
struct TrackedLag {
    seed: f64,
    last: VecDeque<f64>,
}

impl TrackedLag {
    fn new(seed: f64) -> Self {
        Self {
            seed,
            last: VecDeque::with_capacity(MEDIAN_OF),
        }
    }

    fn found(&mut self, lag: f64) {
        if self.last.len() == MEDIAN_OF {
            self.last.pop_front();
        }
        self.last.push_back(lag);
    }

    fn tracked(&self) -> f64 {
        let mut sorted: Vec<f64> = self.last.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(self.seed)
    }
}

/// The lag, in samples, at which the loudest stretches of the reference are found best.
fn seed_lag(correlator: &mut Correlator, reference: &Signal, heard: &Signal) -> Option<f64> {
    let said = reference.with_samples(decimate(&reference.samples, SEED_FACTOR));
    let coarse = heard.with_samples(decimate(&heard.samples, SEED_FACTOR));
    let length = SEED_MS * SAMPLES_A_MS / SEED_FACTOR;
    let length = length.min(said.samples.len()).min(coarse.samples.len());
    let moment_of = |start: usize| same_moment(reference, heard, (start * SEED_FACTOR) as f64) / SEED_FACTOR as f64;
    let clocked = are_clocked(reference, heard);
    // What was said while nobody recorded cannot be found.
    let is_recorded =
        |start: usize| !clocked || (0.0..=(coarse.samples.len() - length) as f64).contains(&moment_of(start));
    let mut best: Option<(f64, f64)> = None;
    for start in loudest(&said.samples, length, is_recorded) {
        let moment = moment_of(start);
        let (searched, stretch) = seed_stretch(&coarse, moment, length, clocked);
        let window = said.samples.get(start..start + length)?;
        let Some(peak) = correlator.best(window, &stretch) else {
            continue;
        };
        if best.is_none_or(|(_, correlation)| peak.correlation > correlation) {
            best = Some((
                (searched as f64 + peak.offset - moment) * SEED_FACTOR as f64,
                peak.correlation,
            ));
        }
    }
    best.map(|(lag, _)| lag)
}

/// Where a stretch may be found: near its moment where that is known, else anywhere.
fn seed_stretch(heard: &Signal, moment: f64, length: usize, clocked: bool) -> (i64, Vec<f32>) {
    if !clocked {
        return (0, heard.samples.clone());
    }
    let samples_a_ms = SAMPLES_A_MS as f64 / SEED_FACTOR as f64;
    let (earliest, latest) = SEED_RANGE_MS;
    let range = ((latest - earliest) * samples_a_ms) as usize;
    let start = (moment + earliest * samples_a_ms) as i64;
    (start, heard.padded(start, length + range))
}

/// Where the loudest stretches begin, of those that are wanted; none overlaps another by more than half.
fn loudest(samples: &[f32], length: usize, is_wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let step = (length / 2).max(1);
    let wanted = samples
        .windows(length.max(1))
        .enumerate()
        .step_by(step)
        .filter(|&(start, _)| is_wanted(start));
    let mut stretches: Vec<(usize, f32)> = wanted.map(|(start, stretch)| (start, rms(stretch))).collect();
    stretches.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    stretches.truncate(SEEDS);
    stretches.into_iter().map(|(start, _)| start).collect()
}

/// The windows in which the reference speaks, each with the place where it begins.
fn active_windows(samples: &[f32], window_ms: usize, step_ms: usize) -> Vec<(usize, &[f32])> {
    let threshold = rms(samples) * ACTIVE_SHARE;
    let windows = samples
        .windows(window_ms * SAMPLES_A_MS)
        .enumerate()
        .step_by(step_ms * SAMPLES_A_MS);
    windows.filter(|(_, window)| rms(window) > threshold).collect()
}
