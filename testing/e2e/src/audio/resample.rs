//! Conversion between sample rates by a windowed sinc.

use std::f64::consts::PI;

/// Zero crossings of the sinc on each side: the pass band reaches about 90 % of the lower rate's half.
const CROSSINGS: usize = 16;
/// Entries of the kernel's table between two zero crossings; linear interpolation between them is then exact to −90 dB.
const STEPS: usize = 256;

/// The same sound at another rate. Both rates are in any one unit; their ratio need not be a simple one.
pub(super) fn resample(samples: &[f32], from: f64, to: f64) -> Vec<f32> {
    if (from - to).abs() < f64::EPSILON * from {
        return samples.to_vec();
    }
    let step = from / to;
    let length = (samples.len() as f64 / step).round() as usize;
    let kernel = Kernel::new((to / from).min(1.0));
    (0..length)
        .map(|index| kernel.at(samples, index as f64 * step))
        .collect()
}

/// Every `factor`-th sample of what the lower rate can hold. The first one keeps its place.
pub(super) fn decimate(samples: &[f32], factor: usize) -> Vec<f32> {
    let taps = Kernel::new(1.0 / factor as f64).taps();
    let margin = taps.len() / 2;
    let mut padded = vec![0.0; margin];
    padded.extend_from_slice(samples);
    padded.resize(samples.len() + 2 * margin, 0.0);
    padded
        .windows(taps.len())
        .step_by(factor)
        .map(|window| dot(window, &taps))
        .collect()
}

/// The sum of products, in eight lanes because a single sum waits for itself.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

/// A low-pass that reconstructs a value between samples.
pub(super) struct Kernel {
    /// The right half, from the centre outwards.
    table: Vec<f32>,
    /// The cut-off as a share of the input's half rate.
    cutoff: f64,
    /// How many input samples it reaches to each side.
    reach: f64,
}

impl Kernel {
    /// A kernel that keeps what is below `cutoff` (0 to 1) of the input's half rate.
    pub(super) fn new(cutoff: f64) -> Self {
        let reach = CROSSINGS as f64 / cutoff;
        let table = (0..=CROSSINGS * STEPS + 1)
            .map(|entry| tap(entry as f64 / STEPS as f64) as f32)
            .collect();
        Self { table, cutoff, reach }
    }

    /// The value at a fractional position of `samples`, which are silent outside.
    pub(super) fn at(&self, samples: &[f32], position: f64) -> f32 {
        let first = (position - self.reach).ceil().max(0.0) as usize;
        let end = ((position + self.reach).floor() + 1.0).clamp(0.0, samples.len() as f64) as usize;
        let scale = (self.cutoff * STEPS as f64) as f32;
        let offset = (position - first as f64) as f32;
        let mut sum = 0.0;
        for (index, &sample) in samples.get(first..end).unwrap_or_default().iter().enumerate() {
            sum += sample * self.weight((offset - index as f32).abs() * scale);
        }
        sum * self.cutoff as f32
    }

    /// The weights around a position that is exactly a sample.
    fn taps(&self) -> Vec<f32> {
        let reach = self.reach.floor() as i32;
        let scale = (self.cutoff * STEPS as f64) as f32;
        (-reach..=reach)
            .map(|tap| self.weight(tap.unsigned_abs() as f32 * scale) * self.cutoff as f32)
            .collect()
    }

    fn weight(&self, place: f32) -> f32 {
        let entry = place as usize;
        let share = place - entry as f32;
        match self.table.get(entry..entry + 2) {
            Some(&[here, next]) => here + (next - here) * share,
            _ => 0.0,
        }
    }
}

/// The sinc with a Blackman window over [`CROSSINGS`], at `x` zero crossings from the centre.
fn tap(x: f64) -> f64 {
    let edge = x / CROSSINGS as f64;
    if edge >= 1.0 {
        return 0.0;
    }
    let sinc = if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    sinc * (0.42 + 0.5 * (PI * edge).cos() + 0.08 * (2.0 * PI * edge).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, rate: f64, seconds: f64) -> Vec<f32> {
        (0..(rate * seconds) as usize)
            .map(|i| (2.0 * PI * frequency * i as f64 / rate).sin() as f32)
            .collect()
    }

    /// The largest difference, leaving out the ends where the kernel reaches over the edge.
    fn difference(a: &[f32], b: &[f32]) -> f32 {
        let inner = a.len().min(b.len()) - 200;
        a.iter()
            .zip(b)
            .skip(200)
            .take(inner - 200)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        let up = resample(&tone(1_000.0, 22_050.0, 0.5), 22_050.0, 48_000.0);
        assert_eq!(up.len(), 24_000);
        assert!(difference(&up, &tone(1_000.0, 48_000.0, 0.5)) < 1e-3);
        let down = decimate(&tone(1_000.0, 48_000.0, 0.5), 3);
        assert_eq!(down.len(), 8_000);
        assert!(difference(&down, &tone(1_000.0, 16_000.0, 0.5)) < 1e-3);
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_taken_out() {
        for down in [
            decimate(&tone(12_000.0, 48_000.0, 0.5), 3),
            resample(&tone(12_000.0, 48_000.0, 0.5), 48_000.0, 16_000.0),
        ] {
            assert!(down.iter().skip(100).take(7_800).all(|sample| sample.abs() < 1e-3));
        }
    }

    #[test]
    fn fifty_parts_in_a_million_are_a_ratio_too() {
        let stretched = resample(&tone(500.0, 48_000.0, 1.0), 48_000.0, 48_000.0 * 1.000_05);
        assert_eq!(stretched.len(), 48_002);
        assert!(difference(&stretched, &tone(500.0, 48_000.0 * 1.000_05, 1.0)) < 1e-3);
    }
}
