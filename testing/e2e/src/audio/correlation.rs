//! Normalised cross-correlation of a window with every place of a longer stretch.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Below this mean square (about −94 dBFS) a stretch is silent: it correlates with nothing.
const SILENCE: f64 = 4e-10;

/// Where a window fits best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Peak {
    /// The place in the stretch where the window begins, in samples, interpolated between them.
    pub(super) offset: f64,
    /// The correlation there, −1 to 1; 0 where either side is silent.
    pub(super) correlation: f64,
}

/// Correlates by FFT; keeps the plans for the sizes it has seen.
pub(super) struct Correlator {
    planner: FftPlanner<f32>,
}

impl Correlator {
    pub(super) fn new() -> Self {
        Self {
            planner: FftPlanner::new(),
        }
    }

    /// The best place of `window` within `stretch`; `None` if it is longer than that, or empty.
    pub(super) fn best(&mut self, window: &[f32], stretch: &[f32]) -> Option<Peak> {
        let correlations = self.correlate(window, stretch);
        let (index, &correlation) = correlations
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let before = index.checked_sub(1).and_then(|before| correlations.get(before));
        let bend = match (before, correlations.get(index + 1)) {
            (Some(&before), Some(&after)) => parabola(before, correlation, after),
            _ => Peak {
                offset: 0.0,
                correlation,
            },
        };
        Some(Peak {
            offset: index as f64 + bend.offset,
            correlation: bend.correlation.min(1.0),
        })
    }

    /// The normalised correlation at each place.
    fn correlate(&mut self, window: &[f32], stretch: &[f32]) -> Vec<f64> {
        if window.is_empty() || window.len() > stretch.len() {
            return Vec::new();
        }
        let window_energy = energy(window);
        let silence = SILENCE * window.len() as f64;
        let products = self.products(window, stretch);
        let energies = sliding_energy(window.len(), stretch);
        let normalise = |(product, energy): (f32, f64)| {
            let audible = window_energy > silence && energy > silence;
            if audible {
                f64::from(product) / (window_energy * energy).sqrt()
            } else {
                0.0
            }
        };
        products.into_iter().zip(energies).map(normalise).collect()
    }

    /// The sums of products at each place. One transform carries both signals, one as its real, one as its imaginary part.
    fn products(&mut self, window: &[f32], stretch: &[f32]) -> Vec<f32> {
        let size = fft_size(stretch.len());
        let padded = window.iter().copied().chain(std::iter::repeat(0.0));
        let mut data: Vec<Complex<f32>> = padded.zip(stretch).map(|(re, &im)| Complex { re, im }).collect();
        data.resize(size, Complex::default());
        let (forward, inverse) = self.plans(size);
        forward.process(&mut data);
        let mut spectrum = cross_spectrum(&data);
        inverse.process(&mut spectrum);
        let scale = 1.0 / size as f32;
        spectrum
            .iter()
            .take(stretch.len() - window.len() + 1)
            .map(|value| value.re * scale)
            .collect()
    }

    fn plans(&mut self, size: usize) -> (Arc<dyn Fft<f32>>, Arc<dyn Fft<f32>>) {
        (self.planner.plan_fft_forward(size), self.planner.plan_fft_inverse(size))
    }
}

/// S·conj(W) from the transform of w + i·s.
fn cross_spectrum(data: &[Complex<f32>]) -> Vec<Complex<f32>> {
    let mirrored = data.iter().take(1).chain(data.iter().skip(1).rev());
    let separate = |(here, mirror): (&Complex<f32>, &Complex<f32>)| {
        let mirror = mirror.conj();
        let window = (here + mirror) * 0.5;
        let stretch = (here - mirror) * Complex { re: 0.0, im: -0.5 };
        stretch * window.conj()
    };
    data.iter().zip(mirrored).map(separate).collect()
}

/// The smallest size from `length` on that has only the factors 2, 3 and 5, which transforms fast.
fn fft_size(length: usize) -> usize {
    let smooth = |size: &usize| {
        let rest = [2, 3, 5]
            .iter()
            .fold(*size, |rest, &factor| without_factor(rest, factor));
        rest == 1
    };
    let length = length.max(1);
    (length..=length.next_power_of_two()).find(smooth).unwrap_or(length)
}

fn without_factor(mut number: usize, factor: usize) -> usize {
    while number.is_multiple_of(factor) {
        number /= factor;
    }
    number
}

/// The energy of each stretch of `length` samples.
fn sliding_energy(length: usize, samples: &[f32]) -> Vec<f64> {
    let square = |sample: &f32| f64::from(*sample).powi(2);
    let mut sum = energy(samples.get(..length).unwrap_or_default());
    let mut energies = vec![sum];
    for (gone, come) in samples.iter().zip(samples.iter().skip(length)) {
        sum += square(come) - square(gone);
        energies.push(sum);
    }
    energies
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample).powi(2)).sum()
}

/// The top of the parabola through three values one apart, relative to the middle one, which is the highest.
fn parabola(before: f64, top: f64, after: f64) -> Peak {
    let curvature = before - 2.0 * top + after;
    if curvature >= 0.0 {
        return Peak {
            offset: 0.0,
            correlation: top,
        };
    }
    let offset = 0.5 * (before - after) / curvature;
    Peak {
        offset,
        correlation: top - 0.25 * (before - after) * offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn finds_a_window_where_it_was_cut_whatever_its_level() {
        let stretch = noise(9_600, 1);
        let window: Vec<f32> = stretch[1_234..1_234 + 6_400]
            .iter()
            .map(|sample| sample * 0.1)
            .collect();
        let peak = Correlator::new().best(&window, &stretch).unwrap();
        assert!(
            (peak.offset - 1_234.0).abs() < 0.01 && peak.correlation > 0.999,
            "{peak:?}"
        );
    }

    #[test]
    fn agrees_with_the_definition() {
        let (window, stretch) = (noise(50, 2), noise(77, 3));
        let correlations = Correlator::new().correlate(&window, &stretch);
        assert_eq!(correlations.len(), 28);
        for (offset, correlation) in correlations.iter().enumerate() {
            let part = &stretch[offset..offset + 50];
            let product: f64 = window.iter().zip(part).map(|(a, b)| f64::from(a * b)).sum();
            assert!((correlation - product / (energy(&window) * energy(part)).sqrt()).abs() < 1e-4);
        }
    }

    #[test]
    fn silence_correlates_with_nothing() {
        let mut correlator = Correlator::new();
        for (window, stretch) in [([0.0; 64].to_vec(), noise(128, 4)), (noise(64, 5), [0.0; 128].to_vec())] {
            let peak = correlator.best(&window, &stretch).unwrap();
            assert!(peak.correlation.abs() < f64::EPSILON, "{peak:?}");
        }
        assert_eq!(correlator.best(&noise(64, 6), &[0.0; 63]), None);
        assert_eq!(correlator.best(&[], &[]), None);
    }
}
