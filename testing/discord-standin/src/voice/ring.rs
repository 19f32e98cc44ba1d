//! The speaking ring, as Discord's clients show it: by packets that arrive.

use std::collections::VecDeque;

use crate::control::types::RingStretch;

/// The ring goes out after this long without a packet.
const HOLD_NS: u64 = 200_000_000;
/// Silence frames that put it out at once.
const SILENCES: u8 = 5;
const STRETCHES_KEPT: usize = 10_000;

/// One member's ring and its history.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    past: VecDeque<RingStretch>,
    lit_at: Option<u64>,
    last_packet: u64,
    silences: u8,
}

impl Ring {
    /// Takes note of a packet.
    pub(crate) fn packet(&mut self, at_ns: u64, silence: bool) {
        self.settle(at_ns);
        if silence {
            self.silences = self.silences.saturating_add(1);
            self.last_packet = at_ns;
            if self.silences >= SILENCES {
                self.put_out(at_ns);
            }
        } else {
            self.silences = 0;
            self.last_packet = at_ns;
            self.lit_at.get_or_insert(at_ns);
        }
    }

    /// Puts the ring out if it has been without packets for too long.
    pub(crate) fn settle(&mut self, now_ns: u64) {
        let goes_out = self.last_packet + HOLD_NS;
        if now_ns > goes_out {
            self.put_out(goes_out);
        }
    }

    fn put_out(&mut self, at_ns: u64) {
        if let Some(on_ns) = self.lit_at.take() {
            if self.past.len() == STRETCHES_KEPT {
                self.past.pop_front();
            }
            self.past.push_back(RingStretch {
                on_ns,
                off_ns: Some(at_ns),
            });
        }
    }

    pub(crate) const fn is_lit(&self) -> bool {
        self.lit_at.is_some()
    }

    /// All stretches, the present one last.
    pub(crate) fn history(&self) -> Vec<RingStretch> {
        let present = self.lit_at.map(|on_ns| RingStretch { on_ns, off_ns: None });
        self.past.iter().copied().chain(present).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn packets_light_it_and_their_absence_puts_it_out_after_200_ms() {
        let mut ring = Ring::default();
        ring.packet(1_000 * MS, false);
        ring.packet(1_020 * MS, false);
        ring.settle(1_220 * MS);
        assert!(ring.is_lit());
        ring.settle(1_221 * MS);
        assert!(!ring.is_lit());
        assert_eq!(
            ring.history(),
            [RingStretch {
                on_ns: 1_000 * MS,
                off_ns: Some(1_220 * MS)
            }]
        );
    }

    #[test]
    fn five_silence_frames_put_it_out_and_four_do_not() {
        let mut ring = Ring::default();
        ring.packet(1_000 * MS, false);
        for n in 1..=4 {
            ring.packet((1_000 + 20 * n) * MS, true);
        }
        assert!(ring.is_lit());
        ring.packet(1_100 * MS, true);
        assert!(!ring.is_lit());
    }

    #[test]
    fn silence_alone_never_lights_it() {
        let mut ring = Ring::default();
        for n in 0..20 {
            ring.packet(n * 20 * MS, true);
        }
        assert!(ring.history().is_empty());
    }
}
