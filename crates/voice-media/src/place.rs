//! Where in its source's stream a packet belongs.

use crate::{InPacket, SAMPLE_RATE};

/// A sequence number that jumps further than this is a sender that began anew: 20 s of 20 ms packets.
const RESTART_STEPS: u64 = 1_000;

/// A media time that jumps further than this, in samples, is one too.
const RESTART_SAMPLES: u64 = 20 * SAMPLE_RATE as u64;

/// How far back a packet may come late, in samples: 320 ms.
const LATE: u64 = 15_360;

/// Where a packet belongs. All numbers are samples at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// After all packets so far.
    Next {
        /// Start of the packet.
        position: u64,
        /// How much was lost just before it.
        lost: u64,
    },
    /// Before packets that came earlier, or in the place of one.
    Late {
        /// Start of the packet.
        position: u64,
    },
    /// It came too late to have a place.
    Old,
}

/// Gives each packet of a source its place: by media time where there is one, else by the sequence number, so that
/// loss and silence are told apart.
#[derive(Debug, Default)]
pub(crate) struct Placer {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    media_time: Option<u64>,
    position: u64,
    duration: u64,
}

impl Last {
    fn end(&self) -> u64 {
        self.position + self.duration
    }

    /// Samples between the end of this packet and `media_time`, if both times are sane.
    fn gap(&self, media_time: Option<u64>) -> Option<u64> {
        let gap = media_time?.checked_sub(self.media_time?.checked_add(self.duration)?)?;
        (gap < RESTART_SAMPLES).then_some(gap)
    }
}

impl Placer {
    /// The place of a packet that lasts `duration` samples.
    pub(crate) fn place(&mut self, packet: &InPacket<'_>, duration: u32) -> Place {
        let Some(last) = self.last else {
            return self.next(packet, duration, 0, 0);
        };
        match packet.sequence.checked_sub(last.sequence) {
            None if last.sequence - packet.sequence < RESTART_STEPS => late(&last, packet),
            Some(0) => late(&last, packet),
            Some(step @ 1..RESTART_STEPS) => {
                let missing = (step - 1) * last.duration;
                let gap = last.gap(packet.media_time).unwrap_or(missing);
                self.next(packet, duration, last.end() + gap, missing.min(gap))
            }
            _ => self.next(packet, duration, last.end() + LATE, 0),
        }
    }

    /// Says that a sequence number was used for no voice: no gap is left where it stands.
    pub(crate) fn skip(&mut self, sequence: u64) {
        if let Some(last) = &mut self.last
            && let Some(step @ 1..RESTART_STEPS) = sequence.checked_sub(last.sequence)
        {
            last.position += (step - 1) * last.duration;
            last.sequence = sequence;
            last.media_time = None;
        }
    }

    fn next(&mut self, packet: &InPacket<'_>, duration: u32, position: u64, lost: u64) -> Place {
        self.last = Some(Last {
            sequence: packet.sequence,
            media_time: packet.media_time,
            position,
            duration: u64::from(duration),
        });
        Place::Next { position, lost }
    }
}

fn late(last: &Last, packet: &InPacket<'_>) -> Place {
    let back = match (last.media_time, packet.media_time) {
        (Some(newer), Some(older)) => newer.saturating_sub(older),
        _ => (last.sequence - packet.sequence) * last.duration,
    };
    match last.position.checked_sub(back) {
        Some(position) if back <= LATE => Place::Late { position },
        _ => Place::Old,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn packet(sequence: u64, media_time: Option<u64>) -> InPacket<'static> {
        InPacket {
            opus: &[],
            sequence,
            media_time,
            level: None,
            marks: None,
            received: Instant::now(),
        }
    }

    fn next(frames: u64, lost: u64) -> Place {
        Place::Next {
            position: frames * 960,
            lost: lost * 960,
        }
    }

    #[test]
    fn loss_and_silence_are_told_apart() {
        let mut placer = Placer::default();
        let mut place = |sequence, frames: u64| placer.place(&packet(sequence, Some(7_000 + frames * 960)), 960);
        assert_eq!(place(50, 0), next(0, 0));
        assert_eq!(place(51, 1), next(1, 0));
        assert_eq!(place(54, 4), next(4, 2), "two lost");
        assert_eq!(place(55, 24), next(24, 0), "a pause");
        assert_eq!(place(57, 29), next(29, 1), "one lost, and a pause");
        assert_eq!(place(56, 28), Place::Late { position: 28 * 960 });
        assert_eq!(place(57, 29), Place::Late { position: 29 * 960 }, "the same once more");
        assert_eq!(place(20, 2), Place::Old, "too late to have a place");
    }

    #[test]
    fn without_media_time_the_sequence_counts() {
        let mut placer = Placer::default();
        assert_eq!(placer.place(&packet(0, None), 2_880), next(0, 0));
        assert_eq!(
            placer.place(&packet(2, None), 2_880),
            next(6, 3),
            "a lost packet of three frames"
        );
        placer.skip(3);
        assert_eq!(
            placer.place(&packet(4, None), 960),
            next(9, 0),
            "a keep-alive is no loss"
        );
        assert_eq!(placer.place(&packet(3, None), 960), Place::Late { position: 8 * 960 });
    }

    #[test]
    fn a_sender_that_begins_anew_goes_on_after_a_gap() {
        let mut placer = Placer::default();
        placer.place(&packet(90_000, Some(1 << 40)), 960);
        assert_eq!(placer.place(&packet(3, Some(0)), 960), next(17, 0));
        assert_eq!(
            placer.place(&packet(4, Some(1 << 50)), 960),
            next(18, 0),
            "media time alone jumped"
        );
    }
}
