//! Which of the last numbers of a rising sequence were there.

/// How many numbers back from the highest a window remembers which were received: 20 s of 20 ms packets.
pub const WINDOW: u64 = 1_024;

const WORD: u64 = u64::BITS as u64;
const WORDS: usize = (WINDOW / WORD) as usize;

/// A bit for each of [`WINDOW`] numbers in a row, at its remainder.
#[derive(Debug, Clone)]
pub(crate) struct Seen([u64; WORDS]);

impl Seen {
    /// None was there.
    pub(crate) const NONE: Self = Self([0; WORDS]);

    pub(crate) fn holds(&self, number: u64) -> bool {
        let (word, bit) = position(number);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn mark(&mut self, number: u64) {
        let (word, bit) = position(number);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    pub(crate) fn unmark(&mut self, number: u64) {
        let (word, bit) = position(number);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Makes room for the numbers from `highest`, excluded, to `next`, included: none of them was there yet.
    pub(crate) fn advance(&mut self, highest: u64, next: u64) {
        if next - highest > WINDOW {
            *self = Self::NONE;
        } else {
            for number in highest + 1..=next {
                self.unmark(number);
            }
        }
    }
}

/// The word and the bit that stand for a number.
const fn position(number: u64) -> (usize, u64) {
    let remainder = number % WINDOW;
    ((remainder / WORD) as usize, 1 << (remainder % WORD))
}
