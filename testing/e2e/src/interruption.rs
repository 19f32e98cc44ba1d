//! Ctrl-C, and the request to end that other programs send.

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Says when this program is asked to end, from its making on.
pub struct Interruption {
    interrupt: Signal,
    terminate: Signal,
}

impl Interruption {
    /// From now on the program does not end by itself when it is asked to.
    pub fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits until the program is asked to end. May be cancelled.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl std::fmt::Debug for Interruption {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Interruption").finish_non_exhaustive()
    }
}
