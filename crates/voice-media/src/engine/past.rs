//! What a voice sounded like just before it is mixed.

use crate::codec::{Decoder, FRAME_LEN};
use crate::ring::Ring;

/// A decoder hears this many packets of the past before its first frame is used. A cold one is wrong by up to 40 dB.
const WARM_UP: u64 = 16;

/// Frames of the past that an encoder hears before its first one counts.
pub(super) const REHEARSED: usize = 4;

/// The last frames of a voice, one channel of 16 bits: enough for an encoder to know what goes on. Empty where nothing was
/// heard of it.
#[derive(Debug, Default)]
pub(super) struct Past(Vec<i16>);

impl Past {
    /// Warms a decoder with the packets before `next` and keeps the last frames. `frame` is memory to work in, and holds the
    /// last of them afterwards.
    pub(super) fn hear(decoder: &mut Decoder, ring: &Ring, next: u64, frame: &mut [f32]) -> Self {
        let mut past = Vec::with_capacity(REHEARSED * FRAME_LEN);
        for index in next.saturating_sub(WARM_UP)..next {
            let heard = ring.at(index).map(|(opus, _)| decoder.decode(opus, frame));
            if !matches!(heard, Some(Ok(_))) {
                frame.fill(0.0);
            }
            if index + REHEARSED as u64 >= next {
                past.extend(frame.chunks_exact(2).map(to_mono));
            }
        }
        Self(past)
    }

    /// Adds one of its frames to a mix of interleaved samples; the last is number [`REHEARSED`] − 1.
    pub(super) fn add(&self, number: usize, channels: usize, samples: &mut [f32]) {
        let missing = REHEARSED - (self.0.len() / FRAME_LEN).min(REHEARSED);
        let Some(start) = number.checked_sub(missing) else {
            return;
        };
        let frame = self.0.get(start * FRAME_LEN..).unwrap_or_default();
        for (samples, &past) in samples.chunks_exact_mut(channels).zip(frame) {
            for sample in samples {
                *sample += f32::from(past) / 32_767.0;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "samples become 16 bits here")]
fn to_mono(pair: &[f32]) -> i16 {
    (pair.iter().sum::<f32>() / 2.0 * 32_767.0) as i16
}
