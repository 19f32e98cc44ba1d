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
    guard: Duration,
    /// Whether the guard follows what was seen.
    learns: bool,
    /// The least wait of the last whole second.
    last: Option<Duration>,
    /// By how many microseconds that grows a second, averaged over some: a clock that is off.
    growth: i64,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            recent: [Duration::ZERO; Self::LONG],
            noted: 0,
            missed: 0,
            stalled: false,
            guard: Self::GUARD,
            learns: false,
            last: None,
            growth: 0,
        }
    }
}

impl Waits {
    /// What a packet is to wait at least, as long as nothing is known of its network. WebRTC's audio devices work in steps of
    /// 10 ms, so packets of an otherwise perfect network come up to this much late.
    pub const GUARD: Duration = Duration::from_millis(10);
    /// What it is to wait at least on a network that is known to be calm, or hoped to be.
    pub const CALM: Duration = Duration::from_millis(2);
    /// What the guard gives back with each packet that has not needed it: a millisecond a second.
    const EASE: Duration = Duration::from_micros(20);

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

    /// Waits whose guard begins with `guard` and follows the spread of what is seen, from [`Self::CALM`] to [`Self::GUARD`]. More
    /// than that is no matter of a guard: the buffer grows by a tick.
    pub fn learning(guard: Duration) -> Self {
        Self {
            guard,
            learns: true,
            ..Self::default()
        }
    }

    /// What a packet is to wait at least.
    pub fn guard(&self) -> Duration {
        self.guard
    }

    /// A packet that was played at a tick had waited this long; one that came too late for its tick, not at all.
    pub fn note(&mut self, wait: Duration) {
        if let Some(slot) = self.recent.get_mut(self.noted % Self::LONG) {
            *slot = wait;
        }
        self.noted += 1;
        self.missed = if wait.is_zero() { self.missed + 1 } else { 0 };
        self.stalled |= self.missed >= Self::STALL;
        if self.noted.is_multiple_of(Self::LONG) {
            self.note_growth();
        }
        // What a stall does to waits says nothing of jitter.
        if self.learns && !wait.is_zero() && !self.stalled {
            self.learn();
        }
    }

    fn note_growth(&mut self) {
        let least = self.least(Self::LONG);
        if let (Some(last), Some(least)) = (self.last, least) {
            let micros = |wait: Duration| i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            self.growth = (self.growth * 3 + micros(least) - micros(last)) / 4;
        }
        self.last = least;
    }

    fn learn(&mut self) {
        let known = self.noted.min(Self::LONG);
        let (Some(least), Some(most)) = (self.least(known), self.most(known)) else {
            return;
        };
        let spread = most.saturating_sub(least);
        if known >= Self::SHORT && spread > self.guard {
            self.guard = spread.min(Self::GUARD);
        } else if known == Self::LONG {
            self.guard = self.guard.saturating_sub(Self::EASE).max(spread).max(Self::CALM);
        }
    }

    /// Whether a slow clock eats up what packets wait: by 100 ppm or more.
    const fn is_falling(&self) -> bool {
        self.growth <= -100
    }

    /// Begins to observe anew, because what is waited for has changed.
    pub fn restart(&mut self) {
        self.noted = 0;
        self.last = None;
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
        let ticks = least.saturating_sub(self.floor() + leeway).as_millis() / FRAME.as_millis();
        if ticks > 0 {
            self.restart();
        }
        usize::try_from(ticks).unwrap_or(Self::LONG)
    }

    /// Whether packets come ever closer to being late, as those of a slow clock do. Asking starts the observation anew if
    /// they do.
    pub fn is_scarce(&mut self) -> bool {
        let enough = if self.is_falling() { Self::DRIFT } else { self.guard / 2 };
        let scarce = self.least(Self::LONG).is_some_and(|least| least < enough);
        if scarce {
            self.restart();
        }
        scarce
    }

    /// What is left to the packet that waits least, where others go.
    fn floor(&self) -> Duration {
        if self.is_falling() {
            self.guard.max(Self::DRIFT)
        } else {
            self.guard
        }
    }

    fn least(&self, ticks: usize) -> Option<Duration> {
        self.last_of(ticks)?.min()
    }

    fn most(&self, ticks: usize) -> Option<Duration> {
        self.last_of(ticks)?.max()
    }

    /// The last waits; none if there were not so many.
    fn last_of(&self, ticks: usize) -> Option<impl Iterator<Item = Duration>> {
        let first = self.noted.checked_sub(ticks)?;
        Some((first..self.noted).filter_map(|tick| self.recent.get(tick % Self::LONG).copied()))
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
        assert!(!noted((0..50).map(|_| 5)).is_scarce());
        assert!(noted((0..50).map(|tick| if tick == 20 { 4 } else { 15 })).is_scarce());
        assert!(!noted((0..49).map(|_| 1)).is_scarce());
    }

    /// Waits in microseconds, of a line that is hoped to be calm.
    fn learned(waits: impl Iterator<Item = u64>) -> Waits {
        let mut learned = Waits::learning(Waits::CALM);
        waits.for_each(|wait| learned.note(Duration::from_micros(wait)));
        learned
    }

    #[test]
    fn the_guard_follows_jitter_at_once_and_calm_slowly() {
        let jitter = |tick: u64| 12_000 + tick % 2 * 7_000;
        assert_eq!(learned((0..9).map(jitter)).guard(), Waits::CALM, "too few to tell");
        let mut waits = learned((0..10).map(jitter));
        assert_eq!(waits.guard(), Duration::from_millis(7));
        (0..50 + 100).for_each(|_| waits.note(Duration::from_millis(12)));
        let eased = waits.guard();
        assert!((4..=6).contains(&eased.as_millis()), "{eased:?} after three seconds");
        (0..500).for_each(|_| waits.note(Duration::from_millis(12)));
        assert_eq!(waits.guard(), Waits::CALM);
        assert_eq!(
            learned((0..20).map(|tick| tick % 2 * 50_000 + 1)).guard(),
            Waits::GUARD,
            "and no more"
        );
        assert_eq!(
            noted((0..50).map(|tick| 10 + tick % 2)).guard(),
            Waits::GUARD,
            "only where it is to learn"
        );
    }

    #[test]
    fn a_stall_says_nothing_of_jitter() {
        let steady = (0..60).map(|_| 8_000);
        let stall = (0..15).map(|_| 0).chain((0..10).map(|_| 200_000));
        assert_eq!(learned(steady.chain(stall)).guard(), Waits::CALM);
        let late = (0..30).map(|tick| if tick == 20 { 0 } else { 8_000 });
        assert_eq!(learned(late).guard(), Duration::from_millis(8), "one that is late does");
    }

    #[test]
    fn a_slow_clock_needs_more_room_than_one_that_is_right() {
        // 300 ppm, from 8 ms down to 3.2 ms, of which the last second has 3.5 ms.
        let slow = (0..800).map(|tick| 8_000 - tick * 6);
        let mut waits = learned(slow.clone());
        assert!(waits.is_scarce(), "soon it is late");
        let mut right = learned((0..800).map(|_| 3_200));
        assert!(!right.is_scarce());
        // What was made up for stays.
        let mut made_up = learned(slow.chain((0..50).map(|tick| 23_200 - tick * 6)));
        assert_eq!(made_up.surplus(false), 0);
        right.restart();
        (0..50).for_each(|_| right.note(Duration::from_micros(23_200)));
        assert_eq!(right.surplus(false), 1);
    }
}
