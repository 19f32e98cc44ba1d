//! Priority speakers: while one of them is heard in a mix, the others in it are quieter.

use super::mask::{MAX_SOURCES, Mask, Slot};
use crate::codec::FRAME_LEN;

/// How loud the others are meanwhile: −12 dB.
const DUCKED: f32 = 0.251_19;

/// Frames in which a voice is turned down, and up again. What changes over 60 ms does not click.
const STEPS: u8 = 3;

/// How far each source is turned down in one mix.
#[derive(Debug)]
pub(super) struct Ducking {
    depths: [Depth; MAX_SOURCES],
}

/// How far a source is turned down at the beginning and at the end of a frame, from 0 to [`STEPS`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Depth {
    from: u8,
    to: u8,
}

impl Ducking {
    /// Nobody is turned down.
    pub(super) fn new() -> Self {
        Self {
            depths: [Depth::default(); MAX_SOURCES],
        }
    }

    /// Moves on by one frame of a mix that `heard` are in. While there are `leaders`, who have priority and speak, all
    /// others are turned down. Says whether anybody is.
    pub(super) fn advance(&mut self, heard: Mask, leaders: Mask) -> bool {
        for (slot, depth) in self.depths.iter_mut().enumerate() {
            if heard.contains(slot) {
                depth.advance(!leaders.is_empty() && !leaders.contains(slot));
            } else {
                *depth = Depth::default();
            }
        }
        self.depths.iter().copied().any(Depth::is_felt)
    }

    /// How far a source is turned down in this frame.
    pub(super) fn depth(&self, slot: Slot) -> Depth {
        self.depths.get(slot).copied().unwrap_or_default()
    }
}

impl Depth {
    fn advance(&mut self, down: bool) {
        self.from = self.to;
        self.to = if down {
            (self.to + 1).min(STEPS)
        } else {
            self.to.saturating_sub(1)
        };
    }

    /// Whether anything of it is heard in this frame.
    const fn is_felt(self) -> bool {
        self.from > 0 || self.to > 0
    }

    /// What each sample of the frame is multiplied with.
    pub(super) fn gains(self) -> impl Iterator<Item = f32> {
        let length = u16::try_from(FRAME_LEN).unwrap_or(u16::MAX);
        let (from, to) = (gain(self.from), gain(self.to));
        (1..=length).map(move |position| from + (to - from) * f32::from(position) / f32::from(length))
    }
}

fn gain(depth: u8) -> f32 {
    1.0 - (1.0 - DUCKED) * f32::from(depth) / f32::from(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(slots: &[Slot]) -> Mask {
        slots.iter().copied().collect()
    }

    /// What becomes of a voice of constant loudness in the given slot, over this many frames.
    fn played(ducking: &mut Ducking, slot: Slot, leaders: &[Slot], frames: usize) -> Vec<f32> {
        let mut samples = Vec::new();
        for _ in 0..frames {
            ducking.advance(slots(&[1, 2, 3]), slots(leaders));
            samples.extend(ducking.depth(slot).gains());
        }
        samples
    }

    fn decibels(gain: f32) -> f32 {
        20.0 * gain.log10()
    }

    #[test]
    fn the_others_go_down_by_12_db_and_come_back_without_a_step() {
        let mut ducking = Ducking::new();
        let mut samples = played(&mut ducking, 1, &[2], 10);
        let down = samples.last().copied().expect("frames");
        assert!((decibels(down) + 12.0).abs() < 0.1, "{} dB", decibels(down));
        samples.extend(played(&mut ducking, 1, &[], 10));
        let up = samples.last().copied().expect("frames");
        assert!(decibels(up).abs() < 0.01, "{} dB", decibels(up));
        let steps = samples.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let largest = steps.fold((samples[0] - 1.0).abs(), f32::max);
        assert!(largest < 0.001, "a step of {largest}");
    }

    #[test]
    fn a_leader_is_untouched_and_so_is_everybody_where_there_is_none() {
        let mut ducking = Ducking::new();
        for (slot, leaders) in [(2, &[2][..]), (3, &[2, 3]), (1, &[])] {
            let gains = played(&mut ducking, slot, leaders, 10);
            let last = gains.last().copied().expect("frames");
            assert!(decibels(last).abs() < 0.01, "slot {slot} at {} dB", decibels(last));
        }
    }

    /// Who takes the slot of somebody who is gone does not begin where that one was.
    #[test]
    fn who_is_not_heard_any_more_is_forgotten() {
        let mut ducking = Ducking::new();
        assert!(ducking.advance(slots(&[1, 2]), slots(&[2])));
        assert!(!ducking.advance(slots(&[2]), slots(&[2])));
        assert!(!ducking.depth(1).is_felt());
    }
}
