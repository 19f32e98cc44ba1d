//! The sending half of a link.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use vdp_proto::{MAX_DATAGRAM, Packet};

use super::ear::Ear;
use super::reservation::Reservation;
use super::throttle::micros;

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
    pub(super) sent: AtomicU64,
    pub(super) keep_alives: AtomicU64,
    pub(super) failures: AtomicU64,
    metrics: Metrics,
}

impl Mouth {
    pub(super) fn new(reservation: Reservation, peer: SocketAddr, target: SocketAddr, ear: Arc<Ear>) -> Self {
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

    /// See [`Link::send`](super::Link::send). Keep-alives and voice come from different threads; each takes its index in one step.
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

    /// The room.
    pub(super) fn room(&self) -> &str {
        self.reservation.room()
    }

    /// When the last packet was sent.
    pub(super) fn last_sent(&self) -> Instant {
        self.ear.opened + Duration::from_micros(self.last_sent.load(Ordering::Relaxed))
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.reservation.port().close(self.peer, self.reservation.room());
        self.metrics.open.decrement(1.0);
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
