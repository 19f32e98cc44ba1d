//! Which counters were opened (as RFC 4303, section 3.4.3 has it, with a wider window).

use super::OpenError;
use crate::seen::{Seen, WINDOW};

/// The counters that were opened so far.
#[derive(Debug)]
pub(super) struct Replay {
    highest: Option<u64>,
    seen: Seen,
}

impl Replay {
    pub(super) const fn new() -> Self {
        Self {
            highest: None,
            seen: Seen::NONE,
        }
    }

    /// Whether a packet with this counter may be opened.
    pub(super) fn check(&self, counter: u64) -> Result<(), OpenError> {
        match self.highest {
            Some(highest) if counter > highest => Ok(()),
            Some(highest) if highest - counter >= WINDOW => Err(OpenError::TooOld { counter }),
            Some(_) if self.seen.holds(counter) => Err(OpenError::Replayed { counter }),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes that a packet with a counter that passed the check has opened; says whether it is the highest.
    pub(super) fn note(&mut self, counter: u64) -> bool {
        let newest = self.highest.is_none_or(|highest| counter > highest);
        if newest {
            if let Some(highest) = self.highest {
                self.seen.advance(highest, counter);
            }
            self.highest = Some(counter);
        }
        self.seen.mark(counter);
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay_after(counters: impl IntoIterator<Item = u64>) -> Replay {
        let mut replay = Replay::new();
        for counter in counters {
            replay.check(counter).expect("new");
            replay.note(counter);
        }
        replay
    }

    #[test]
    fn each_counter_passes_once_in_any_order() {
        let replay = replay_after([5, 3, 4, 900, 6]);
        for counter in [3, 4, 5, 6, 900] {
            assert_eq!(replay.check(counter), Err(OpenError::Replayed { counter }));
        }
        for counter in [0, 7, 899, 901] {
            assert_eq!(replay.check(counter), Ok(()), "{counter}");
        }
    }

    #[test]
    fn what_is_behind_the_window_is_refused() {
        let replay = replay_after([5_000]);
        let oldest = 5_000 - WINDOW + 1;
        assert_eq!(replay.check(oldest), Ok(()));
        let counter = oldest - 1;
        assert_eq!(replay.check(counter), Err(OpenError::TooOld { counter }));
    }

    #[test]
    fn a_wide_jump_forgets_no_refusal() {
        for jump in [1, WINDOW - 1, WINDOW, WINDOW + 1, u64::MAX - 10] {
            let replay = replay_after([10, 10 + jump]);
            assert!(replay.check(10).is_err(), "{jump}");
            assert!(replay.check(10 + jump).is_err(), "{jump}");
            let before = 9 + jump;
            assert_eq!(replay.check(before).is_ok(), before != 10, "{jump}");
        }
    }

    #[test]
    fn only_the_highest_is_newest() {
        let mut replay = replay_after([7]);
        assert!(!replay.note(6));
        assert!(replay.note(8));
    }
}
