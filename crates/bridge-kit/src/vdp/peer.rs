//! The far end of a link.

use std::net::SocketAddr;

use vdp_proto::sealed::{Opener, Sealer};

/// The far end of a link, and how packets to and from it look.
#[derive(Debug)]
pub enum Peer {
    /// The plain form: packets go to this address and are heard from nowhere else.
    Plain(SocketAddr),
    /// The sealed form: what opens is heard, from wherever it comes.
    Sealed(Box<SealedPeer>),
}

/// The far end of a sealed link.
#[derive(Debug)]
pub struct SealedPeer {
    /// Where the peer is until it shows that it moved.
    pub address: SocketAddr,
    /// The channel in the header of its packets.
    pub channel: u64,
    /// What packets to it are sealed with.
    pub sealer: Sealer,
    /// What packets from it are opened with.
    pub opener: Opener,
}

impl From<SealedPeer> for Peer {
    fn from(peer: SealedPeer) -> Self {
        Self::Sealed(Box::new(peer))
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Plain(address)
    }
}
