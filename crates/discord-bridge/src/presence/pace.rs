//! How fast something may be done: so many at once, then one in a while.

use std::time::{Duration, Instant};

/// A budget that fills up by one each `every`, up to `burst`.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    burst: u32,
    every: Duration,
    /// When the budget is full, if nothing more is taken from it.
    full: Option<Instant>,
}

impl Pace {
    /// A full budget of at least one.
    pub(crate) fn new(burst: u32, every: Duration) -> Self {
        Self {
            burst: burst.max(1),
            every,
            full: None,
        }
    }

    /// When there is something in it; none where that is so already, whenever it is asked.
    pub(crate) fn ready(&self) -> Option<Instant> {
        self.full?.checked_sub(self.every * (self.burst - 1))
    }

    /// Takes one.
    pub(crate) fn take(&mut self, now: Instant) {
        self.full = Some(self.full.map_or(now, |full| full.max(now)) + self.every);
    }
}
