//! Between a WebRTC connection and the call of the room.

use std::sync::Arc;

use bridge_kit::media::{InPacket, MediaSource, OutPacket, PacketSink};
use tokio::sync::mpsc;

use super::metrics;
use crate::webrtc::{Ear, HeardPacket, SpokenPacket};

/// Packets that may wait for a connection: what is later than this is of no use to anybody.
const QUEUE: usize = 32;

/// The caller's voice, into the room.
pub(super) struct IntoRoom(pub(super) Arc<MediaSource>);

impl Ear for IntoRoom {
    fn hear(&mut self, packet: HeardPacket<'_>) {
        self.0.push(&InPacket {
            opus: packet.opus,
            sequence: packet.sequence,
            media_time: Some(packet.media_time),
            level: packet.level,
            received: packet.received,
        });
    }
}

/// The room's voice, to the caller.
pub(super) struct OutOfRoom(mpsc::Sender<SpokenPacket>);

impl OutOfRoom {
    pub(super) fn new() -> (Self, mpsc::Receiver<SpokenPacket>) {
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
