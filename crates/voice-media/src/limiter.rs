//! Keeps a mix below full scale without clipping it.

/// Highest sample of a mix: −2.2 dBFS. The encoder adds up to 1 dB to that, and −1 dBFS is not to be passed.
const CEILING: f32 = 0.776;

/// The gain recovers by this factor a frame, 0.1 dB: the pauses between shouts are too short for it to be heard.
const RECOVERY: f32 = 1.0116;

/// A soft limiter over frames: the gain falls within a frame and recovers over seconds.
#[derive(Debug)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        Self { gain: 1.0 }
    }

    /// Brings `samples` (interleaved, `channels` of them) below the ceiling.
    pub(crate) fn apply(&mut self, samples: &mut [f32], channels: usize) {
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let target = (self.gain * RECOVERY).min(1.0).min(CEILING / peak.max(CEILING));
        if target >= 1.0 && self.gain >= 1.0 {
            return;
        }
        // Down within the first eighth of the frame, so that only the start of a burst needs the final clamp; up
        // over all of it.
        let frames = samples.len() / channels.max(1);
        let ramp = if target < self.gain { frames / 8 } else { frames };
        let step = (target - self.gain) / ramp.max(1).to_f32();
        for (position, frame) in samples.chunks_mut(channels.max(1)).enumerate() {
            if position < ramp {
                self.gain += step;
            } else {
                self.gain = target;
            }
            for sample in frame {
                *sample = (*sample * self.gain).clamp(-CEILING, CEILING);
            }
        }
        self.gain = target;
    }
}

/// Frame sizes as numbers to calculate with.
trait ToF32 {
    fn to_f32(self) -> f32;
}

impl ToF32 for usize {
    fn to_f32(self) -> f32 {
        u16::try_from(self).map_or(f32::from(u16::MAX), f32::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last of 20 ms of stereo at `level`, once limited.
    fn limited(limiter: &mut Limiter, level: f32) -> (f32, f32) {
        let mut samples = vec![level; 1_920];
        limiter.apply(&mut samples, 2);
        assert!(samples.iter().all(|sample| sample.abs() <= CEILING));
        (
            samples.first().copied().unwrap_or_default(),
            samples.last().copied().unwrap_or_default(),
        )
    }

    fn is_about(samples: (f32, f32), expected: f32) -> bool {
        (samples.0 - expected).abs() < 1e-6 && (samples.1 - expected).abs() < 1e-6
    }

    #[test]
    fn quiet_frames_are_untouched_and_loud_ones_stay_below_the_ceiling() {
        let mut limiter = Limiter::new();
        assert!(is_about(limited(&mut limiter, 0.7), 0.7));
        limited(&mut limiter, 1.6);
        let (first, last) = limited(&mut limiter, 0.5);
        assert!(
            first < 0.3 && last > first,
            "the gain recovers slowly: {first} to {last}"
        );
        for _ in 0..100 {
            limited(&mut limiter, 0.1);
        }
        assert!(is_about(limited(&mut limiter, -0.5), -0.5));
    }
}
