//! Lets something happen at most once in an interval.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A gate that opens at most once in an interval. Whoever finds it closed does not wait.
#[derive(Debug)]
pub(super) struct Throttle {
    interval: Duration,
    since: Instant,
    /// Microseconds after `since` at which it opens next.
    next: AtomicU64,
}

impl Throttle {
    /// A gate that is open at first.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            since: Instant::now(),
            next: AtomicU64::new(0),
        }
    }

    /// Whether it is open at `now`; it closes behind the one who is told so.
    pub(super) fn pass(&self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since);
        let next = self.next.load(Ordering::Relaxed);
        micros(elapsed) >= next
            && self
                .next
                .compare_exchange(
                    next,
                    micros(elapsed + self.interval),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

/// Whole microseconds; enough for half a million years.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_in_each_interval() {
        let throttle = Throttle::new(Duration::from_secs(1));
        let start = Instant::now();
        assert!(throttle.pass(start));
        assert!(!throttle.pass(start + Duration::from_millis(999)));
        assert!(throttle.pass(start + Duration::from_millis(1_001)));
        assert!(!throttle.pass(start + Duration::from_millis(1_002)));
    }
}
