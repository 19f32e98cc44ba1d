//! RTP sequence numbers and timestamps of what we send.

use rand::Rng;

/// A longer gap tells the receiver nothing that no gap does not, and would cost SRTP its place.
const MAX_GAP: i64 = 50;

/// Numbers the packets of one outgoing stream.
#[derive(Debug)]
pub(super) struct Departures {
    /// The sequence number that the first packet gets.
    first: u64,
    time_offset: u32,
    last: Option<Sent>,
}

/// The latest packet, as it was numbered by its source and by us.
#[derive(Debug, Clone, Copy)]
struct Sent {
    source: u64,
    ours: u64,
}

impl Departures {
    /// Starts at random numbers (RFC 3550 §5.1), the sequence in the lower half of its range, so that a
    /// receiver that misses the first packets does not misjudge the rollover counter (RFC 3711 §3.3.1).
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        Self {
            first: u64::from(rng.random_range(0..0x8000_u16)),
            time_offset: rng.random(),
            last: None,
        }
    }

    /// The extended sequence number and RTP timestamp of a packet that its source numbered `sequence`.
    ///
    /// What was lost on the way to us stays missing, so that the receiver conceals it; what comes late gets its
    /// own place. A long gap (the call was on hold) is closed. `None`: too late for any place.
    pub(super) fn number(&mut self, sequence: u64, media_time: u64) -> Option<(u64, u32)> {
        let ours = match self.last {
            None => self.first,
            Some(last) => self.place(last, sequence)?,
        };
        if self.last.is_none_or(|last| ours > last.ours) {
            self.last = Some(Sent { source: sequence, ours });
        }
        Some((ours, self.timestamp(media_time)))
    }

    fn place(&self, last: Sent, sequence: u64) -> Option<u64> {
        let step = sequence.wrapping_sub(last.source).cast_signed();
        match step {
            ..=0 if step < -MAX_GAP => None,
            ..=0 => last.ours.checked_add_signed(step).filter(|ours| *ours >= self.first),
            1..=MAX_GAP => last.ours.checked_add_signed(step),
            _ => last.ours.checked_add(1),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "RTP timestamps wrap at 32 bits by definition"
    )]
    fn timestamp(&self, media_time: u64) -> u32 {
        (media_time as u32).wrapping_add(self.time_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(given: &[u64]) -> Vec<Option<u64>> {
        let mut departures = Departures {
            first: 10,
            time_offset: u32::MAX,
            last: None,
        };
        let number = |sequence: &u64| departures.number(*sequence, 0).map(|(ours, _)| ours);
        given.iter().map(number).collect()
    }

    #[test]
    fn loss_upstream_stays_visible_as_a_gap() {
        let numbers = sequences(&[100, 101, 104, 105]);
        assert_eq!(numbers, [Some(10), Some(11), Some(14), Some(15)]);
    }

    #[test]
    fn a_late_packet_gets_its_own_place() {
        let numbers = sequences(&[100, 103, 102, 104]);
        assert_eq!(numbers, [Some(10), Some(13), Some(12), Some(14)]);
        assert_eq!(sequences(&[100, 99, 101]), [Some(10), None, Some(11)]);
    }

    #[test]
    fn a_long_hold_leaves_no_gap() {
        let numbers = sequences(&[0, 70_000, 70_001]);
        assert_eq!(numbers, [Some(10), Some(11), Some(12)]);
    }

    #[test]
    fn timestamps_keep_the_distances_of_the_media_time() {
        let mut departures = Departures::new(&mut rand::rng());
        let mut time = |media_time| departures.number(0, media_time).expect("place").1;
        let first = time(960);
        assert_eq!(time(960 + 4_800).wrapping_sub(first), 4_800);
        assert_eq!(time((1 << 32) + 960), first);
    }
}
