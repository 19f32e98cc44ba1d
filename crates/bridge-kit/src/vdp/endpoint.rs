//! The UDP end of VDP as the rest of a bridge holds it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::attention::Attention;
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
    /// Binds the shared port, to be listened to on a thread of its own. Links have to be opened within a tokio runtime.
    pub fn bind(config: &Vdp) -> Result<Self, BindError> {
        Self::attended(config, Attention::on_a_thread())
    }

    /// The same, but listens within a runtime that is there already.
    pub fn bind_within(config: &Vdp, runtime: &Handle) -> Result<Self, BindError> {
        Self::attended(config, Ok(Attention::within(runtime.clone())))
    }

    fn attended(config: &Vdp, attention: io::Result<Attention>) -> Result<Self, BindError> {
        let ports = attention.and_then(|attention| Ports::bind(config, attention));
        let ports = ports.map_err(|source| BindError {
            address: config.listen,
            source,
        })?;
        Ok(Self { ports: Arc::new(ports) })
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
