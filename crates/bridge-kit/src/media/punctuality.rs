//! How punctual a media thread was of late, and when that is too bad to take on more.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Who waits longer than this for his thread waits too long: a room after its deadline, a packet after it came. Half a frame:
/// what waits for a mix has that long to spare, at the sinks' jitter buffers, before anybody hears it.
pub(super) const LATE: Duration = Duration::from_millis(10);

/// Seconds that are looked back on.
const WINDOW: u32 = 5;

/// Wake-ups in that time without which nothing can be said: one late among two is no overload.
const ENOUGH: u32 = 50;

/// A media thread has come too late too often to take on another room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its media threads come late to {late_percent} % of their work")]
pub struct Overload {
    /// Share of wake-ups that came late.
    pub late_percent: u8,
}

/// The wake-ups of one media thread in the last seconds: written by that thread, read by anybody, waited for by nobody.
#[derive(Debug)]
pub(super) struct Punctuality {
    start: Instant,
    seconds: [AtomicU64; WINDOW as usize],
}

/// What happened in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Counted from the thread's start.
    number: u32,
    woken: u16,
    late: u16,
}

impl Punctuality {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            seconds: [const { AtomicU64::new(0) }; WINDOW as usize],
        }
    }

    /// A room was woken `behind` its time. Says whether that is late.
    pub(super) fn note(&self, now: Instant, behind: Duration) -> bool {
        let late = behind > LATE;
        let number = self.second(now);
        let place = usize::try_from(number % WINDOW).unwrap_or_default();
        if let Some(place) = self.seconds.get(place) {
            let mut second = Second::unpack(place.load(Relaxed));
            if second.number != number {
                second = Second {
                    number,
                    ..Second::default()
                };
            }
            second.count(late);
            place.store(second.pack(), Relaxed);
        }
        late
    }

    /// The share of the last seconds' wake-ups that were late; 0 while there are too few to tell.
    pub(super) fn late_percent(&self, now: Instant) -> u8 {
        let this = self.second(now);
        let recent = self
            .seconds
            .iter()
            .map(|second| Second::unpack(second.load(Relaxed)))
            .filter(|second| this.saturating_sub(second.number) < WINDOW);
        let (woken, late) = recent.fold((0_u32, 0_u32), |(woken, late), second| {
            (woken + u32::from(second.woken), late + u32::from(second.late))
        });
        if woken < ENOUGH {
            return 0;
        }
        u8::try_from(late * 100 / woken).unwrap_or(100)
    }

    fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.start).as_secs()).unwrap_or(u32::MAX)
    }
}

impl Second {
    /// Counts a wake-up; where there are more than can be counted, those before stand for all.
    fn count(&mut self, late: bool) {
        if let Some(woken) = self.woken.checked_add(1) {
            self.woken = woken;
            self.late += u16::from(late);
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.woken) << 16 | u64::from(self.late)
    }

    fn unpack(packed: u64) -> Self {
        let [n3, n2, n1, n0, w1, w0, l1, l0] = packed.to_be_bytes();
        Self {
            number: u32::from_be_bytes([n3, n2, n1, n0]),
            woken: u16::from_be_bytes([w1, w0]),
            late: u16::from_be_bytes([l1, l0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    /// A thread whose rooms are woken every 20 ms, every `nth` time late.
    struct Thread {
        punctuality: Punctuality,
        now: Instant,
    }

    impl Thread {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                punctuality: Punctuality::new(now),
                now,
            }
        }

        fn work(&mut self, frames: u32, late: impl Fn(u32) -> bool) -> u8 {
            for frame in 0..frames {
                let behind = if late(frame) {
                    LATE + Duration::from_millis(1)
                } else {
                    LATE
                };
                assert_eq!(self.punctuality.note(self.now, behind), late(frame));
                self.now += FRAME;
            }
            self.punctuality.late_percent(self.now)
        }
    }

    /// B12: the share is that of the last seconds, whatever was before.
    #[test]
    fn the_share_is_that_of_the_last_seconds() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(500, |_| false), 0);
        assert_eq!(thread.work(500, |frame| frame % 4 == 0), 25);
        assert_eq!(thread.work(500, |_| true), 100);
        let recovering = thread.work(100, |_| false);
        assert!((40..80).contains(&recovering), "{recovering} % after two good seconds");
        assert_eq!(thread.work(250, |_| false), 0);
    }

    #[test]
    fn a_few_wake_ups_say_nothing() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(ENOUGH - 1, |_| true), 0);
        assert_eq!(thread.work(1, |_| true), 100);
    }

    #[test]
    fn what_is_long_over_is_forgotten_where_nothing_followed() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(250, |_| true), 100);
        for _ in 0..3 {
            thread.now += Duration::from_secs(u64::from(WINDOW));
            assert_eq!(thread.punctuality.late_percent(thread.now), 0);
        }
    }

    #[test]
    fn more_than_can_be_counted_keeps_its_share() {
        let thread = Thread::new();
        for number in 0..200_000 {
            thread
                .punctuality
                .note(thread.now, if number % 2 == 0 { FRAME } else { Duration::ZERO });
        }
        assert_eq!(thread.punctuality.late_percent(thread.now), 50);
    }
}
