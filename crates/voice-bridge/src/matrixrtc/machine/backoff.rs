//! How long to wait before trying again.

use std::time::{Duration, Instant};

/// The waits after a failure that may pass by itself.
const SOON: Duration = Duration::from_secs(2);
const SOON_AT_MOST: Duration = Duration::from_mins(1);
/// The waits after one that somebody has to see to.
const LATE: Duration = Duration::from_mins(1);
const LATE_AT_MOST: Duration = Duration::from_mins(30);

/// Failures in a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failures(u32);

impl Failures {
    /// When to try again what may have passed by then.
    pub(super) fn soon(&mut self, now: Instant) -> Instant {
        now + self.next(SOON, SOON_AT_MOST)
    }

    /// When to try again what somebody has to see to.
    pub(super) fn late(&mut self, now: Instant) -> Instant {
        now + self.next(LATE, LATE_AT_MOST)
    }

    fn next(&mut self, first: Duration, most: Duration) -> Duration {
        let wait = first.saturating_mul(1 << self.0.min(10)).min(most);
        self.0 = self.0.saturating_add(1);
        wait
    }
}
