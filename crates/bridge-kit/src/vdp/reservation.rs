//! A port that was chosen for a room.

use std::net::SocketAddr;
use std::sync::Arc;

use signalling::Extensions;

use super::port::Port;
use super::ports::{Ports, ReserveError};
use crate::config::Vdp;

/// A port that was chosen for a room. What arrives there for the room is dropped until it is opened.
#[derive(Debug)]
pub struct Reservation {
    ports: Arc<Ports>,
    port: Arc<Port>,
    room: Box<str>,
    /// Whether the port was taken for the room, as the plain form needs it.
    taken: bool,
    extensions: Extensions,
}

impl Reservation {
    pub(super) fn new(ports: &Arc<Ports>, room: &str) -> Result<Self, ReserveError> {
        Ok(Self {
            port: ports.choose(room)?,
            ports: Arc::clone(ports),
            room: room.into(),
            taken: true,
            extensions: Extensions::NONE,
        })
    }

    pub(super) fn shared(ports: &Arc<Ports>, room: &str) -> Result<Self, ReserveError> {
        Ok(Self {
            port: ports.share(room)?,
            ports: Arc::clone(ports),
            room: room.into(),
            taken: false,
            extensions: Extensions::NONE,
        })
    }

    /// The address to put into the offer or the accept.
    pub fn address(&self) -> SocketAddr {
        self.ports.advertised(&self.port)
    }

    /// The room.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// The same, for a peer that has agreed on these further keys of packets.
    #[must_use]
    pub const fn extended(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }

    pub(super) const fn extensions(&self) -> Extensions {
        self.extensions
    }

    pub(super) fn port(&self) -> &Port {
        &self.port
    }

    pub(super) fn config(&self) -> &Vdp {
        self.ports.config()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.taken {
            self.ports.give_back(&self.room, &self.port);
        }
    }
}
