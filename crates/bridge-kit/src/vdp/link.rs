//! One room's voice on one channel, both ways, with its keep-alives and its counts.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::mpsc;
use vdp_proto::{Liveness, Taken, Timer};

use super::ear::{Ear, LinkEvent, Receive};
use super::mouth::Mouth;
use super::reservation::Reservation;
use crate::supervise::{self, Task};

/// Why a reserved port cannot be opened to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nothing can be sent there from this endpoint: port 0, no address, or IPv6 while it speaks only IPv4.
    #[error("nothing can be sent to the peer's address from the address of this endpoint")]
    Unreachable,
    /// The room has a channel with this peer on this port.
    #[error(transparent)]
    Taken(#[from] Taken),
}

/// Counts of a link since it was opened, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Voice packets sent.
    pub sent: u64,
    /// Keep-alives sent.
    pub keep_alives_sent: u64,
    /// Packets of either kind that could not be sent.
    pub send_failures: u64,
    /// Voice packets received, each once.
    pub received: u64,
    /// Keep-alives received.
    pub keep_alives_received: u64,
    /// Packets that were skipped and have not come late.
    pub lost: u64,
    /// Packets that came late.
    pub late: u64,
    /// Packets dropped as duplicates.
    pub duplicates: u64,
    /// Packets dropped as too far behind or ahead.
    pub outside: u64,
    /// How often the peer was found to count anew.
    pub restarts: u64,
    /// When the last packet arrived.
    pub last_heard: Option<Instant>,
}

/// One room's voice on one channel. Dropping it ends it, and frees the port if no other channel uses it.
#[derive(Debug)]
pub struct Link {
    mouth: Arc<Mouth>,
    ear: Arc<Ear>,
    _watch: Task<()>,
}

impl Reservation {
    /// Exchanges packets with `peer` from now on, and with nobody else: what arrives goes to `receiver`, what is to
    /// leave is given to the link. A first keep-alive is sent at once. [`Reservation::open`] is the same for a room's
    /// media.
    pub fn connect(
        self,
        peer: SocketAddr,
        receiver: Box<dyn Receive>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Link, OpenError> {
        let target = self.port().reachable(peer).ok_or(OpenError::Unreachable)?;
        let ear = Arc::new(Ear::new(receiver, events));
        self.port().open(peer, self.room(), Arc::clone(&ear))?;
        let config = self.config();
        let liveness = Liveness::new(ear.opened, config.keep_alive, config.broken_after);
        let mouth = Arc::new(Mouth::new(self, peer, target, Arc::clone(&ear)));
        mouth.send(&[], 0);
        let watch = watch(Arc::downgrade(&mouth), Arc::clone(&ear), liveness);
        let watch = supervise::spawn("vdp.link", mouth.room(), watch);
        Ok(Link {
            mouth,
            ear,
            _watch: watch,
        })
    }
}

impl Link {
    /// Sends an Opus packet, or a keep-alive if `voice` is empty, at once or not at all.
    ///
    /// `lost_before` is how many packets the source of the voice lost just before this one: the index skips them,
    /// so that the peer sees the loss.
    ///
    /// Gives back the index of the packet.
    pub fn send(&self, voice: &[u8], lost_before: u32) -> u64 {
        self.mouth.send(voice, lost_before)
    }

    /// The sending half, for as long as the link lives.
    pub(super) fn mouth(&self) -> Weak<Mouth> {
        Arc::downgrade(&self.mouth)
    }

    /// The counts so far.
    pub fn stats(&self) -> LinkStats {
        let (window, keep_alives_received) = self.ear.counts();
        LinkStats {
            sent: self.mouth.sent.load(Ordering::Relaxed),
            keep_alives_sent: self.mouth.keep_alives.load(Ordering::Relaxed),
            send_failures: self.mouth.failures.load(Ordering::Relaxed),
            received: window.received - keep_alives_received,
            keep_alives_received,
            lost: window.lost,
            late: window.late,
            duplicates: window.duplicates,
            outside: window.outside,
            restarts: window.restarts,
            last_heard: self.ear.last_heard(),
        }
    }
}

/// Sends keep-alives and reports silence, for as long as the link lives.
async fn watch(mouth: Weak<Mouth>, ear: Arc<Ear>, mut liveness: Liveness) {
    while let Some(mouth) = mouth.upgrade() {
        liveness.sent(mouth.last_sent());
        if let Some(heard) = ear.last_heard() {
            liveness.heard(heard);
        }
        let now = Instant::now();
        match liveness.handle_timeout(now) {
            Some(Timer::KeepAlive) => {
                mouth.send(&[], 0);
            }
            Some(Timer::Silence) => ear.tell(LinkEvent::Silent {
                for_: liveness.silence(now),
            }),
            None => {
                // Nothing here may keep the link open while it waits.
                drop(mouth);
                tokio::time::sleep_until(liveness.poll_timeout().0.into()).await;
            }
        }
    }
}
