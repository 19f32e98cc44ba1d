//! The sockets of VDP, and which room uses which.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::mpsc;
use vdp_proto::{MAX_ROOM_ID, Taken};

use super::drops::{DropCounts, Drops};
use super::link::{Link, LinkEvent, Receive};
use super::port::Port;
use super::quarantine::Quarantine;
use crate::config::Vdp;

/// How often the system is asked for a free port until it gives one that the room may use.
const ATTEMPTS: usize = 8;

/// Why an endpoint cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for VDP on UDP {address}")]
pub struct BindError {
    /// The configured address, `vdp.listen`.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Why no port can be had for a room.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    /// The room id is empty or longer than VDP can carry.
    #[error("VDP carries room ids of 1 to {MAX_ROOM_ID} bytes, not {length}")]
    RoomId {
        /// Its length in bytes.
        length: usize,
    },
    /// Every port that the room may use is taken.
    #[error("no UDP port is free for another channel of this room")]
    NoPort(#[source] Option<io::Error>),
}

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

/// The UDP end of VDP. Clones share it; the last drop frees its port once no channel uses it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Vdp,
    drops: Arc<DropCounts>,
    shared: Arc<Port>,
    ports: Mutex<Ports>,
}

/// The ports beside the shared one, and who used which.
#[derive(Debug, Default)]
struct Ports {
    further: Vec<Weak<Port>>,
    quarantine: Quarantine,
}

impl Endpoint {
    /// Binds the shared port. Must be called within a tokio runtime.
    pub fn bind(config: &Vdp) -> Result<Self, BindError> {
        let drops = Arc::new(DropCounts::new());
        let shared = Port::bind(config.listen, Arc::clone(&drops)).map_err(|source| BindError {
            address: config.listen,
            source,
        })?;
        let inner = Inner {
            config: config.clone(),
            drops,
            shared: Arc::new(shared),
            ports: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The shared port at the advertised address.
    pub fn address(&self) -> SocketAddr {
        self.advertised(&self.inner.shared)
    }

    /// What was dropped so far, on all ports.
    pub fn drops(&self) -> Drops {
        self.inner.drops.snapshot()
    }

    /// Chooses the port on which the voice of a room is to arrive: the shared one, unless the room uses it or did so
    /// within the last minute. Then another, so that what is under way to the old one has no effect on the new.
    pub fn reserve(&self, room: &str) -> Result<Reservation, ReserveError> {
        if room.is_empty() || room.len() > MAX_ROOM_ID {
            return Err(ReserveError::RoomId { length: room.len() });
        }
        let mut ports = self.ports();
        ports.further.retain(|port| port.strong_count() > 0);
        let port = match self.usable_port(&ports, room) {
            Some(port) => port,
            None => self.bind_further(&mut ports, room)?,
        };
        drop(ports);
        Ok(Reservation {
            endpoint: self.clone(),
            port,
            room: room.into(),
        })
    }

    /// A port that is bound already, now reserved for the room.
    fn usable_port(&self, ports: &Ports, room: &str) -> Option<Arc<Port>> {
        let now = Instant::now();
        let further = ports.further.iter().filter_map(Weak::upgrade);
        std::iter::once(Arc::clone(&self.inner.shared))
            .chain(further)
            .find(|port| ports.quarantine.allows(room, port.number(), now) && port.reserve(room))
    }

    fn bind_further(&self, ports: &mut Ports, room: &str) -> Result<Arc<Port>, ReserveError> {
        let now = Instant::now();
        let mut last_error = None;
        // Ports that the room may not use are held until the end, or the system would offer them again.
        let mut unusable = Vec::new();
        for number in self.candidates() {
            if !ports.quarantine.allows(room, number, now) {
                continue;
            }
            let address = SocketAddr::new(self.inner.config.listen.ip(), number);
            match Port::bind(address, Arc::clone(&self.inner.drops)) {
                Ok(port) if ports.quarantine.allows(room, port.number(), now) => {
                    let port = Arc::new(port);
                    port.reserve(room);
                    ports.further.push(Arc::downgrade(&port));
                    return Ok(port);
                }
                Ok(port) => unusable.push(port),
                Err(error) => last_error = Some(error),
            }
        }
        Err(ReserveError::NoPort(last_error))
    }

    /// Port numbers to try: the configured range, or a few times any that the system has.
    fn candidates(&self) -> Box<dyn Iterator<Item = u16> + Send> {
        match &self.inner.config.port_range {
            Some(range) => Box::new(range.clone()),
            None => Box::new(std::iter::repeat_n(0, ATTEMPTS)),
        }
    }

    fn advertised(&self, port: &Port) -> SocketAddr {
        SocketAddr::new(self.inner.config.advertise, port.number())
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.inner.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port that was chosen for a room. What arrives there for the room is dropped until it is opened.
#[derive(Debug)]
pub struct Reservation {
    endpoint: Endpoint,
    port: Arc<Port>,
    room: Box<str>,
}

impl Reservation {
    /// The address to put into the offer or the accept.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.advertised(&self.port)
    }

    /// The room.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// Exchanges packets with `peer` from now on, and with nobody else: what arrives goes to `receiver`, what is to
    /// leave is given to the link. [`Reservation::open`] is the same for a room's media.
    pub fn connect(
        self,
        peer: SocketAddr,
        receiver: Box<dyn Receive>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Link, OpenError> {
        Link::open(self, peer, receiver, events)
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    pub(super) fn config(&self) -> &Vdp {
        &self.endpoint.inner.config
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.endpoint
            .ports()
            .quarantine
            .put(&self.room, self.port.number(), Instant::now());
        self.port.release(&self.room);
    }
}
