//! The UDP end of VDP as the rest of a bridge holds it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::drops::Drops;
use super::ports::{BindError, Ports, ReserveError};
use super::reservation::Reservation;
use crate::config::Vdp;

/// The UDP end of VDP. Clones share it; the last drop frees its port once no channel uses it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    ports: Arc<Ports>,
}

impl Endpoint {
    /// Binds the shared port. This, and all that opens links, has to be called within a tokio runtime.
    pub fn bind(config: &Vdp) -> Result<Self, BindError> {
        Self::listening(config, Ports::bind)
    }

    /// The same without anything that listens: what arrives waits for [`attend`](Self::attend).
    pub fn bind_unattended(config: &Vdp) -> Result<Self, BindError> {
        Self::listening(config, Ports::bind_unattended)
    }

    fn listening(config: &Vdp, bind: impl FnOnce(&Vdp) -> io::Result<Ports>) -> Result<Self, BindError> {
        let ports = bind(config).map_err(|source| BindError {
            address: config.listen,
            source,
        })?;
        Ok(Self { ports: Arc::new(ports) })
    }

    /// Takes in what has arrived on the shared port, where nothing else listens to it.
    pub fn attend(&self) {
        self.ports.shared().attend();
    }

    /// The shared port at the advertised address.
    pub fn address(&self) -> SocketAddr {
        self.ports.advertised(self.ports.shared())
    }

    /// What was dropped so far, on all ports.
    pub fn drops(&self) -> Drops {
        self.ports.drops()
    }

    /// Chooses the port on which the voice of a room is to arrive in the plain form: the shared one, unless the room uses it or did so
    /// within the last minute. Then another, so that what is under way to the old one has no effect on the new.
    pub fn reserve(&self, room: &str) -> Result<Reservation, ReserveError> {
        Reservation::new(&self.ports, room)
    }

    /// The same for the sealed form, in which the shared port carries all: packets of another epoch do not open.
    pub fn reserve_sealed(&self, room: &str) -> Result<Reservation, ReserveError> {
        Reservation::shared(&self.ports, room)
    }
}
