//! The last frames of a source, by their place in its stream.

use std::time::Instant;

/// How many places the ring spans: those that a decoder is warmed with and those that wait to be mixed.
pub(crate) const SPAN: u64 = 32;

/// Slots grow by so many bytes: at 100 kbit/s a packet has about as many, and they differ in length.
const STEP: usize = 256;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in the ring.
    New,
    /// Its place was taken: the packet came twice.
    Duplicate,
    /// Its place is further back than the ring reaches.
    TooOld,
}

/// One 20 ms packet.
#[derive(Debug, Clone, Default)]
struct Slot {
    place: Option<(u64, Instant)>,
    opus: Vec<u8>,
}

/// The newest [`SPAN`] places of a stream. Slots keep their memory, so a stream that runs allocates nothing.
#[derive(Debug)]
pub(crate) struct Ring {
    slots: Vec<Slot>,
    newest: Option<u64>,
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); usize::try_from(SPAN).unwrap_or_default()],
            newest: None,
        }
    }

    /// Stores the packet of a place, in place of the one [`SPAN`] before it.
    pub(crate) fn insert(&mut self, index: u64, opus: &[u8], received: Instant) -> Stored {
        if self.newest.is_some_and(|newest| index + SPAN <= newest) {
            return Stored::TooOld;
        }
        let Some(slot) = slot_of(index).and_then(|slot| self.slots.get_mut(slot)) else {
            return Stored::TooOld;
        };
        if slot.place.is_some_and(|(taken, _)| taken == index) {
            return Stored::Duplicate;
        }
        slot.place = Some((index, received));
        slot.opus.clear();
        if slot.opus.capacity() < opus.len() {
            slot.opus.reserve_exact(opus.len().next_multiple_of(STEP));
        }
        slot.opus.extend_from_slice(opus);
        self.newest = self.newest.max(Some(index));
        Stored::New
    }

    /// The packet of a place and when it came.
    pub(crate) fn at(&self, index: u64) -> Option<(&[u8], Instant)> {
        let slot = self.slots.get(slot_of(index)?)?;
        let (taken, received) = slot.place?;
        (taken == index).then_some((slot.opus.as_slice(), received))
    }

    /// The highest place that has been filled.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The first filled place from `from` to `to`, both included.
    pub(crate) fn first_within(&self, from: u64, to: u64) -> Option<u64> {
        let to = to.min(self.newest?);
        let from = from.max(to.saturating_sub(SPAN));
        (from..=to).find(|&index| self.at(index).is_some())
    }
}

fn slot_of(index: u64) -> Option<usize> {
    usize::try_from(index % SPAN).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_places_in_any_order() {
        let (mut ring, now) = (Ring::new(), Instant::now());
        for index in [10, 12, 11, 40] {
            assert_eq!(
                ring.insert(index, &[u8::try_from(index).expect("small")], now),
                Stored::New
            );
        }
        assert_eq!(ring.insert(12, &[0], now), Stored::Duplicate);
        assert_eq!(ring.insert(8, &[0], now), Stored::TooOld);
        assert_eq!(ring.at(11).map(|(opus, _)| opus), Some(&[11][..]));
        assert_eq!(ring.at(13), None);
        assert_eq!(ring.newest(), Some(40));
        assert_eq!(ring.first_within(12, 99), Some(12));
        assert_eq!(ring.first_within(13, 39), None);
        ring.insert(42, &[42], now);
        assert_eq!(ring.at(10), None, "its slot went to place 42");
    }
}
