//! WebRTC: one UDP port for all callers, one [`Connection`] for each.
//!
//! Nothing here knows what signals a call: a connection answers offers or makes them, takes candidates,
//! and carries voice both ways as RTP (sequence, media time and level as they are on the wire).

mod arrivals;
mod candidates;
mod config;
mod connection;
#[cfg(test)]
mod cost_tests;
mod departures;
#[cfg(test)]
mod forwarding_tests;
mod inlets;
mod metrics;
mod negotiation;
mod notes;
mod port;
mod profile;
mod room;
mod sdp;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use bridge_kit::media::Reception;
use tokio::sync::{mpsc, watch};

pub use self::config::WebRtc;
pub use self::connection::{Connection, ConnectionEvent, Failure};
pub use self::negotiation::{DescriptionError, LocalDescription};
pub use self::port::{Port, PortError};
pub(crate) use self::room::{IntoRoom, OutOfRoom};

/// One Opus packet that the peer sent.
#[derive(Debug, Clone, Copy)]
pub struct HeardPacket<'a> {
    /// The id that the peer gives to the track in its description; empty if it gives none.
    pub track: &'a str,
    /// The packet as it was on the wire.
    pub opus: &'a [u8],
    /// Extended RTP sequence number, rising across a change of SSRC; a gap is loss.
    pub sequence: u64,
    /// Extended RTP timestamp, 48 kHz.
    pub media_time: u64,
    /// Audio level (RFC 6464): 0 is loudest, 127 silent; absent where the peer sends none.
    pub level: Option<u8>,
    /// When the datagram was read from the socket.
    pub received: Instant,
}

/// One Opus packet for the peer.
#[derive(Debug, Clone)]
pub struct SpokenPacket {
    /// The packet as it goes on the wire.
    pub opus: Arc<[u8]>,
    /// Its number in the stream; a gap is loss, which the receiver gets to see.
    pub sequence: u64,
    /// Its place on the stream's timeline, 48 kHz.
    pub media_time: u64,
    /// Whether it is the first after silence.
    pub marker: bool,
    /// The speaker's own audio level (RFC 6464), where one came with the packet.
    pub level: Option<u8>,
}

/// Our voice, on its way to a peer.
#[derive(Debug)]
pub struct Spoken {
    /// The packets, one after the other.
    pub packets: mpsc::Receiver<SpokenPacket>,
    /// Told how the peer takes them in.
    pub reception: watch::Sender<Reception>,
}

impl From<mpsc::Receiver<SpokenPacket>> for Spoken {
    /// Packets of somebody who does not care how they are taken in.
    fn from(packets: mpsc::Receiver<SpokenPacket>) -> Self {
        Self {
            packets,
            reception: watch::Sender::default(),
        }
    }
}

/// What takes the peer's voice. Called on the call's task; must not block.
pub trait Ear: Send {
    /// Takes one packet.
    fn hear(&mut self, packet: HeardPacket<'_>);
}
