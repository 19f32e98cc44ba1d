//! The address of a sealed link's peer, shared by the link's halves.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use vdp_proto::sealed::Path;

/// The address of a sealed link's peer: the receiving half moves it, the sending half follows.
#[derive(Debug)]
pub(super) struct PeerPath {
    path: Mutex<Path>,
    answer: Notify,
}

impl PeerPath {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            path: Mutex::new(Path::new(address)),
            answer: Notify::new(),
        }
    }

    /// A packet was opened.
    pub(super) fn heard(&self, now: Instant, from: SocketAddr, newest: bool, keep_alive: bool) {
        let heard = self.lock().heard(now, from, newest, keep_alive);
        if heard.moved {
            // Whoever sends on the peer's packets from elsewhere decides how often: nothing that is always logged.
            tracing::debug!(address = %from, "the peer's VDP address moved");
        }
        if heard.answer {
            self.answer.notify_one();
        }
    }

    /// Where to send keep-alives.
    pub(super) fn address(&self) -> SocketAddr {
        self.lock().address()
    }

    /// Where to send voice, if it may be sent.
    pub(super) fn proven_address(&self) -> Option<SocketAddr> {
        let path = self.lock();
        path.is_proven().then(|| path.address())
    }

    /// A keep-alive was sent.
    pub(super) fn keep_alive_sent(&self, now: Instant) {
        self.lock().keep_alive_sent(now);
    }

    /// When to ask the address to prove itself, unless it does so before.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.lock().poll_probe()
    }

    /// Waits until a keep-alive is to be sent at once. May be cancelled.
    pub(super) async fn answer_wanted(&self) {
        self.answer.notified().await;
    }

    /// Nothing panics while this lock is held.
    fn lock(&self) -> MutexGuard<'_, Path> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
