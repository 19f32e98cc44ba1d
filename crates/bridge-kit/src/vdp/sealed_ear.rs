//! What opens sealed packets before a link hears them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use vdp_proto::sealed::{Opened, Opener};

use super::drops::{DropCounts, Reason};
use super::ear::Ear;
use super::peer_path::PeerPath;

/// Opens the packets of a sealed link and hands them on.
#[derive(Debug)]
pub(super) struct SealedEar {
    room: Box<str>,
    opener: Mutex<Opener>,
    path: Arc<PeerPath>,
    ear: Arc<Ear>,
}

impl SealedEar {
    pub(super) fn new(room: &str, opener: Opener, path: Arc<PeerPath>, ear: Arc<Ear>) -> Self {
        Self {
            room: room.into(),
            opener: Mutex::new(opener),
            path,
            ear,
        }
    }

    /// Takes a datagram that claims to be for this link, from whoever sent it.
    pub(super) fn hear(&self, datagram: &mut [u8], from: SocketAddr, now: Instant, drops: &DropCounts) {
        // Only the task of the port locks this, and nothing panics meanwhile.
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        let (packet, marks, newest) = match opener.open(datagram) {
            Ok(Opened { packet, marks, newest }) => (packet, marks, newest),
            Err(error) => return drops.add(error.into(), &error, now),
        };
        if packet.room != &*self.room {
            return drops.add(Reason::WrongRoom, &from, now);
        }
        self.path.heard(now, from, newest, packet.is_keep_alive());
        self.ear.hear(&packet, marks, now, drops);
    }

    /// The half that hears, if the peer is at this address: ICMP says that something did not arrive there.
    pub(super) fn of_peer(&self, address: SocketAddr) -> Option<&Ear> {
        let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
        (self.path.address() == canonical).then_some(&*self.ear)
    }
}
