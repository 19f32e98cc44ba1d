//! The one UDP port of all WebRTC calls, and which datagram belongs to which call.
//!
//! STUN requests name a call by the first half of their user name. All else is known by its source address:
//! an address belongs to the call that answered a request from there, which it does only if the request was
//! signed with that call's ICE password.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use bridge_kit::supervise::{self, Task};
use bridge_kit::udp::watch_arrivals;
use str0m::ice::StunMessage;
use str0m::net::Transmit;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::config::{WebRtc, WebRtcConfigError};
use super::metrics::{self, Dropped};

/// The largest datagram that is read; longer ones are cut, and fail their checks.
const MAX_DATAGRAM: usize = 2000;
/// Datagrams that wait for one call: two seconds of audio with its feedback.
const QUEUE: usize = 128;
/// Addresses that may belong to one call at a time; more are forgotten with the oldest call's end only.
const MAX_ADDRESSES: usize = 64;
/// The first two bytes of a STUN binding request (RFC 8489 §5).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
/// The first two bytes of a STUN binding success response.
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The socket could not be had.
    #[error("webrtc.listen: cannot listen on UDP {address}: {source}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The configuration cannot work.
    #[error("webrtc.advertise: {0}")]
    Config(#[from] WebRtcConfigError),
}

/// The socket that carries the media of all calls. Dropping it ends their media.
#[derive(Debug)]
pub struct Port {
    shared: Arc<Shared>,
    _receiver: Task<()>,
}

#[derive(Debug)]
struct Shared {
    socket: AsyncFd<UdpSocket>,
    is_v6: bool,
    advertised: Vec<SocketAddr>,
    routes: RwLock<Routes>,
    next: AtomicU64,
}

/// Which call a datagram is for, by its number.
#[derive(Debug, Default)]
struct Routes {
    lines: HashMap<u64, mpsc::Sender<Datagram>>,
    users: HashMap<String, u64>,
    /// Addresses that proved to be a call's peer.
    proven: HashMap<SocketAddr, u64>,
    /// Addresses that a call has sent requests to: good for the responses to those, and nothing else.
    asked: HashMap<SocketAddr, u64>,
}

/// One datagram for one call.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) received: Instant,
    pub(super) bytes: Box<[u8]>,
}

/// One call's end of the port; dropping it removes every trace of the call.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    number: u64,
    datagrams: mpsc::Receiver<Datagram>,
}

impl Port {
    /// Opens the port and begins to receive.
    pub fn bind(config: &WebRtc) -> Result<Self, PortError> {
        let ips = config.advertised()?;
        let failed = |source| PortError::Bind {
            address: config.listen,
            source,
        };
        let socket = UdpSocket::bind(config.listen).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            socket: watch_arrivals(socket).map_err(failed)?,
            is_v6: local.is_ipv6(),
            advertised: ips.iter().map(|ip| SocketAddr::new(*ip, local.port())).collect(),
            routes: RwLock::default(),
            next: AtomicU64::new(0),
        });
        let receiver = supervise::spawn("webrtc.receive", local.port(), receive(shared.clone()));
        Ok(Self {
            shared,
            _receiver: receiver,
        })
    }

    /// A port that the test's callers reach.
    #[cfg(test)]
    pub(crate) fn on_loopback() -> Self {
        let config = WebRtc {
            listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            advertise: Vec::new(),
        };
        Self::bind(&config).expect("a port")
    }

    /// Makes room for one call.
    pub fn line(&self) -> Line {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, datagrams) = mpsc::channel(QUEUE);
        self.shared.write().lines.insert(number, sender);
        metrics::connections(1.0);
        Line {
            shared: self.shared.clone(),
            number,
            datagrams,
        }
    }

    /// How many calls have a line.
    pub fn lines(&self) -> usize {
        self.shared.read().lines.len()
    }

    /// The addresses that browsers are told.
    pub fn advertised(&self) -> &[SocketAddr] {
        &self.shared.advertised
    }
}

impl Line {
    pub(super) fn advertised(&self) -> &[SocketAddr] {
        &self.shared.advertised
    }

    /// Claims the STUN requests for a user name fragment (RFC 8445 §7.2.2).
    pub(super) fn claim(&self, ufrag: &str) {
        let mut routes = self.shared.write();
        routes.users.insert(ufrag.to_owned(), self.number);
    }

    /// The next datagram of this call; `None` once the port is closed. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<Datagram> {
        self.datagrams.recv().await
    }

    /// Sends without waiting: what the socket does not take at once is lost, as on the network.
    pub(super) fn send(&self, transmit: &Transmit) {
        let bytes: &[u8] = &transmit.contents;
        self.learn(bytes, transmit.destination);
        let destination = self.shared.outbound(transmit.destination);
        if self.shared.socket.get_ref().send_to(bytes, destination).is_err() {
            metrics::dropped(Dropped::SendFailed);
        }
    }

    /// Draws conclusions from STUN that we send.
    fn learn(&self, bytes: &[u8], peer: SocketAddr) {
        match bytes.first_chunk() {
            Some(&BINDING_SUCCESS) => self.shared.prove(peer, self.number),
            Some(&BINDING_REQUEST) => self.shared.ask(peer, self.number),
            _ => {}
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.write().forget(self.number);
        metrics::connections(-1.0);
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Routes> {
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Routes> {
        self.routes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn prove(&self, peer: SocketAddr, line: u64) {
        if self.read().proven.get(&peer) != Some(&line) {
            self.write().prove(peer, line);
        }
    }

    fn ask(&self, peer: SocketAddr, line: u64) {
        if !self.read().asked.contains_key(&peer) {
            self.write().ask(peer, line);
        }
    }

    /// The call's own address that a peer of this family sends to.
    fn local_for(&self, source: SocketAddr) -> Option<SocketAddr> {
        let same_family = |local: &&SocketAddr| local.is_ipv4() == source.is_ipv4();
        self.advertised.iter().find(same_family).copied()
    }

    /// An address as a socket of our family takes it.
    fn outbound(&self, address: SocketAddr) -> SocketAddr {
        match (self.is_v6, address.ip()) {
            (true, IpAddr::V4(ip)) => (ip.to_ipv6_mapped(), address.port()).into(),
            _ => address,
        }
    }
}

impl Routes {
    fn prove(&mut self, peer: SocketAddr, line: u64) {
        let owned = self.proven.values().filter(|owner| **owner == line).count();
        if owned < MAX_ADDRESSES {
            self.proven.insert(peer, line);
        }
    }

    fn ask(&mut self, peer: SocketAddr, line: u64) {
        let owned = self.asked.values().filter(|owner| **owner == line).count();
        if owned < MAX_ADDRESSES {
            self.asked.entry(peer).or_insert(line);
        }
    }

    fn forget(&mut self, line: u64) {
        self.lines.remove(&line);
        self.users.retain(|_, owner| *owner != line);
        self.proven.retain(|_, owner| *owner != line);
        self.asked.retain(|_, owner| *owner != line);
    }

    fn find(&self, source: SocketAddr, bytes: &[u8]) -> Result<&mpsc::Sender<Datagram>, Dropped> {
        let line = if is_stun(bytes) {
            self.find_stun(source, bytes)?
        } else {
            self.proven.get(&source).ok_or(Dropped::UnknownSource)?
        };
        self.lines.get(line).ok_or(Dropped::UnknownSource)
    }

    fn find_stun(&self, source: SocketAddr, bytes: &[u8]) -> Result<&u64, Dropped> {
        let message = StunMessage::parse(bytes).map_err(|_| Dropped::Garbage)?;
        if message.is_binding_request() {
            let (local, _) = message.split_username().ok_or(Dropped::UnknownUser)?;
            return self.users.get(local).ok_or(Dropped::UnknownUser);
        }
        self.proven
            .get(&source)
            .or_else(|| self.asked.get(&source))
            .ok_or(Dropped::UnknownSource)
    }
}

/// The first byte tells STUN from DTLS and RTP (RFC 7983 §7).
fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

async fn receive(shared: Arc<Shared>) {
    let mut buffer = [0_u8; MAX_DATAGRAM];
    loop {
        let arrival = shared
            .socket
            .async_io(Interest::READABLE, |socket| socket.recv_from(&mut buffer));
        match arrival.await {
            Ok((length, source)) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                if let Err(why) = deliver(&shared, canonical(source), bytes) {
                    metrics::dropped(why);
                }
            }
            // On some systems an ICMP error about an earlier datagram comes out here.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

fn deliver(shared: &Shared, source: SocketAddr, bytes: &[u8]) -> Result<(), Dropped> {
    let received = Instant::now();
    let routes = shared.read();
    let line = routes.find(source, bytes)?;
    let destination = shared.local_for(source).ok_or(Dropped::UnknownSource)?;
    let datagram = Datagram {
        source,
        destination,
        received,
        bytes: bytes.into(),
    };
    line.try_send(datagram).map_err(|_| Dropped::Full)
}

/// An IPv4 peer of an IPv6 socket as the IPv4 address it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if is_mapped(ip) => (ip.to_canonical(), address.port()).into(),
        _ => address,
    }
}

fn is_mapped(ip: Ipv6Addr) -> bool {
    ip.to_ipv4_mapped().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("address")
    }

    fn routes(lines: &[u64]) -> Routes {
        let mut routes = Routes::default();
        for line in lines {
            routes.lines.insert(*line, mpsc::channel(1).0);
        }
        routes
    }

    fn line_of(routes: &Routes, source: SocketAddr, bytes: &[u8]) -> Option<u64> {
        let found = routes.find(source, bytes).ok()?;
        let same = |(_, sender): &(&u64, &mpsc::Sender<Datagram>)| sender.same_channel(found);
        routes.lines.iter().find(same).map(|(line, _)| *line)
    }

    const RTP: [u8; 12] = [0x80; 12];

    #[test]
    fn media_goes_only_where_the_source_has_proven_itself() {
        let mut routes = routes(&[1, 2]);
        let (peer, other) = (address("192.0.2.1:5000"), address("192.0.2.1:5001"));
        routes.ask(peer, 1);
        assert_eq!(line_of(&routes, peer, &RTP), None, "asking proves nothing");
        routes.prove(peer, 1);
        routes.prove(other, 2);
        assert_eq!(line_of(&routes, peer, &RTP), Some(1));
        assert_eq!(line_of(&routes, other, &RTP), Some(2));
    }

    #[test]
    fn a_call_cannot_ask_its_way_to_the_address_of_another() {
        let mut routes = routes(&[1, 2]);
        let peer = address("192.0.2.1:5000");
        routes.ask(peer, 1);
        routes.ask(peer, 2);
        assert_eq!(routes.asked.get(&peer), Some(&1));
    }

    #[test]
    fn a_line_leaves_nothing_behind_and_owns_a_bounded_number_of_addresses() {
        let mut routes = routes(&[1]);
        routes.users.insert("abcd".into(), 1);
        for port in 1..1000 {
            routes.prove(SocketAddr::from(([192, 0, 2, 1], port)), 1);
            routes.ask(SocketAddr::from(([192, 0, 2, 2], port)), 1);
        }
        assert_eq!(routes.proven.len(), MAX_ADDRESSES);
        assert_eq!(routes.asked.len(), MAX_ADDRESSES);
        routes.forget(1);
        assert!(routes.lines.is_empty() && routes.users.is_empty());
        assert!(routes.proven.is_empty() && routes.asked.is_empty());
    }

    #[test]
    fn mapped_addresses_are_seen_as_what_they_are() {
        assert_eq!(canonical(address("[::ffff:192.0.2.1]:9")), address("192.0.2.1:9"));
        assert_eq!(canonical(address("[2001:db8::1]:9")), address("[2001:db8::1]:9"));
    }

    #[tokio::test]
    async fn garbage_reaches_no_call() {
        let port = Port::on_loopback();
        let mut line = port.line();
        line.claim("abcd");
        for bytes in [&[][..], &[0], &[0, 1, 0, 0], &[0xff; 40], &RTP] {
            assert!(deliver(&port.shared, address("127.0.0.1:9"), bytes).is_err());
        }
        assert!(line.datagrams.try_recv().is_err());
        drop(line);
        assert_eq!(port.lines(), 0);
    }
}
