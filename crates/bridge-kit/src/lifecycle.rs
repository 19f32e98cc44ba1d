//! Two-step shutdown: the first request says goodbye and drains, the second ends the program at once.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::supervise::{self, Task};

/// How long a program may take to say goodbye after the first request.
pub const SOFT_LIMIT: Duration = Duration::from_secs(5);

/// Tells every part of a program that it should stop. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Creates a shutdown that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the next step: first the soft stop, after that the hard one.
    pub fn request(&self) {
        if self.soft.is_cancelled() {
            self.hard.cancel();
        } else {
            self.soft.cancel();
        }
    }

    /// Whether somebody has asked for the soft stop.
    pub fn is_requested(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Waits for the soft stop to be asked for.
    pub async fn requested(&self) {
        self.soft.cancelled().await;
    }

    /// Waits until the program must end at once: a second request, or [`SOFT_LIMIT`] after the first.
    pub async fn forced(&self) {
        self.forced_within(SOFT_LIMIT).await;
    }

    async fn forced_within(&self, limit: Duration) {
        let limit = async {
            self.soft.cancelled().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            () = self.hard.cancelled() => {}
            () = limit => {}
        }
    }

    /// The soft stop as a token, for code that selects on one.
    pub fn token(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Makes each SIGTERM or SIGINT one request, for as long as the returned task lives.
    ///
    /// # Errors
    /// Fails where the operating system refuses a signal handler.
    pub fn on_signals(&self) -> io::Result<Task<()>> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        Ok(supervise::spawn("lifecycle.signals", "program", async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if shutdown.is_requested() {
                    tracing::warn!("stopping at once");
                } else {
                    tracing::info!(limit = ?SOFT_LIMIT, "stopping; a second signal stops at once");
                }
                shutdown.request();
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn the_first_request_is_soft_and_the_second_is_hard() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_requested());
        shutdown.request();
        assert!(shutdown.is_requested());
        shutdown.requested().await;
        assert!(!shutdown.hard.is_cancelled());
        let started = Instant::now();
        shutdown.request();
        shutdown.forced().await;
        assert!(started.elapsed() < SOFT_LIMIT);
    }

    #[tokio::test]
    async fn a_soft_stop_is_forced_after_its_limit() {
        let shutdown = Shutdown::new();
        shutdown.request();
        let started = Instant::now();
        shutdown.forced_within(LIMIT).await;
        assert!(started.elapsed() >= LIMIT);
    }

    #[tokio::test]
    async fn nothing_is_forced_before_anyone_asks() {
        let shutdown = Shutdown::new();
        let waited = tokio::time::timeout(LIMIT * 2, shutdown.forced_within(LIMIT)).await;
        assert!(waited.is_err());
    }
}
