//! One room's voice on one channel, both ways, with its keep-alives and its counts.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::mpsc;
use vdp_proto::{Liveness, MAX_DATAGRAM, Packet, Timer, Verdict, Window};

use super::drops::{DropCounts, Reason};
use super::endpoint::Reservation;
use super::throttle::{Throttle, micros};
use crate::supervise::{self, Task};

/// A link that fails says so again at most this often.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// A voice packet or keep-alive that arrived: from the negotiated peer, for the right room, each once.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// One Opus packet, or nothing: a keep-alive.
    pub voice: &'a [u8],
    /// Rises with the sender's index and, unlike it, never begins anew. What is skipped is lost; a packet that was
    /// overtaken on the way has a lower one than the packet before.
    pub sequence: u64,
    /// When it arrived.
    pub at: Instant,
}

/// Takes what a link hears.
pub trait Receive: Send {
    /// Called for each packet on a task that serves many rooms: must neither block nor wait.
    fn receive(&mut self, packet: Received<'_>);
}

impl<F: FnMut(Received<'_>) + Send> Receive for F {
    fn receive(&mut self, packet: Received<'_>) {
        self(packet);
    }
}

/// What happens to a link. It stays as it is until it is dropped, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    /// The first packet of the peer arrived.
    Heard,
    /// Nothing of the peer arrived for as long as breaks a channel. Comes again only after something has arrived.
    Silent {
        /// How long.
        for_: Duration,
    },
    /// A packet could not be sent, or ICMP says that it did not arrive. Comes at most once a second.
    SendFailed {
        /// The kind of error.
        kind: io::ErrorKind,
    },
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

impl Link {
    /// Opens the reserved port to `peer` and sends a first keep-alive.
    pub(super) fn open(
        reservation: Reservation,
        peer: SocketAddr,
        receiver: Box<dyn Receive>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Self, super::OpenError> {
        let target = reservation
            .port()
            .reachable(peer)
            .ok_or(super::OpenError::Unreachable)?;
        let ear = Arc::new(Ear::new(receiver, events));
        reservation.port().open(peer, reservation.room(), Arc::clone(&ear))?;
        let config = reservation.config();
        let liveness = Liveness::new(ear.opened, config.keep_alive, config.broken_after);
        let mouth = Arc::new(Mouth::new(reservation, peer, target, Arc::clone(&ear)));
        mouth.send(&[], 0);
        let watch = watch(Arc::downgrade(&mouth), Arc::clone(&ear), liveness);
        let watch = supervise::spawn("vdp.link", mouth.reservation.room(), watch);
        Ok(Self {
            mouth,
            ear,
            _watch: watch,
        })
    }

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
        let heard = lock(&self.ear.hearing);
        let window = heard.window.stats();
        LinkStats {
            sent: self.mouth.sent.load(Ordering::Relaxed),
            keep_alives_sent: self.mouth.keep_alives.load(Ordering::Relaxed),
            send_failures: self.mouth.failures.load(Ordering::Relaxed),
            received: window.received - heard.keep_alives,
            keep_alives_received: heard.keep_alives,
            lost: window.lost,
            late: window.late,
            duplicates: window.duplicates,
            outside: window.outside,
            restarts: window.restarts,
            last_heard: heard.last,
        }
    }
}

/// The sending half. While it lives the channel is open.
#[derive(Debug)]
pub(super) struct Mouth {
    reservation: Reservation,
    peer: SocketAddr,
    /// `peer` as the socket wants it.
    target: SocketAddr,
    ear: Arc<Ear>,
    next_index: AtomicU64,
    /// Microseconds from the opening to the last packet sent.
    last_sent: AtomicU64,
    sent: AtomicU64,
    keep_alives: AtomicU64,
    failures: AtomicU64,
    metrics: Metrics,
}

impl Mouth {
    fn new(reservation: Reservation, peer: SocketAddr, target: SocketAddr, ear: Arc<Ear>) -> Self {
        Self {
            reservation,
            peer,
            target,
            ear,
            next_index: AtomicU64::new(0),
            last_sent: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            keep_alives: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            metrics: Metrics::new(),
        }
    }

    /// See [`Link::send`]. Keep-alives and voice come from different threads; each takes its index in one step.
    pub(super) fn send(&self, voice: &[u8], lost_before: u32) -> u64 {
        let lost = u64::from(lost_before);
        let index = self.next_index.fetch_add(lost + 1, Ordering::Relaxed) + lost;
        self.send_as(index, voice);
        index
    }

    /// Sends voice that its source had lost, with the index that was skipped for it.
    pub(super) fn send_as(&self, index: u64, voice: &[u8]) {
        let mut datagram = [0; MAX_DATAGRAM];
        let packet = Packet {
            room: self.reservation.room(),
            voice,
            index,
        };
        let sent = match packet.encode(&mut datagram) {
            Ok(length) => self
                .reservation
                .port()
                .send(datagram.get(..length).unwrap_or_default(), self.target),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
        };
        match sent {
            Ok(()) => self.count_sent(&packet),
            Err(error) => self.count_failure(&error),
        }
    }

    fn count_sent(&self, packet: &Packet<'_>) {
        self.last_sent
            .store(micros(self.ear.opened.elapsed()), Ordering::Relaxed);
        let count = if packet.is_keep_alive() {
            &self.keep_alives
        } else {
            &self.sent
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.metrics.sent.increment(1);
    }

    fn count_failure(&self, error: &io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.metrics.failures.increment(1);
        match error.kind() {
            // The system's buffer is full for a moment, or a packet breaks a limit: neither says that the way to
            // the peer is broken.
            io::ErrorKind::WouldBlock | io::ErrorKind::InvalidInput => {}
            kind => self.ear.undelivered(kind),
        }
    }

    fn last_sent(&self) -> Instant {
        self.ear.opened + Duration::from_micros(self.last_sent.load(Ordering::Relaxed))
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.reservation.port().close(self.peer, self.reservation.room());
        self.metrics.open.decrement(1.0);
    }
}

/// The receiving half.
pub(super) struct Ear {
    opened: Instant,
    hearing: Mutex<Hearing>,
    heard_any: AtomicBool,
    failures: Throttle,
    events: mpsc::Sender<LinkEvent>,
    received: Counter,
    lost: Counter,
    late: Counter,
}

/// Only the task of the port and whoever reads the counts lock this, the latter briefly.
struct Hearing {
    window: Window,
    keep_alives: u64,
    last: Option<Instant>,
    receiver: Box<dyn Receive>,
}

impl Ear {
    fn new(receiver: Box<dyn Receive>, events: mpsc::Sender<LinkEvent>) -> Self {
        describe_counter!(
            "vdp_packets_received_total",
            "VDP packets received for an open channel, each once"
        );
        describe_counter!(
            "vdp_packets_lost_total",
            "VDP packets that were skipped by the ones after them"
        );
        describe_counter!("vdp_packets_late_total", "VDP packets counted as lost that came late");
        Self {
            opened: Instant::now(),
            hearing: Mutex::new(Hearing {
                window: Window::new(),
                keep_alives: 0,
                last: None,
                receiver,
            }),
            heard_any: AtomicBool::new(false),
            failures: Throttle::new(FAILURE_INTERVAL),
            events,
            received: counter!("vdp_packets_received_total"),
            lost: counter!("vdp_packets_lost_total"),
            late: counter!("vdp_packets_late_total"),
        }
    }

    /// Takes a packet that is for this link.
    pub(super) fn hear(&self, packet: &Packet<'_>, now: Instant, drops: &DropCounts) {
        let mut hearing = lock(&self.hearing);
        hearing.last = Some(now);
        match hearing.window.accept(packet.index) {
            Verdict::Duplicate => return drops.add(Reason::Duplicate, &packet.index, now),
            Verdict::Outside => return drops.add(Reason::Outside, &packet.index, now),
            Verdict::Next { lost_before } => self.lost.increment(lost_before),
            Verdict::Late => self.late.increment(1),
            Verdict::Restarted => {}
        }
        self.received.increment(1);
        hearing.keep_alives += u64::from(packet.is_keep_alive());
        let sequence = hearing.window.order(packet.index);
        hearing.receiver.receive(Received {
            voice: packet.voice,
            sequence,
            at: now,
        });
        drop(hearing);
        if !self.heard_any.swap(true, Ordering::Relaxed) {
            self.tell(LinkEvent::Heard);
        }
    }

    /// Reports that a packet did not get to the peer.
    pub(super) fn undelivered(&self, kind: io::ErrorKind) {
        if self.failures.pass(Instant::now()) {
            self.tell(LinkEvent::SendFailed { kind });
        }
    }

    /// A full queue holds enough to act upon.
    fn tell(&self, event: LinkEvent) {
        let _ = self.events.try_send(event);
    }

    fn last_heard(&self) -> Option<Instant> {
        lock(&self.hearing).last
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Ear")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
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

/// What all links together send.
struct Metrics {
    sent: Counter,
    failures: Counter,
    open: Gauge,
}

impl Metrics {
    fn new() -> Self {
        describe_counter!("vdp_packets_sent_total", "VDP packets sent, keep-alives included");
        describe_counter!("vdp_send_failures_total", "VDP packets that could not be sent");
        describe_gauge!("vdp_links_open", "Rooms whose voice is exchanged over VDP now");
        let open = gauge!("vdp_links_open");
        open.increment(1.0);
        Self {
            sent: counter!("vdp_packets_sent_total"),
            failures: counter!("vdp_send_failures_total"),
            open,
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics")
    }
}

/// Nothing panics while these locks are held but a receiver, and what it leaves half done is its own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
