//! Audio together with the wall clock by which it was recorded.

use super::AudioError;
use super::sound::{Audio, SAMPLE_RATE};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Speech goes beyond this (−40 dBFS) all the time, and comfort noise never.
const AUDIBLE: f32 = 0.01;

/// Samples in a millisecond.
const SAMPLES_A_MS: f64 = SAMPLE_RATE as f64 / 1_000.0;

/// Now, in milliseconds since the UNIX epoch: the clock of all anchors.
pub fn unix_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1_000.0
}

/// A stamp of the local Discord (UNIX nanoseconds) on the clock of recordings: UNIX milliseconds.
pub fn wall_clock_ms(unix_ns: u64) -> f64 {
    unix_ns as f64 / 1e6
}

/// A sample whose time is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// The sample, counted from the start of the recording.
    pub sample: u64,
    /// Its time in milliseconds since the UNIX epoch.
    pub unix_ms: f64,
}

/// Which time belongs to which sample: straight lines between anchors, exactly [`SAMPLE_RATE`] before and after them.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    anchors: Vec<Anchor>,
}

impl Clock {
    /// A clock that never deviates from [`SAMPLE_RATE`].
    pub fn starting_at(unix_ms: f64) -> Self {
        Self {
            anchors: vec![Anchor { sample: 0, unix_ms }],
        }
    }

    /// A clock through the given points.
    pub fn from_anchors(anchors: Vec<Anchor>) -> Result<Self, AudioError> {
        let ascending = anchors
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.sample < b.sample && a.unix_ms < b.unix_ms));
        if anchors.is_empty() || !ascending || anchors.iter().any(|anchor| !anchor.unix_ms.is_finite()) {
            return Err(AudioError::Clock);
        }
        Ok(Self { anchors })
    }

    /// The time of a sample, in milliseconds since the UNIX epoch.
    pub fn time_of(&self, sample: f64) -> f64 {
        let after = self.anchors.partition_point(|anchor| (anchor.sample as f64) <= sample);
        let (from, rate) = self.segment(after);
        from.unix_ms + (sample - from.sample as f64) / rate
    }

    /// The time so long after the first sample, in milliseconds since the UNIX epoch.
    pub fn time_at(&self, since_start: Duration) -> f64 {
        self.time_of(since_start.as_secs_f64() * f64::from(SAMPLE_RATE))
    }

    /// The sample at a time; negative before the first one.
    pub fn sample_at(&self, unix_ms: f64) -> f64 {
        let after = self.anchors.partition_point(|anchor| anchor.unix_ms <= unix_ms);
        let (from, rate) = self.segment(after);
        from.sample as f64 + (unix_ms - from.unix_ms) * rate
    }

    /// The line that ends at anchor `after`: a point on it, and its samples a millisecond.
    fn segment(&self, after: usize) -> (Anchor, f64) {
        let before = after.checked_sub(1).and_then(|index| self.anchors.get(index));
        match (before, self.anchors.get(after)) {
            (Some(a), Some(b)) => (*a, (b.sample - a.sample) as f64 / (b.unix_ms - a.unix_ms)),
            (Some(only), None) | (None, Some(only)) => (*only, SAMPLES_A_MS),
            (None, None) => (
                Anchor {
                    sample: 0,
                    unix_ms: 0.0,
                },
                SAMPLES_A_MS,
            ),
        }
    }

    /// The clock of what remains when the first samples are cut off.
    fn without_first(&self, samples: usize) -> Self {
        let cut = samples as u64;
        let start = Anchor {
            sample: 0,
            unix_ms: self.time_of(samples as f64),
        };
        let later = self.anchors.iter().filter(|anchor| anchor.sample > cut);
        let shifted = later.map(|anchor| Anchor {
            sample: anchor.sample - cut,
            unix_ms: anchor.unix_ms,
        });
        Self {
            anchors: std::iter::once(start).chain(shifted).collect(),
        }
    }
}

/// Audio and, if it is known, when it was recorded or played.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// What was recorded.
    pub audio: Audio,
    /// When.
    pub clock: Option<Clock>,
}

impl Recording {
    /// Audio with its clock.
    pub fn new(audio: Audio, clock: Clock) -> Self {
        Self {
            audio,
            clock: Some(clock),
        }
    }

    /// Audio of which nobody knows when it was.
    pub fn without_clock(audio: Audio) -> Self {
        Self { audio, clock: None }
    }

    /// When anything was to be heard first (milliseconds since the UNIX epoch); nothing where there is no clock.
    pub fn first_sound_ms(&self) -> Option<f64> {
        let clock = self.clock.as_ref()?;
        let first = self.audio.samples().iter().position(|sample| sample.abs() > AUDIBLE)?;
        Some(clock.time_of(first as f64))
    }

    /// When anything was to be heard for the last time (milliseconds since the UNIX epoch); nothing where there is no clock.
    pub fn last_sound_ms(&self) -> Option<f64> {
        let clock = self.clock.as_ref()?;
        let last = self.audio.samples().iter().rposition(|sample| sample.abs() > AUDIBLE)?;
        Some(clock.time_of(last as f64))
    }

    /// The part from a time on (milliseconds since the UNIX epoch); unchanged where there is no clock.
    #[must_use]
    pub fn since(&self, unix_ms: f64) -> Self {
        self.between(unix_ms, f64::INFINITY)
    }

    /// The part between two times (milliseconds since the UNIX epoch); unchanged where there is no clock.
    #[must_use]
    pub fn between(&self, from_unix_ms: f64, to_unix_ms: f64) -> Self {
        let Some(clock) = &self.clock else {
            return self.clone();
        };
        let length = self.audio.samples().len() as f64;
        let first = clock.sample_at(from_unix_ms).clamp(0.0, length) as usize;
        let end = clock.sample_at(to_unix_ms).clamp(first as f64, length) as usize;
        let samples = self.audio.samples().get(first..end).unwrap_or_default();
        Self::new(Audio::new(samples.to_vec()), clock.without_first(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(points: &[(u64, f64)]) -> Result<Clock, AudioError> {
        Clock::from_anchors(
            points
                .iter()
                .map(|&(sample, unix_ms)| Anchor { sample, unix_ms })
                .collect(),
        )
    }

    #[test]
    fn a_clock_goes_through_its_anchors() {
        let clock = clock(&[(48_000, 1_000.0), (96_000, 2_010.0)]).unwrap();
        for (sample, time) in [
            (0.0, 0.0),
            (48_000.0, 1_000.0),
            (72_000.0, 1_505.0),
            (96_000.0, 2_010.0),
            (144_000.0, 3_010.0),
        ] {
            assert!((clock.time_of(sample) - time).abs() < 1e-6, "{sample}");
            assert!((clock.sample_at(time) - sample).abs() < 1e-6, "{time}");
        }
    }

    #[test]
    fn what_is_no_clock_is_refused() {
        assert!(clock(&[]).is_err());
        assert!(clock(&[(5, 1.0), (5, 2.0)]).is_err());
        assert!(clock(&[(5, 2.0), (6, 1.0)]).is_err());
        assert!(clock(&[(5, f64::NAN)]).is_err());
    }

    #[test]
    fn the_first_and_the_last_sound_have_their_times() {
        let mut samples = vec![0.0; 96_000];
        samples[24_000] = 0.5;
        samples[48_000] = -0.5;
        samples[72_000] = 0.005;
        let recording = Recording::new(Audio::new(samples), Clock::starting_at(10_000.0));
        assert_eq!(recording.first_sound_ms(), Some(10_500.0));
        assert_eq!(recording.last_sound_ms(), Some(11_000.0));
        let nothing = recording.since(11_200.0);
        assert_eq!((nothing.first_sound_ms(), nothing.last_sound_ms()), (None, None));
    }

    #[test]
    fn a_part_keeps_its_times() {
        let audio = Audio::new((0..96_000).map(|i| i as f32).collect());
        let whole = Recording::new(audio, Clock::starting_at(10_000.0));
        let part = whole.between(10_500.0, 11_500.0);
        assert_eq!(part.audio.samples().first(), Some(&24_000.0));
        assert_eq!(part.audio.samples().len(), 48_000);
        assert_eq!(part.clock.as_ref().map(|clock| clock.time_of(0.0)), Some(10_500.0));
        assert!(whole.between(20_000.0, 30_000.0).audio.is_empty());
        assert_eq!(whole.since(11_500.0).audio.samples().len(), 24_000);
    }
}
