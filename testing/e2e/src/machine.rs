//! Whether the machine keeps time: what a listener hears says something about the bridges only if all that takes part in a
//! call is run when its time has come.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the watch looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// A browser hides delays up to the length of its jitter buffer, which is about this on a loopback. Longer ones are heard.
const HEARD: Duration = Duration::from_millis(50);

/// A thread that asks to be woken every 5 ms, and notes how much later that happens.
pub(crate) struct Watch {
    end: Sender<()>,
    thread: JoinHandle<Stalls>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut stalls = Stalls::default();
            let mut last = Instant::now();
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let now = Instant::now();
                stalls.add(now.duration_since(last).saturating_sub(TICK));
                last = now;
            }
            stalls
        });
        Self { end, thread }
    }

    /// What was seen until now.
    pub(crate) fn end(self) -> Stalls {
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

/// How late the watch was woken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stalls {
    longest: Duration,
    /// How many were long enough to be heard.
    heard: usize,
}

impl Stalls {
    fn add(&mut self, late: Duration) {
        self.longest = self.longest.max(late);
        self.heard += usize::from(late >= HEARD);
    }

    /// Whether the machine stood still for so long that a call in which nothing is wrong sounds wrong.
    pub(crate) fn are_heard(&self) -> bool {
        self.heard > 0
    }
}

impl fmt::Display for Stalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the machine stood still for {} ms at the longest, {} times for {} ms or more",
            self.longest.as_millis(),
            self.heard,
            HEARD.as_millis()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_jitter_buffer_hides_is_no_stall() {
        let mut stalls = Stalls::default();
        stalls.add(HEARD.saturating_sub(TICK));
        assert!(!stalls.are_heard());
        stalls.add(HEARD);
        stalls.add(HEARD * 3);
        assert!(stalls.are_heard());
        assert_eq!(
            stalls.to_string(),
            "the machine stood still for 150 ms at the longest, 2 times for 50 ms or more"
        );
    }
}
