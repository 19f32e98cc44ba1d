//! When to ask again for a channel that was refused or closed.

use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_mins(10);

/// How often there was no channel in the call that goes on, and when to ask for the next.
#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    refusals: u32,
    until: Option<Instant>,
    asks: bool,
}

impl Patience {
    /// Waits for about `first` the first time, and twice as long each time after that.
    pub(super) fn new(first: Duration) -> Self {
        Self {
            first,
            refusals: 0,
            until: None,
            asks: false,
        }
    }

    /// There is no channel.
    pub(super) fn wait(&mut self, now: Instant) {
        let wait = self.first.saturating_mul(1 << self.refusals.min(10)).min(LONGEST);
        self.refusals = self.refusals.saturating_add(1);
        self.until = Some(now + wait);
        self.asks = false;
    }

    /// The time has come.
    pub(super) fn ask(&mut self) {
        self.until = None;
        self.asks = true;
    }

    /// There is a channel, or there is no need for one any more. Returns whether that is news.
    pub(super) fn end(&mut self) -> bool {
        let first = self.first;
        std::mem::replace(self, Self::new(first)).has_asked()
    }

    /// When to ask again.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether a channel was refused, and none has come since.
    pub(super) fn is_waiting(&self) -> bool {
        self.refusals > 0 && (self.until.is_some() || self.asks)
    }

    /// Whether people know already that there is no channel.
    pub(super) fn has_asked(&self) -> bool {
        self.refusals > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_the_waits_grow_and_end_with_a_channel() {
        let mut patience = Patience::new(Duration::from_secs(30));
        let now = Instant::now();
        assert!(!patience.is_waiting() && !patience.has_asked());
        let mut waits = Vec::new();
        for _ in 0..7 {
            patience.wait(now);
            assert!(patience.is_waiting());
            waits.push(patience.until().map(|until| (until - now).as_secs()));
            patience.ask();
            assert_eq!(patience.until(), None);
            assert!(patience.is_waiting(), "until it is answered");
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600].map(Some));
        assert!(patience.end());
        assert!(!patience.end(), "once");
        assert!(!patience.is_waiting());
    }
}
