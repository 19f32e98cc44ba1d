//! Signals that look like speech to a codec and a detector: voiced syllables with formants, hissing between them.

use std::f32::consts::TAU;

/// A way to make packets of a signal.
pub(crate) type Encode = fn(&[f32]) -> Vec<Vec<u8>>;

/// A voice: pitch in Hz, and a seed for its noise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    pub(crate) pitch: f32,
    pub(crate) seed: u32,
}

pub(crate) const ALICE: Voice = Voice { pitch: 203.0, seed: 1 };
pub(crate) const BOB: Voice = Voice { pitch: 117.0, seed: 2 };
pub(crate) const CAROL: Voice = Voice { pitch: 161.0, seed: 3 };

impl Voice {
    /// Speech of this voice at about −20 dBFS, which falls by 17 dB between syllables but never pauses.
    pub(crate) fn speak(self, millis: usize) -> Vec<f32> {
        let mut noise = Noise::new(self.seed);
        let mut phase = 0.0_f32;
        (0..millis * 48)
            .map(|sample| {
                let time = seconds(sample);
                let syllable = (TAU / 2.0 * time * 3.7 + self.pitch).sin().abs();
                let glide = 1.0 + 0.1 * (TAU * time * 0.9).sin();
                phase = (phase + self.pitch * glide / 48_000.0).fract();
                let voiced: f32 = (1_u8..11)
                    .map(|harmonic| {
                        let frequency = self.pitch * f32::from(harmonic);
                        (TAU * phase * f32::from(harmonic)).sin() * formants(frequency, time)
                    })
                    .sum();
                let envelope = 0.08 + 0.92 * syllable.powf(0.7);
                0.13 * envelope * voiced + 0.004 * noise.next()
            })
            .collect()
    }
}

/// White noise at this level.
pub(crate) fn noise(millis: usize, amplitude: f32, seed: u32) -> Vec<f32> {
    let mut noise = Noise::new(seed);
    (0..millis * 48).map(|_| amplitude * noise.next()).collect()
}

/// Noise that is loudest at its lowest frequencies, as a fan's.
pub(crate) fn rumble(millis: usize, seed: u32) -> Vec<f32> {
    let mut low = 0.0;
    let white = noise(millis, 1.0, seed);
    white
        .into_iter()
        .map(|sample| {
            low += (sample - low) * 0.05;
            low
        })
        .collect()
}

/// What mains leave in a bad cable: 100 Hz and what goes with it.
pub(crate) fn hum(millis: usize) -> Vec<f32> {
    let buzz = |time: f32| {
        (1_u8..6).map(move |harmonic| (TAU * 100.0 * f32::from(harmonic) * time).sin() / f32::from(harmonic))
    };
    // The sine repeats every 10 ms, and so does its argument here: large ones would lose their precision.
    (0..millis * 48)
        .map(|sample| buzz(seconds(sample % 480)).sum())
        .collect()
}

pub(crate) fn silence(millis: usize) -> Vec<f32> {
    vec![0.0; millis * 48]
}

/// The level of a frame, −dBov, as a sender measures it for RFC 6464.
pub(crate) fn level(samples: &[f32]) -> u8 {
    let power = power(samples);
    (0..127)
        .find(|&level| 10.0_f32.powf(-f32::from(level) / 10.0) <= power)
        .unwrap_or(127)
}

pub(crate) fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / count(samples.len())
}

pub(crate) fn decibels(power: f32) -> f32 {
    10.0 * power.max(1e-12).log10()
}

/// How loud `voice` is in `recording`, and how well it is known: the gain that explains most of the recording
/// (least squares over all voices at once), in dB. Everything must be aligned.
pub(crate) fn gains(recording: &[f32], voices: &[&[f32]]) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let size = voices.len();
    let mut rows: Vec<Vec<f64>> = voices
        .iter()
        .map(|voice| {
            let mut row: Vec<f64> = voices.iter().map(|other| dot(voice, other)).collect();
            row.push(dot(voice, recording));
            row
        })
        .collect();
    for pivot in 0..size {
        let leading = rows[pivot].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            if index != pivot {
                let factor = row[pivot] / leading[pivot];
                row.iter_mut()
                    .zip(&leading)
                    .for_each(|(cell, lead)| *cell -= factor * lead);
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a gain")]
    (0..size)
        .map(|index| (20.0 * (rows[index][size] / rows[index][index]).abs().max(1e-6).log10()) as f32)
        .collect()
}

/// The delay of `recording` behind `reference`, in samples up to `most`, at which they are most alike, and how alike
/// they are then (normalised cross-correlation). Half a second is looked at, every third sample of it: speech has
/// nothing to say above 8 kHz.
pub(crate) fn align(recording: &[f32], reference: &[f32], most: usize) -> (usize, f32) {
    let alike = |lag: usize| {
        let part = &recording[lag.min(recording.len())..];
        let (mut cross, mut left, mut right) = (0.0_f32, 1e-9_f32, 1e-9_f32);
        for (a, b) in part.iter().zip(reference).take(24_000).step_by(3) {
            cross += a * b;
            left += a * a;
            right += b * b;
        }
        cross / (left * right).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>| {
        let alike = lags.map(|lag| (lag, alike(lag)));
        alike.max_by(|a, b| a.1.total_cmp(&b.1)).expect("there is a lag")
    };
    let (near, _) = best(&mut (0..=most).step_by(4));
    best(&mut (near.saturating_sub(4)..=near + 4))
}

/// Encodes for a call: SILK or hybrid, mono, as Chromium does at this rate.
pub(crate) fn encode_voip(pcm: &[f32]) -> Vec<Vec<u8>> {
    encode(pcm, opus2::Application::Voip, 24_000, 960)
}

/// Encodes as Discord does: the transform coder, which says nothing about speech.
pub(crate) fn encode_celt(pcm: &[f32]) -> Vec<Vec<u8>> {
    encode(pcm, opus2::Application::LowDelay, 64_000, 960)
}

pub(crate) fn encode(pcm: &[f32], application: opus2::Application, bits: i32, samples: usize) -> Vec<Vec<u8>> {
    let mut encoder = opus2::Encoder::new(48_000, opus2::Channels::Mono, application).expect("libopus works");
    encoder.set_bitrate(opus2::Bitrate::Bits(bits)).expect("a valid rate");
    if application == opus2::Application::Voip {
        // Left to itself libopus takes these voices for music.
        encoder.set_signal(opus2::Signal::Voice).expect("a valid signal");
    }
    let frames = pcm.chunks_exact(samples);
    frames
        .map(|frame| encoder.encode_vec_float(frame, 1_275).expect("it encodes"))
        .collect()
}

/// A vowel that changes: two resonances that wander.
fn formants(frequency: f32, time: f32) -> f32 {
    let peak = |centre: f32, width: f32| 1.0 / (1.0 + ((frequency - centre) / width).powi(2));
    let first = 500.0 + 200.0 * (TAU * time * 1.3).sin();
    let second = 1_500.0 + 500.0 * (TAU * time * 0.8).cos();
    peak(first, 150.0) + 0.5 * peak(second, 200.0)
}

struct Noise(u32);

impl Noise {
    fn new(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761) | 1)
    }

    /// Between −1 and 1 (xorshift).
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        let bits = u16::try_from(self.0 >> 16).expect("16 bits");
        f32::from(bits) / 32_767.5 - 1.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "signals of seconds")]
fn count(samples: usize) -> f32 {
    samples.max(1) as f32
}

fn seconds(sample: usize) -> f32 {
    count(sample) / 48_000.0
}
