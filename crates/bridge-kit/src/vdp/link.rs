//! One room's voice on one channel, both ways, with its keep-alives and its counts.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::mpsc;
use vdp_proto::{Liveness, Marks, Taken, Timer};

use super::ear::{Ear, LinkEvent, Receive};
use super::mouth::{Form, Mouth};
use super::peer::{Peer, SealedPeer};
use super::peer_path::PeerPath;
use super::reservation::Reservation;
use super::sealed_ear::SealedEar;
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
    /// Voice packets that were not sent because the peer's address had not proven itself yet.
    pub withheld: u64,
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
    ///
    /// In the sealed form an address gets no voice until a keep-alive has come from it.
    pub fn connect(
        self,
        peer: impl Into<Peer>,
        receiver: Box<dyn Receive>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Link, OpenError> {
        let ear = Arc::new(Ear::new(receiver, events));
        let form = self.hear(peer.into(), &ear)?;
        let config = self.config();
        let liveness = Liveness::new(ear.opened, config.keep_alive, config.broken_after);
        let mouth = Arc::new(Mouth::new(self, form, Arc::clone(&ear)));
        mouth.keep_alive();
        let watch = watch(Arc::downgrade(&mouth), Arc::clone(&ear), liveness);
        let watch = supervise::spawn("vdp.link", mouth.room(), watch);
        Ok(Link {
            mouth,
            ear,
            _watch: watch,
        })
    }

    /// Lets `ear` hear the peer, and says how to speak to it.
    fn hear(&self, peer: Peer, ear: &Arc<Ear>) -> Result<Form, OpenError> {
        let port = self.port();
        match peer {
            Peer::Plain(peer) => {
                port.reachable(peer).ok_or(OpenError::Unreachable)?;
                port.open(peer, self.room(), Arc::clone(ear))?;
                Ok(Form::Plain { peer })
            }
            Peer::Sealed(peer) => {
                let SealedPeer {
                    address,
                    channel,
                    sealer,
                    opener,
                } = *peer;
                port.reachable(address).ok_or(OpenError::Unreachable)?;
                let path = Arc::new(PeerPath::new(address));
                let sealed = SealedEar::new(self.room(), opener, Arc::clone(&path), Arc::clone(ear));
                port.open_sealed(channel, Arc::new(sealed))?;
                Ok(Form::Sealed { channel, sealer, path })
            }
        }
    }
}

impl Link {
    /// Sends an Opus packet, or a keep-alive if `voice` is empty, at once or not at all.
    ///
    /// `lost_before` is how many packets the source of the voice lost just before this one: the index skips them,
    /// so that the peer sees the loss.
    ///
    /// Gives back the index of the packet; none where the peer's address gets no voice yet.
    pub fn send(&self, voice: &[u8], lost_before: u32) -> Option<u64> {
        self.mouth.send(voice, Marks::NONE, lost_before)
    }

    /// The sending half, for as long as the link lives.
    pub(super) fn mouth(&self) -> Weak<Mouth> {
        Arc::downgrade(&self.mouth)
    }

    /// The counts so far.
    pub fn stats(&self) -> LinkStats {
        let (window, keep_alives_received) = self.ear.counts();
        LinkStats {
            sent: self.mouth.voice_packets.load(Ordering::Relaxed),
            keep_alives_sent: self.mouth.keep_alives.load(Ordering::Relaxed),
            send_failures: self.mouth.failures.load(Ordering::Relaxed),
            withheld: self.mouth.withheld.load(Ordering::Relaxed),
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

/// Waits until a sealed link has to answer a keep-alive; for ever in the plain form.
async fn answer_wanted(path: Option<&PeerPath>) {
    match path {
        Some(path) => path.answer_wanted().await,
        None => std::future::pending().await,
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
        let probe = mouth.path().and_then(|path| path.next_probe());
        if probe.is_some_and(|due| due <= now) {
            mouth.keep_alive();
            continue;
        }
        match liveness.handle_timeout(now) {
            Some(Timer::KeepAlive) => mouth.keep_alive(),
            Some(Timer::Silence) => ear.tell(LinkEvent::Silent {
                for_: liveness.silence(now),
            }),
            None => {
                let (due, _) = liveness.poll_timeout();
                let due = probe.map_or(due, |probe| probe.min(due));
                let path = mouth.path().cloned();
                let weak = Arc::downgrade(&mouth);
                // Nothing here may keep the link open while it waits.
                drop(mouth);
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {}
                    () = answer_wanted(path.as_deref()) => {
                        if let Some(mouth) = weak.upgrade() {
                            mouth.keep_alive();
                        }
                    }
                }
            }
        }
    }
}
