//! Time by both clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment, by the clock that only counts and by the one that people set. Events tell theirs by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// For waits.
    pub instant: Instant,
    /// Milliseconds since 1970, for what events say.
    pub unix_ms: u64,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            instant: Instant::now(),
            unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// When the clock that people set will show `unix_ms`; `None` if it is past that, or never will.
    pub fn when(self, unix_ms: u64) -> Option<Instant> {
        let left = unix_ms.checked_sub(self.unix_ms).filter(|left| *left > 0)?;
        self.instant.checked_add(Duration::from_millis(left))
    }
}
