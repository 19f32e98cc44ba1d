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

/// How far from the lag tracked so far a window is searched: 100 ms.
const SEARCH: usize = 100 * SAMPLES_A_MS;
/// So many windows in a row that do not match are a break.
const LOST_AFTER: usize = 5;
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

/// What becomes of a voice that is not where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breaks {
    /// It is lost until it is there again.
    Lose,
    /// It is looked for everywhere, since the lag may be another one after a break of the way.
    Bridge,
}

/// Follows `reference` through `heard`. Windows in which the reference is silent, or at whose moment nothing was recorded,
/// are left out.
pub(super) fn track(reference: &Signal, heard: &Signal, breaks: Breaks) -> Vec<Window> {
    let mut correlator = Correlator::new();
    let seeds = Seeds::new(reference, heard);
    let Some(seed) = seeds.best(&mut correlator) else {
        return Vec::new();
    };
    let mut lag = TrackedLag::new(seed);
    let mut tracked = Vec::new();
    // The windows at the end of those tracked that do not match.
    let mut missed = Vec::new();
    for (start, samples) in active_windows(&reference.samples, WINDOW_MS, STEP_MS) {
        let Some(window) = follow(&mut correlator, &mut lag, reference, heard, start, samples) else {
            continue;
        };
        tracked.push(window);
        if window.correlation >= MATCHED {
            missed.clear();
            continue;
        }
        missed.push((start, samples));
        if breaks == Breaks::Lose || missed.len() < LOST_AFTER {
            continue;
        }
        let found = seeds.lag_from(&mut correlator, start);
        if let Some(elsewhere) = found.filter(|found| (found - lag.tracked()).abs() > SEARCH as f64) {
            lag = TrackedLag::new(elsewhere);
            tracked.truncate(tracked.len() - missed.len());
            for (start, samples) in missed.drain(..) {
                tracked.extend(follow(&mut correlator, &mut lag, reference, heard, start, samples));
            }
        }
    }
    tracked
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
    let moment = same_moment(reference, heard, start as f64);
    let expected = (moment + lag.tracked()).round();
    if expected < 0.0 || expected + window.len() as f64 > heard.samples.len() as f64 {
        return None;
    }
    let searched = (expected - SEARCH as f64) as i64;
    let peak = correlator.best(window, &heard.padded(searched, window.len() + 2 * SEARCH))?;
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

/// Both recordings at the rate at which a lag is searched in the wide.
struct Seeds<'a> {
    reference: &'a Signal,
    heard: &'a Signal,
    said: Signal,
    coarse: Signal,
    /// Of the stretches that are searched.
    length: usize,
}

/// A lag, in samples, and how well the stretch fits there.
struct Found {
    lag: f64,
    correlation: f64,
}

impl<'a> Seeds<'a> {
    fn new(reference: &'a Signal, heard: &'a Signal) -> Self {
        let said = reference.with_samples(decimate(&reference.samples, SEED_FACTOR));
        let coarse = heard.with_samples(decimate(&heard.samples, SEED_FACTOR));
        let length = SEED_MS * SAMPLES_A_MS / SEED_FACTOR;
        Self {
            length: length.min(said.samples.len()).min(coarse.samples.len()),
            reference,
            heard,
            said,
            coarse,
        }
    }

    /// The lag, in samples, at which the loudest stretches of the reference are found best.
    fn best(&self, correlator: &mut Correlator) -> Option<f64> {
        // What was said while nobody recorded cannot be found.
        let clocked = self.are_clocked();
        let last = (self.coarse.samples.len() - self.length) as f64;
        let is_recorded = |start: usize| !clocked || (0.0..=last).contains(&self.moment_of(start));
        let found = loudest(&self.said.samples, self.length, is_recorded).into_iter();
        let found = found.filter_map(|start| self.find(correlator, start));
        found
            .reduce(|best, other| {
                if other.correlation > best.correlation {
                    other
                } else {
                    best
                }
            })
            .map(|found| found.lag)
    }

    /// The lag of the stretch that begins at a place in the reference, if it is there at all.
    fn lag_from(&self, correlator: &mut Correlator, start: usize) -> Option<f64> {
        let found = self.find(correlator, start / SEED_FACTOR)?;
        (found.correlation >= MATCHED).then_some(found.lag)
    }

    /// Where a stretch is found best.
    fn find(&self, correlator: &mut Correlator, start: usize) -> Option<Found> {
        let stretch = self.said.samples.get(start..start + self.length)?;
        let moment = self.moment_of(start);
        let (searched, samples) = seed_stretch(&self.coarse, moment, self.length, self.are_clocked());
        let peak = correlator.best(stretch, &samples)?;
        Some(Found {
            lag: (searched as f64 + peak.offset - moment) * SEED_FACTOR as f64,
            correlation: peak.correlation,
        })
    }

    fn moment_of(&self, start: usize) -> f64 {
        same_moment(self.reference, self.heard, (start * SEED_FACTOR) as f64) / SEED_FACTOR as f64
    }

    fn are_clocked(&self) -> bool {
        are_clocked(self.reference, self.heard)
    }
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
