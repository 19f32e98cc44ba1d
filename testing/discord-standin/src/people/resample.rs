//! Sample rate conversion for files: a windowed sinc, made for quality and not for speed.

/// Zero crossings of the sinc on each side.
const REACH: f64 = 24.0;

/// Converts one channel from one sample rate to another.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions are far below 2^52 and not negative where they become indices"
)]
pub(crate) fn resample(input: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || from == 0 {
        return input.to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    // Downwards the filter also has to take away what the lower rate cannot hold.
    let cutoff = (1.0 / step).min(1.0);
    let reach = REACH / cutoff;
    let count = (input.len() as f64 / step).round() as usize;
    (0..count)
        .map(|n| {
            let centre = n as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach).floor() as usize + 1).min(input.len());
            let window = input.get(first..last).unwrap_or_default();
            let sum: f64 = window
                .iter()
                .zip(first..)
                .map(|(sample, index)| f64::from(*sample) * kernel(index as f64 - centre, cutoff, reach))
                .sum();
            sum as f32
        })
        .collect()
}

/// A Blackman-windowed sinc.
fn kernel(distance: f64, cutoff: f64, reach: f64) -> f64 {
    use std::f64::consts::PI;
    let x = distance * cutoff * PI;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let phase = PI * distance / reach;
    let window = 0.42 + 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos();
    cutoff * sinc * window
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, rate: u32, count: u32) -> Vec<f32> {
        (0..count)
            .map(|n| {
                let phase = f64::from(n) * frequency * std::f64::consts::TAU / f64::from(rate);
                #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
                let sample = phase.sin() as f32;
                sample
            })
            .collect()
    }

    #[test]
    fn a_tone_stays_the_same_tone() {
        for (from, to) in [(22_050, 48_000), (44_100, 48_000), (96_000, 48_000)] {
            let converted = resample(&tone(1_000.0, from, from), from, to);
            let expected = tone(1_000.0, to, to);
            assert_eq!(converted.len(), expected.len());
            let worst = converted[1_000..47_000]
                .iter()
                .zip(&expected[1_000..47_000])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-3, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn what_a_lower_rate_cannot_hold_is_taken_away() {
        let converted = resample(&tone(30_000.0, 96_000, 96_000), 96_000, 48_000);
        let loudest = converted[1_000..47_000].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert!(loudest < 1e-2, "{loudest}");
    }
}
