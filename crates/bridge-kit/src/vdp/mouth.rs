//! The sending half of a link.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge};
use vdp_proto::sealed::Sealer;
use vdp_proto::{EncodeError, Marks, Packet};

use super::ear::Ear;
use super::outbox;
use super::peer_path::PeerPath;
use super::port::Port;
use super::reservation::Reservation;
use super::throttle::micros;
use crate::instruments;

/// The sending half. While it lives the channel is open.
#[derive(Debug)]
pub(super) struct Mouth {
    reservation: Reservation,
    form: Form,
    ear: Arc<Ear>,
    next_index: AtomicU64,
    /// Microseconds from the opening to the last packet sent.
    last_sent: AtomicU64,
    pub(super) voice_packets: AtomicU64,
    pub(super) keep_alives: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) withheld: AtomicU64,
    metrics: Metrics,
}

/// How packets look, and where they go.
#[derive(Debug)]
pub(super) enum Form {
    /// In clear, to the address that was negotiated.
    Plain { peer: SocketAddr },
    /// Sealed, to wherever the peer is.
    Sealed {
        channel: u64,
        sealer: Sealer,
        path: Arc<PeerPath>,
    },
}

impl Form {
    /// The voice matters more than its extension keys.
    fn write(&self, packet: &Packet<'_>, marks: Marks, datagram: &mut [u8]) -> Result<usize, EncodeError> {
        match self.write_with(packet, marks, datagram) {
            Err(EncodeError::TooLarge { .. }) if marks != Marks::NONE => self.write_with(packet, Marks::NONE, datagram),
            written => written,
        }
    }

    fn write_with(&self, packet: &Packet<'_>, marks: Marks, datagram: &mut [u8]) -> Result<usize, EncodeError> {
        match self {
            Self::Plain { .. } => packet.encode_with(marks, datagram),
            Self::Sealed { sealer, .. } => sealer.seal_with(packet, marks, datagram),
        }
    }

    /// Where to send a packet; none where the peer's address has to prove itself before it gets voice.
    fn destination(&self, voice: &[u8]) -> Option<SocketAddr> {
        match self {
            Self::Plain { peer } => Some(*peer),
            Self::Sealed { path, .. } if voice.is_empty() => Some(path.address()),
            Self::Sealed { path, .. } => path.proven_address(),
        }
    }
}

impl Mouth {
    pub(super) fn new(reservation: Reservation, form: Form, ear: Arc<Ear>) -> Self {
        Self {
            reservation,
            form,
            ear,
            next_index: AtomicU64::new(0),
            last_sent: AtomicU64::new(0),
            voice_packets: AtomicU64::new(0),
            keep_alives: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            metrics: Metrics::new(),
        }
    }

    /// See [`Link::send`](super::Link::send). Keep-alives and voice come from different threads; each takes its index
    /// in one step.
    pub(super) fn send(self: &Arc<Self>, voice: &[u8], marks: Marks, lost_before: u32) -> Option<u64> {
        let to = self.destination(voice)?;
        let lost = u64::from(lost_before);
        let index = self.next_index.fetch_add(lost + 1, Ordering::Relaxed) + lost;
        self.transmit(to, index, voice, marks);
        Some(index)
    }

    /// Sends voice that its source had lost, with the index that was skipped for it.
    pub(super) fn send_late(self: &Arc<Self>, index: u64, voice: &[u8]) {
        if let Some(to) = self.destination(voice) {
            // Who speaks was said by a packet that is newer.
            self.transmit(to, index, voice, Marks::NONE);
        }
    }

    /// Says that this side is there.
    pub(super) fn keep_alive(self: &Arc<Self>) {
        if let Form::Sealed { path, .. } = &self.form {
            path.keep_alive_sent(Instant::now());
        }
        self.send(&[], Marks::NONE, 0);
    }

    /// Where to send this; none, and counted, where the peer's address has to prove itself first.
    fn destination(&self, voice: &[u8]) -> Option<SocketAddr> {
        let to = self.form.destination(voice);
        if to.is_none() {
            self.withheld.fetch_add(1, Ordering::Relaxed);
            self.metrics.withheld.increment(1);
        }
        to
    }

    /// Where the peer of a sealed link is.
    pub(super) fn path(&self) -> Option<&Arc<PeerPath>> {
        match &self.form {
            Form::Plain { .. } => None,
            Form::Sealed { path, .. } => Some(path),
        }
    }

    fn transmit(self: &Arc<Self>, to: SocketAddr, index: u64, voice: &[u8], marks: Marks) {
        let packet = Packet {
            room: self.reservation.room(),
            voice,
            index,
        };
        let Some(to) = self.port().reachable(to) else {
            return self.count_failure(&io::ErrorKind::AddrNotAvailable.into());
        };
        outbox::send(self, to, packet.is_keep_alive(), |datagram| {
            self.form.write(&packet, marks, datagram)
        });
    }

    /// Takes note of what became of a packet.
    pub(super) fn sent(&self, keep_alive: bool, outcome: io::Result<()>, now: Instant) {
        match outcome {
            Ok(()) => self.count_sent(keep_alive, now),
            Err(error) => self.count_failure(&error),
        }
    }

    /// Takes note of a packet that breaks a limit.
    pub(super) fn not_written(&self, error: EncodeError) {
        self.count_failure(&io::Error::new(io::ErrorKind::InvalidInput, error));
    }

    fn count_sent(&self, keep_alive: bool, now: Instant) {
        let since = now.saturating_duration_since(self.ear.opened);
        self.last_sent.fetch_max(micros(since), Ordering::Relaxed);
        let count = if keep_alive {
            &self.keep_alives
        } else {
            &self.voice_packets
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

    /// Where packets leave.
    pub(super) fn port(&self) -> &Port {
        self.reservation.port()
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
        match &self.form {
            Form::Plain { peer } => self.reservation.port().close(*peer, self.reservation.room()),
            Form::Sealed { channel, .. } => self.reservation.port().close_sealed(*channel),
        }
        self.metrics.open.decrement(1.0);
    }
}

/// What all links together send.
struct Metrics {
    sent: Counter,
    failures: Counter,
    withheld: Counter,
    open: Gauge,
}

impl Metrics {
    fn new() -> Self {
        let open = instruments::LINKS_OPEN.get();
        open.increment(1.0);
        Self {
            sent: instruments::PACKETS_SENT.get(),
            failures: instruments::PACKETS_UNSENT.get(),
            withheld: instruments::PACKETS_WITHHELD.get(),
            open,
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use vdp_proto::sealed::{Aead, Role, ShareSecret};

    use super::*;
    use crate::config::Vdp;
    use crate::vdp::{Endpoint, Received};

    const VOICE: &[u8] = &[0xf8, 1, 2];

    fn sealer() -> Sealer {
        let secret = |byte| ShareSecret::from_random([byte; 32]);
        let keys = secret(1)
            .agree(&secret(2).share(), &[3; 32], b"")
            .expect("a good share");
        keys.into_ends(Role::Asking, Aead::Aes256Gcm, 7).0
    }

    #[tokio::test]
    async fn b6_no_voice_goes_to_an_address_that_has_proven_nothing_not_even_late() {
        let (near, far) = [(); 2]
            .map(|()| Endpoint::bind(&Vdp::loopback(0)).expect("a port"))
            .into();
        let path = Arc::new(PeerPath::new(far.address()));
        let form = Form::Sealed {
            channel: 7,
            sealer: sealer(),
            path: Arc::clone(&path),
        };
        let (events, _kept) = mpsc::channel(1);
        let ear = Arc::new(Ear::new(Box::new(|_: Received<'_>| {}), events));
        let mouth = Arc::new(Mouth::new(near.reserve_sealed("!a:x").expect("a port"), form, ear));
        let counts = || [&mouth.voice_packets, &mouth.withheld].map(|count| count.load(Ordering::Relaxed));

        assert_eq!(mouth.send(VOICE, Marks::NONE, 0), None);
        mouth.send_late(5, VOICE);
        assert_eq!(counts(), [0, 2]);
        path.heard(Instant::now(), far.address(), true, true);
        assert_eq!(mouth.send(VOICE, Marks::NONE, 0), Some(0));
        mouth.send_late(5, VOICE);
        assert_eq!(counts(), [2, 2]);
    }
}
