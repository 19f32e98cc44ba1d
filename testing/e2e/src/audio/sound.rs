//! Sampled sound in memory and in WAV files.

use super::AudioError;
use super::resample::resample;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::path::Path;
use std::time::Duration;

/// Samples a second of all [`Audio`], in Hz: what Opus and both networks use.
pub const SAMPLE_RATE: u32 = 48_000;

/// Mono sound at [`SAMPLE_RATE`]; full scale is −1 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audio {
    samples: Vec<f32>,
}

impl Audio {
    /// Sound from its samples, which are at [`SAMPLE_RATE`].
    pub fn new(samples: Vec<f32>) -> Self {
        Self { samples }
    }

    /// Nothing to hear for so long.
    pub fn silence(length: Duration) -> Self {
        Self::new(vec![0.0; samples_in(length)])
    }

    /// Sound from 16-bit frames at [`SAMPLE_RATE`], its channels averaged. An incomplete last frame is left out.
    pub fn from_interleaved(samples: &[i16], channels: usize) -> Self {
        let channels = channels.max(1);
        let frames = samples.chunks_exact(channels);
        Self::new(
            frames
                .map(|frame| mean(frame.iter().map(|&sample| f32::from(sample) / 32_768.0)))
                .collect(),
        )
    }

    /// Sound from samples at another rate (in Hz).
    pub fn from_rate(samples: &[f32], rate: u32) -> Self {
        Self::new(resample(samples, f64::from(rate), f64::from(SAMPLE_RATE)))
    }

    /// Reads a WAV file of any rate and number of channels.
    pub fn load(path: &Path) -> Result<Self, AudioError> {
        read(path).map_err(|source| AudioError::Wav {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes a WAV file, 16 bits a sample. What is beyond full scale is clipped.
    pub fn save(&self, path: &Path) -> Result<(), AudioError> {
        write(path, &self.samples).map_err(|source| AudioError::Wav {
            path: path.to_owned(),
            source,
        })
    }

    /// The samples.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The samples, taken out.
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(SAMPLE_RATE))
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The root of the mean square of all samples; 0 if there are none.
    pub fn rms(&self) -> f32 {
        rms(&self.samples)
    }

    /// The part between two moments, as much of it as there is.
    #[must_use]
    pub fn slice(&self, from: Duration, to: Duration) -> Self {
        let end = samples_in(to).min(self.samples.len());
        let start = samples_in(from).min(end);
        Self::new(self.samples.get(start..end).unwrap_or_default().to_vec())
    }

    /// The same, louder or (below zero) quieter.
    #[must_use]
    pub fn gain_db(&self, db: f32) -> Self {
        let factor = 10_f32.powf(db / 20.0);
        Self::new(self.samples.iter().map(|sample| sample * factor).collect())
    }

    /// Both at once, as long as the longer one.
    #[must_use]
    pub fn mixed_with(&self, other: &Self) -> Self {
        let (long, short) = if self.samples.len() < other.samples.len() {
            (other, self)
        } else {
            (self, other)
        };
        let mut mixed = long.samples.clone();
        for (sample, added) in mixed.iter_mut().zip(&short.samples) {
            *sample += added;
        }
        Self::new(mixed)
    }
}

/// The root of the mean square; 0 for no samples.
pub(super) fn rms(samples: &[f32]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt() as f32
}

/// How many samples at [`SAMPLE_RATE`] play for so long.
pub(super) fn samples_in(length: Duration) -> usize {
    (length.as_secs_f64() * f64::from(SAMPLE_RATE)).round() as usize
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = values.len().max(1) as f32;
    values.sum::<f32>() / count
}

fn read(path: &Path) -> Result<Audio, hound::Error> {
    let mut reader = WavReader::open(path)?;
    let spec = reader.spec();
    let interleaved: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        SampleFormat::Int => {
            let scale = 1.0 / 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|value| value as f32 * scale))
                .collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mono: Vec<f32> = interleaved
        .chunks_exact(channels)
        .map(|frame| mean(frame.iter().copied()))
        .collect();
    Ok(Audio::from_rate(&mono, spec.sample_rate))
}

fn write(path: &Path, samples: &[f32]) -> Result<(), hound::Error> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(path, spec)?;
    for &sample in samples {
        writer.write_sample((sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16)?;
    }
    writer.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_back_what_was_saved() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sound.wav");
        let audio = Audio::new((0..4_800).map(|i| (i as f32 * 0.05).sin() * 0.5).collect());
        audio.save(&path).unwrap();
        let loaded = Audio::load(&path).unwrap();
        assert_eq!(loaded.samples().len(), 4_800);
        let worst = loaded
            .samples()
            .iter()
            .zip(audio.samples())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 1.0 / 32_000.0, "worst difference {worst}");
    }

    #[test]
    fn channels_are_averaged_and_rates_converted() {
        assert_eq!(
            Audio::from_interleaved(&[16_384, 0, -16_384, -16_384, 1], 2).samples(),
            [0.25, -0.5]
        );
        assert_eq!(
            Audio::from_rate(&[0.0; 441], 44_100).duration(),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Audio::load(Path::new("/nowhere/at/all.wav")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all.wav"), "{error}");
    }

    #[test]
    fn slices_stay_within_the_sound() {
        let audio = Audio::silence(Duration::from_secs(1));
        assert_eq!(
            audio
                .slice(Duration::from_millis(900), Duration::from_secs(9))
                .duration(),
            Duration::from_millis(100)
        );
        assert!(audio.slice(Duration::from_secs(3), Duration::from_secs(4)).is_empty());
    }
}
