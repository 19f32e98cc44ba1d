//! `MIX_CHECK`: who is in the mix, and how loud?

use super::recording::Recording;
use super::resample::Kernel;
use super::tracking::{Breaks, SAMPLES_A_MS, STEP_MS, Signal, Window, same_moment, track};
use std::fmt;

/// The most that the gains of those who should be there may differ, in dB.
const MOST_SPREAD_DB: f64 = 3.0;
/// The most that a voice may have, relative to those who should be there, that should not be there, in dB.
const MOST_UNEXPECTED_DB: f64 = -25.0;
/// What a gain of nothing is called, in dB.
const FLOOR_DB: f64 = -100.0;

/// A voice that is looked for in a mix.
#[derive(Clone, Copy, Debug)]
pub struct MixSource<'a> {
    /// Whose it is.
    pub name: &'a str,
    /// What was said.
    pub recording: &'a Recording,
    /// Whether it should be heard.
    pub expected: bool,
}

/// How loud a voice is in a mix.
#[derive(Clone, Debug, PartialEq)]
pub struct MixGain {
    /// Whose it is.
    pub name: String,
    /// Whether it should be heard.
    pub expected: bool,
    /// Its level in the mix relative to what was said, in dB; −100 for nothing at all.
    pub gain_db: f64,
}

/// The figures of one mix. Printed, they are one line.
#[derive(Clone, Debug, PartialEq)]
pub struct MixCheck {
    /// One for each source, in their order.
    pub gains: Vec<MixGain>,
}

impl MixCheck {
    /// Explains `heard` as a sum of the sources by least squares, each aligned to where it is heard over time.
    ///
    /// Those who should be there are looked for in the mix; the others in what then remains, so that a quiet voice is
    /// found beneath loud ones. It takes ten seconds in which all talk to tell a stranger from chance.
    pub fn run(heard: &Recording, sources: &[MixSource<'_>]) -> Self {
        let heard = Signal::new(heard);
        let signals: Vec<Signal> = sources.iter().map(|source| Signal::new(source.recording)).collect();
        let is_expected: Vec<bool> = sources.iter().map(|source| source.expected).collect();
        let placed = place_all(&heard, &signals, &is_expected);
        let gains = least_squares(&heard.samples, &placed);
        let named = sources.iter().zip(gains).map(|(source, gain)| MixGain {
            name: source.name.to_owned(),
            expected: source.expected,
            gain_db: decibels(gain),
        });
        Self { gains: named.collect() }
    }

    /// Whether everybody is there who should be, equally loud, and nobody else.
    pub fn passes(&self) -> bool {
        self.failures().is_empty()
    }

    /// What is not as it must be: each with its figure and its limit. Empty if the check passes.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let expected = || self.gains.iter().filter(|gain| gain.expected);
        let loudest = expected().map(|gain| gain.gain_db).fold(FLOOR_DB, f64::max);
        if loudest <= MOST_UNEXPECTED_DB {
            failures.push(format!("the loudest voice that should be there has {loudest:.1} dB"));
        }
        for gain in expected().filter(|gain| gain.gain_db < loudest - MOST_SPREAD_DB) {
            let behind = loudest - gain.gain_db;
            failures.push(format!(
                "{} is {behind:.1} dB below the loudest, at most {MOST_SPREAD_DB} allowed",
                gain.name
            ));
        }
        let reference = if loudest > MOST_UNEXPECTED_DB { loudest } else { 0.0 };
        for gain in self.gains.iter().filter(|gain| !gain.expected) {
            let relative = gain.gain_db - reference;
            if relative > MOST_UNEXPECTED_DB {
                failures.push(format!(
                    "{} is there with {relative:.1} dB, at most {MOST_UNEXPECTED_DB} allowed",
                    gain.name
                ));
            }
        }
        failures
    }
}

impl fmt::Display for MixCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gain) in self.gains.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let role = if gain.expected { "" } else { " (should be absent)" };
            write!(f, "{separator}{} {:.1} dB{role}", gain.name, gain.gain_db)?;
        }
        Ok(())
    }
}

/// Each source on the timeline of what was heard.
fn place_all(heard: &Signal, sources: &[Signal], is_expected: &[bool]) -> Vec<Vec<f32>> {
    let place_those = |expected: bool, within: &Signal| -> Vec<Option<Vec<f32>>> {
        let choose = |(source, &is_expected): (&Signal, &bool)| {
            (is_expected == expected).then(|| placed(source, heard, &track(source, within, Breaks::Lose)))
        };
        sources.iter().zip(is_expected).map(choose).collect()
    };
    let present = place_those(true, heard);
    let remainder = heard.with_samples(remainder(&heard.samples, present.iter().flatten()));
    let others = place_those(false, &remainder);
    present
        .into_iter()
        .zip(others)
        .filter_map(|(present, other)| present.or(other))
        .collect()
}

/// The source as it would sound at the place of the listener if nothing but its lag had changed.
fn placed(source: &Signal, heard: &Signal, windows: &[Window]) -> Vec<f32> {
    let kernel = Kernel::new(1.0);
    let mut samples = vec![0.0; heard.samples.len()];
    let step = STEP_MS * SAMPLES_A_MS;
    let mut lags = windows.iter().peekable();
    let Some(mut lag_ms) = lags.peek().map(|first| first.tracked_ms) else {
        return samples;
    };
    for start in (0..source.samples.len()).step_by(step) {
        let at_ms = (start / SAMPLES_A_MS) as u128;
        while let Some(window) = lags.next_if(|window| window.at.as_millis() <= at_ms) {
            lag_ms = window.tracked_ms;
        }
        let shift = same_moment(source, heard, start as f64) + lag_ms * SAMPLES_A_MS as f64 - start as f64;
        let first = (start as f64 + shift).ceil().max(0.0) as usize;
        let stretch = samples.iter_mut().enumerate().skip(first).take(step);
        for (index, sample) in stretch {
            *sample = kernel.at(&source.samples, index as f64 - shift);
        }
    }
    samples
}

/// What is left of what was heard when the given voices are taken out.
fn remainder<'a>(heard: &[f32], voices: impl Iterator<Item = &'a Vec<f32>>) -> Vec<f32> {
    let voices: Vec<Vec<f32>> = voices.cloned().collect();
    let gains = least_squares(heard, &voices);
    let mut remainder = heard.to_vec();
    for (voice, gain) in voices.iter().zip(gains) {
        for (sample, voice) in remainder.iter_mut().zip(voice) {
            *sample -= gain as f32 * voice;
        }
    }
    remainder
}

/// The gains with which the voices together come closest to what was heard. A silent voice has none.
fn least_squares(heard: &[f32], voices: &[Vec<f32>]) -> Vec<f64> {
    let equations: Vec<Vec<f64>> = voices
        .iter()
        .map(|row| {
            voices
                .iter()
                .map(|column| product(row, column))
                .chain([product(row, heard)])
                .collect()
        })
        .collect();
    solve(equations)
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Gauss–Jordan elimination of symmetric positive equations, each with its right side last. An unknown that nothing
/// determines becomes 0.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let scale = rows
        .iter()
        .enumerate()
        .filter_map(|(i, row)| row.get(i).copied())
        .fold(0.0, f64::max);
    for column in 0..rows.len() {
        let Some(pivot_row) = rows.get(column).cloned() else {
            break;
        };
        let pivot = pivot_row.get(column).copied().unwrap_or(0.0);
        if pivot <= scale * 1e-9 {
            rows.iter_mut()
                .filter_map(|row| row.get_mut(column))
                .for_each(|value| *value = 0.0);
            continue;
        }
        for (index, row) in rows.iter_mut().enumerate() {
            let own = index == column;
            let factor = row
                .get(column)
                .map_or(0.0, |value| if own { (value - 1.0) / pivot } else { value / pivot });
            row.iter_mut()
                .zip(&pivot_row)
                .for_each(|(value, pivot)| *value -= factor * pivot);
        }
    }
    let determined = |(index, row): (usize, Vec<f64>)| {
        let is_determined = row.get(index).is_some_and(|&value| value != 0.0);
        if is_determined {
            row.last().copied().unwrap_or(0.0)
        } else {
            0.0
        }
    };
    rows.into_iter().enumerate().map(determined).collect()
}

fn decibels(gain: f64) -> f64 {
    (20.0 * gain.abs().log10()).max(FLOOR_DB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let gains = solve(vec![vec![2.0, 1.0, 4.0], vec![1.0, 3.0, 7.0]]);
        assert!(
            (gains[0] - 1.0).abs() < 1e-9 && (gains[1] - 2.0).abs() < 1e-9,
            "{gains:?}"
        );
    }

    #[test]
    fn silent_and_equal_voices_make_no_nan() {
        let voice = vec![0.5_f32, -0.5, 0.25];
        let silence = vec![0.0; 3];
        assert_eq!(least_squares(&voice, &[silence.clone(), voice.clone()]), [0.0, 1.0]);
        let twice = least_squares(&voice, &[voice.clone(), voice.clone()]);
        assert!((twice.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{twice:?}");
        assert!(least_squares(&voice, &[]).is_empty());
        assert!(decibels(0.0) <= FLOOR_DB);
    }
}
