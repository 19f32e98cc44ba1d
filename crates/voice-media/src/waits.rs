//! How long packets wait for the tick that plays them.

use std::time::Duration;

use crate::FRAME;

/// The waits of the last second's packets, by which a buffer before a clock of 20 ms knows that it is too long: what the one
/// that waited least had waited, nobody needed.
///
/// Both buffers that there are use it: a voice's in a mix, and the queue before Discord's send tick.
#[derive(Debug, Clone)]
pub struct Waits {
    recent: [Duration; Self::LONG],
    noted: usize,
    /// Ticks in a row that nothing was there for.
    missed: usize,
    /// Nothing came for a while, and what was held up may still stand.
    stalled: bool,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            recent: [Duration::ZERO; Self::LONG],
            noted: 0,
            missed: 0,
            stalled: false,
        }
    }
}

impl Waits {
    /// What a packet is to wait at least. WebRTC's audio devices work in steps of 10 ms, so packets of an otherwise perfect
    /// network come up to this much late.
    pub const GUARD: Duration = Duration::from_millis(10);

    /// Ticks after which a small surplus is known to be one: jitter that comes once a second still finds its room.
    const LONG: usize = 50;
    /// Ticks after which a large one is: longer than the longest Opus packet, so that the pieces of one that was split are
    /// not taken for a backlog.
    const SHORT: usize = 10;
    /// What counts as large.
    const LARGE: Duration = Duration::from_millis(60);
    /// Missed ticks in a row that no jitter makes.
    const STALL: usize = 2;
    /// What a clock that is off by 300 ppm gains or loses in 20 s. Whoever waits less than this may be late before there is
    /// another pause; so much more than a tick may be waited in speech, until there is one.
    const DRIFT: Duration = Duration::from_millis(6);

    /// A packet that was played at a tick had waited this long; one that came too late for its tick, not at all.
    pub fn note(&mut self, wait: Duration) {
        if let Some(slot) = self.recent.get_mut(self.noted % Self::LONG) {
            *slot = wait;
        }
        self.noted += 1;
        self.missed = if wait.is_zero() { self.missed + 1 } else { 0 };
        self.stalled |= self.missed >= Self::STALL;
    }

    /// Begins to observe anew, because what is waited for has changed.
    pub fn restart(&mut self) {
        self.noted = 0;
    }

    /// Packets that can go without anybody missing them: `audibly` those that a stall left, else also one that a fast clock
    /// has added by and by. Asking starts the observation anew if there are any.
    ///
    /// In the first second after a stall what it left is known as soon as a large surplus is, and all of it goes.
    pub fn surplus(&mut self, audibly: bool) -> usize {
        let leeway = if audibly && !self.stalled {
            Self::DRIFT
        } else {
            Duration::ZERO
        };
        let long = self.least(Self::LONG);
        let least = match (self.least(Self::SHORT), long) {
            (Some(least), _) if least >= Self::LARGE || self.stalled => least,
            (_, Some(least)) => least,
            _ => return 0,
        };
        self.stalled &= long.is_none_or(|least| least.is_zero());
        let ticks = least.saturating_sub(Self::GUARD + leeway).as_millis() / FRAME.as_millis();
        if ticks > 0 {
            self.restart();
        }
        usize::try_from(ticks).unwrap_or(Self::LONG)
    }

    /// Whether packets come ever closer to being late, as those of a slow clock do. Asking starts the observation anew if
    /// they do.
    pub fn is_scarce(&mut self) -> bool {
        let scarce = self.least(Self::LONG).is_some_and(|least| least < Self::DRIFT);
        if scarce {
            self.restart();
        }
        scarce
    }

    fn least(&self, ticks: usize) -> Option<Duration> {
        let first = self.noted.checked_sub(ticks)?;
        (first..self.noted)
            .filter_map(|tick| self.recent.get(tick % Self::LONG))
            .min()
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(waits: impl Iterator<Item = u64>) -> Waits {
        let mut noted = Waits::default();
        waits.for_each(|wait| noted.note(Duration::from_millis(wait)));
        noted
    }

    #[test]
    fn what_the_least_waited_beyond_the_guard_is_surplus() {
        assert_eq!(noted((0..50).map(|_| 29)).surplus(false), 0);
        assert_eq!(noted((0..50).map(|_| 30)).surplus(false), 1);
        assert_eq!(noted((0..49).map(|_| 30)).surplus(false), 0, "it is not yet known");
        let jitter = (0..50).map(|tick| if tick == 20 { 25 } else { 55 });
        assert_eq!(noted(jitter).surplus(false), 0);
        let mut waits = noted((0..50).map(|_| 55));
        assert_eq!(
            (waits.surplus(false), waits.surplus(false)),
            (2, 0),
            "asked once, told once"
        );
    }

    #[test]
    fn what_a_fast_clock_adds_in_speech_waits_for_a_pause_and_what_a_stall_left_does_not() {
        assert_eq!(noted((0..50).map(|_| 35)).surplus(true), 0);
        assert_eq!(noted((0..50).map(|_| 36)).surplus(true), 1);
        assert_eq!(noted((0..10).map(|_| 80)).surplus(true), 3);
    }

    #[test]
    fn what_a_stall_left_goes_at_once_and_jitter_is_no_stall() {
        let after = |missed: u64| noted((0..missed).map(|_| 0).chain((0..10).map(|_| 32)));
        assert_eq!(after(1).surplus(true), 0);
        assert_eq!(after(2).surplus(true), 1);
        let mut waits = after(15);
        assert_eq!(
            (waits.surplus(true), waits.surplus(true)),
            (1, 0),
            "asked once, told once"
        );
        // A second later a small surplus is that of a clock again.
        let mut later = noted((0..2).map(|_| 0).chain((0..50).map(|_| 12)));
        assert_eq!(later.surplus(true), 0);
        (0..50).for_each(|_| later.note(Duration::from_millis(35)));
        assert_eq!(later.surplus(true), 0);
    }

    #[test]
    fn a_large_surplus_is_known_sooner() {
        assert_eq!(noted((0..10).map(|_| 70)).surplus(false), 3);
        assert_eq!(noted((0..9).map(|_| 70)).surplus(false), 0);
        // One packet of 120 ms, in six pieces.
        assert_eq!(noted((0..50).map(|tick| 5 + tick % 6 * 20)).surplus(false), 0);
    }

    #[test]
    fn who_is_nearly_late_is_told_of_before_he_is() {
        assert!(!noted((0..50).map(|_| 6)).is_scarce());
        assert!(noted((0..50).map(|tick| if tick == 20 { 5 } else { 15 })).is_scarce());
        assert!(!noted((0..49).map(|_| 1)).is_scarce());
    }
}
