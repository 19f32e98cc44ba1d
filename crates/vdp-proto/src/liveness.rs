//! When a room must send a keep-alive, and when its channel counts as broken.

use std::time::{Duration, Instant};

/// Why a [`Liveness`] wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Nothing was sent for a while: a keep-alive is due.
    KeepAlive,
    /// Nothing was heard for too long: the channel counts as broken.
    Silence,
}

/// Both timers of one room on one channel.
///
/// Tell it what was sent and heard, and with [`Liveness::poll_timeout`] ask when to come back; then
/// [`Liveness::handle_timeout`] says what is due, and must be called until it has nothing more to say.
#[derive(Debug, Clone)]
pub struct Liveness {
    keep_alive: Duration,
    broken_after: Duration,
    last_sent: Instant,
    last_heard: Instant,
    /// Silence is reported once, then not again before something was heard.
    silent: bool,
}

impl Liveness {
    /// Starts both timers at `now`, the moment the channel opens.
    pub const fn new(now: Instant, keep_alive: Duration, broken_after: Duration) -> Self {
        Self {
            keep_alive,
            broken_after,
            last_sent: now,
            last_heard: now,
            silent: false,
        }
    }

    /// A packet of the room was sent, a keep-alive or not. Moments may be told out of order.
    pub fn sent(&mut self, now: Instant) {
        self.last_sent = self.last_sent.max(now);
    }

    /// A packet of the room was heard, a keep-alive or not. Moments may be told out of order.
    pub fn heard(&mut self, now: Instant) {
        if now > self.last_heard {
            self.last_heard = now;
            self.silent = false;
        }
    }

    /// How long nothing was heard.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_heard)
    }

    /// The next moment at which something is due unless a packet is sent or heard before, and why.
    #[must_use]
    pub fn poll_timeout(&self) -> (Instant, Timer) {
        let keep_alive = (self.last_sent + self.keep_alive, Timer::KeepAlive);
        let silence = (self.last_heard + self.broken_after, Timer::Silence);
        if self.silent || keep_alive.0 <= silence.0 {
            keep_alive
        } else {
            silence
        }
    }

    /// What is due at `now`. A [`Timer::KeepAlive`] counts as sent from then on, so that one that cannot be sent
    /// is not tried again at once.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Timer> {
        let (due, timer) = self.poll_timeout();
        if now < due {
            return None;
        }
        match timer {
            Timer::KeepAlive => self.sent(now),
            Timer::Silence => self.silent = true,
        }
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn fresh() -> (Instant, Liveness) {
        let now = Instant::now();
        (now, Liveness::new(now, 2 * SECOND, 6 * SECOND))
    }

    #[test]
    fn a_keep_alive_is_due_every_two_seconds_without_voice() {
        let (start, mut liveness) = fresh();
        assert_eq!(liveness.poll_timeout(), (start + 2 * SECOND, Timer::KeepAlive));
        assert_eq!(liveness.handle_timeout(start + SECOND), None);
        assert_eq!(liveness.handle_timeout(start + 2 * SECOND), Some(Timer::KeepAlive));
        assert_eq!(liveness.handle_timeout(start + 2 * SECOND), None);
        assert_eq!(liveness.poll_timeout().0, start + 4 * SECOND);
    }

    #[test]
    fn voice_puts_the_keep_alive_off() {
        let (start, mut liveness) = fresh();
        liveness.sent(start + SECOND);
        liveness.sent(start);
        assert_eq!(liveness.poll_timeout(), (start + 3 * SECOND, Timer::KeepAlive));
    }

    #[test]
    fn silence_is_reported_once_and_again_after_something_was_heard() {
        let (start, mut liveness) = fresh();
        let due = |liveness: &mut Liveness, now| {
            std::iter::from_fn(|| liveness.handle_timeout(now))
                .filter(|timer| *timer == Timer::Silence)
                .count()
        };
        assert_eq!(due(&mut liveness, start + 5 * SECOND), 0);
        assert_eq!(due(&mut liveness, start + 6 * SECOND), 1);
        assert_eq!(liveness.silence(start + 6 * SECOND), 6 * SECOND);
        assert_eq!(due(&mut liveness, start + 60 * SECOND), 0);
        liveness.heard(start + 60 * SECOND);
        assert_eq!(due(&mut liveness, start + 65 * SECOND), 0);
        assert_eq!(due(&mut liveness, start + 66 * SECOND), 1);
    }

    #[test]
    fn every_timeout_moves_the_deadline_so_that_nobody_spins() {
        let (start, mut liveness) = fresh();
        for step in 0..200 {
            let (due, _) = liveness.poll_timeout();
            assert!(liveness.handle_timeout(due).is_some(), "step {step}");
        }
        assert!(liveness.poll_timeout().0 > start + 300 * SECOND);
    }
}
