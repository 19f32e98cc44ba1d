//! Between WebRTC and the call of a room.

use std::sync::Arc;

use bridge_kit::media::{InPacket, MediaSource, OutPacket, PacketSink};
use tokio::sync::mpsc;

use super::{Ear, HeardPacket, SpokenPacket, metrics};

/// Packets that may wait for a connection: what is later than this is of no use to anybody.
const QUEUE: usize = 32;

/// One peer's voice, into the room.
pub(crate) struct IntoRoom(pub(crate) Arc<MediaSource>);

impl Ear for IntoRoom {
    fn hear(&mut self, packet: HeardPacket<'_>) {
        self.0.push(&packet.into());
    }
}

impl<'a> From<HeardPacket<'a>> for InPacket<'a> {
    fn from(packet: HeardPacket<'a>) -> Self {
        Self {
            opus: packet.opus,
            sequence: packet.sequence,
            media_time: Some(packet.media_time),
            level: packet.level,
            marks: None,
            received: packet.received,
        }
    }
}

/// The room's voice, to the peer.
pub(crate) struct OutOfRoom(mpsc::Sender<SpokenPacket>);

impl OutOfRoom {
    /// A sink, and what comes out of it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<SpokenPacket>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }
}

impl PacketSink for OutOfRoom {
    fn send(&mut self, packet: &OutPacket<'_>) {
        let packet = SpokenPacket {
            opus: packet.opus.into(),
            sequence: packet.sequence,
            media_time: packet.media_time,
            marker: packet.marker,
            level: packet.level,
        };
        if self.0.try_send(packet).is_err() {
            metrics::unheard();
        }
    }
}
