//! How often a bot may begin a session.

/// Session starts that a bot has in one period.
const TOTAL: u32 = 1_000;
const PERIOD_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Why a session may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too soon after the one before.
    TooSoon,
    /// Too often: Discord resets the bot's token.
    Exhausted,
}

/// The session starts of one bot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts {
    remaining: u32,
    period_ends_ns: u64,
    last_ns: Option<u64>,
}

impl Default for Starts {
    fn default() -> Self {
        Self {
            remaining: TOTAL,
            period_ends_ns: 0,
            last_ns: None,
        }
    }
}

impl Starts {
    /// Sets how many are left in this period.
    pub(crate) fn set_remaining(&mut self, remaining: u32, now_ns: u64) {
        self.renew(now_ns);
        self.remaining = remaining;
    }

    /// Counts a start; `spacing_ns` has to lie between two.
    pub(crate) fn begin(&mut self, now_ns: u64, spacing_ns: u64) -> Result<(), Refused> {
        self.renew(now_ns);
        if self.remaining == 0 {
            return Err(Refused::Exhausted);
        }
        self.remaining -= 1;
        if self.last_ns.is_some_and(|last| now_ns < last + spacing_ns) {
            return Err(Refused::TooSoon);
        }
        self.last_ns = Some(now_ns);
        Ok(())
    }

    /// What is left of how many, and the milliseconds until all are back.
    pub(crate) fn left(&mut self, now_ns: u64) -> (u32, u32, u64) {
        self.renew(now_ns);
        let reset_after_ms = (self.period_ends_ns - now_ns) / 1_000_000;
        (self.remaining, TOTAL, reset_after_ms)
    }

    fn renew(&mut self, now_ns: u64) {
        if now_ns >= self.period_ends_ns {
            self.remaining = TOTAL;
            self.period_ends_ns = now_ns + PERIOD_NS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn starts_are_spaced_and_each_counts() {
        let mut starts = Starts::default();
        assert_eq!(starts.begin(SECOND, 5 * SECOND), Ok(()));
        assert_eq!(starts.begin(3 * SECOND, 5 * SECOND), Err(Refused::TooSoon));
        assert_eq!(starts.begin(6 * SECOND, 5 * SECOND), Ok(()));
        assert_eq!(starts.left(6 * SECOND), (997, 1_000, (24 * 3_600 - 5) * 1_000));
    }

    #[test]
    fn a_day_brings_all_of_them_back() {
        let mut starts = Starts::default();
        starts.set_remaining(1, SECOND);
        assert_eq!(starts.begin(SECOND, 0), Ok(()));
        assert_eq!(starts.begin(SECOND, 0), Err(Refused::Exhausted));
        assert_eq!(starts.begin(SECOND + PERIOD_NS, 0), Ok(()));
    }
}
