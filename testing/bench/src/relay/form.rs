//! How packets look on both sides of the relay.

use anyhow::{Context as _, Result};
use bridge_kit::vdp::{Peer, SealedPeer};
use std::net::SocketAddr;
use vdp_proto::sealed::{Aead, Opener, Role, Sealer, ShareSecret};

/// A form of VDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In clear.
    Plain,
    /// Under AES-256-GCM.
    Sealed,
}

impl Form {
    pub(super) const ALL: [Self; 2] = [Self::Plain, Self::Sealed];

    /// What the command line, tables and goals call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sealed => "sealed",
        }
    }

    /// The far end of a link, for whoever plays this role in it.
    pub(super) fn peer(self, role: Role, channel: u64, address: SocketAddr) -> Result<Peer> {
        Ok(match self {
            Self::Plain => address.into(),
            Self::Sealed => {
                let (sealer, opener) = ends(role, channel)?;
                let peer = SealedPeer {
                    address,
                    channel,
                    sealer,
                    opener,
                };
                peer.into()
            }
        })
    }
}

/// What seals and opens the packets of a channel for one of its ends. Everybody knows the keys.
pub(super) fn ends(role: Role, channel: u64) -> Result<(Sealer, Opener)> {
    let secret = |byte| ShareSecret::from_random([byte; 32]);
    let (own, peer) = match role {
        Role::Asking => (1, 2),
        Role::Answering => (2, 1),
    };
    let keys = secret(own).agree(&secret(peer).share(), &[3; 32], b"").ok();
    Ok(keys.context("a weak share")?.into_ends(role, Aead::Aes256Gcm, channel))
}
