//! One clock for every stamp.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// UNIX time that never steps: the wall clock is read once, then the monotonic clock carries on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_unix_ns: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            origin: Instant::now(),
            origin_unix_ns: whole_nanoseconds(since_epoch),
        }
    }

    /// Nanoseconds since the UNIX epoch.
    pub(crate) fn now_ns(&self) -> u64 {
        self.at_ns(Instant::now())
    }

    /// The stamp of an instant at or after the clock's start.
    pub(crate) fn at_ns(&self, instant: Instant) -> u64 {
        self.origin_unix_ns + whole_nanoseconds(instant.saturating_duration_since(self.origin))
    }
}

fn whole_nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
