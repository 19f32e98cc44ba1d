//! The ports of an endpoint, and which room may use which.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use vdp_proto::MAX_ROOM_ID;

use super::drops::{DropCounts, Drops};
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

/// A shared port, and further ones for rooms that must keep off it.
#[derive(Debug)]
pub(super) struct Ports {
    config: Vdp,
    drops: Arc<DropCounts>,
    shared: Arc<Port>,
    further: Mutex<Further>,
}

/// The ports beside the shared one, and who used which.
#[derive(Debug, Default)]
struct Further {
    ports: Vec<Weak<Port>>,
    quarantine: Quarantine,
}

impl Ports {
    /// Binds the shared port.
    pub(super) fn bind(config: &Vdp) -> io::Result<Self> {
        Self::beside(config, Port::bind)
    }

    /// Binds the shared port, and lets nothing listen to it.
    pub(super) fn bind_unattended(config: &Vdp) -> io::Result<Self> {
        Self::beside(config, Port::bind_unattended)
    }

    fn beside(config: &Vdp, bind: impl FnOnce(SocketAddr, Arc<DropCounts>) -> io::Result<Port>) -> io::Result<Self> {
        let drops = Arc::new(DropCounts::new());
        let shared = bind(config.listen, Arc::clone(&drops))?;
        Ok(Self {
            config: config.clone(),
            drops,
            shared: Arc::new(shared),
            further: Mutex::default(),
        })
    }

    /// How they are set.
    pub(super) const fn config(&self) -> &Vdp {
        &self.config
    }

    /// The port that channels share.
    pub(super) fn shared(&self) -> &Port {
        &self.shared
    }

    /// What was dropped so far, on all of them.
    pub(super) fn drops(&self) -> Drops {
        self.drops.snapshot()
    }

    /// The shared port, to be kept: in the sealed form it carries every room, in every epoch.
    pub(super) fn share(&self, room: &str) -> Result<Arc<Port>, ReserveError> {
        check_room(room)?;
        Ok(Arc::clone(&self.shared))
    }

    /// Where a peer is told to send to reach a port.
    pub(super) fn advertised(&self, port: &Port) -> SocketAddr {
        SocketAddr::new(self.config.advertise, port.number())
    }

    /// Chooses a port for a room, and reserves it there.
    pub(super) fn choose(&self, room: &str) -> Result<Arc<Port>, ReserveError> {
        check_room(room)?;
        let mut further = self.further();
        further.ports.retain(|port| port.strong_count() > 0);
        match self.usable_port(&further, room) {
            Some(port) => Ok(port),
            None => self.bind_further(&mut further, room),
        }
    }

    /// Ends [`Ports::choose`]; the room keeps off the port for a while.
    pub(super) fn give_back(&self, room: &str, port: &Port) {
        self.further().quarantine.put(room, port.number(), Instant::now());
        port.release(room);
    }

    /// A port that is bound already, now reserved for the room.
    fn usable_port(&self, further: &Further, room: &str) -> Option<Arc<Port>> {
        let now = Instant::now();
        let bound = further.ports.iter().filter_map(Weak::upgrade);
        std::iter::once(Arc::clone(&self.shared))
            .chain(bound)
            .find(|port| further.quarantine.allows(room, port.number(), now) && port.reserve(room))
    }

    fn bind_further(&self, further: &mut Further, room: &str) -> Result<Arc<Port>, ReserveError> {
        let now = Instant::now();
        let mut last_error = None;
        // Ports that the room may not use are held until the end, or the system would offer them again.
        let mut unusable = Vec::new();
        for number in self.candidates() {
            if !further.quarantine.allows(room, number, now) {
                continue;
            }
            let address = SocketAddr::new(self.config.listen.ip(), number);
            match Port::bind(address, Arc::clone(&self.drops)) {
                Ok(port) if further.quarantine.allows(room, port.number(), now) => {
                    let port = Arc::new(port);
                    port.reserve(room);
                    further.ports.push(Arc::downgrade(&port));
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
        match &self.config.port_range {
            Some(range) => Box::new(range.clone()),
            None => Box::new(std::iter::repeat_n(0, ATTEMPTS)),
        }
    }

    fn further(&self) -> MutexGuard<'_, Further> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_room(room: &str) -> Result<(), ReserveError> {
    if room.is_empty() || room.len() > MAX_ROOM_ID {
        return Err(ReserveError::RoomId { length: room.len() });
    }
    Ok(())
}
