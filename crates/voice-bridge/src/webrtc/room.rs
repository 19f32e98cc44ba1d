//! Between WebRTC and the call of a room.

use std::sync::Arc;

use bridge_kit::media::{InPacket, MediaSource, OutPacket, PacketSink, Reception};
use tokio::sync::{mpsc, watch};

use super::{Ear, HeardPacket, Spoken, SpokenPacket, metrics};

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
pub(crate) struct OutOfRoom {
    packets: mpsc::Sender<SpokenPacket>,
    marks: watch::Sender<u64>,
    reception: watch::Receiver<Reception>,
}

impl OutOfRoom {
    /// A sink, what comes out of it, and what the last packet of that was marked with.
    pub(crate) fn new() -> (Self, Spoken, watch::Receiver<u64>) {
        let (packets, spoken) = mpsc::channel(QUEUE);
        let (marks, marked) = watch::channel(0);
        let spoken = Spoken::from(spoken);
        let reception = spoken.reception.subscribe();
        let sink = Self {
            packets,
            marks,
            reception,
        };
        (sink, spoken, marked)
    }
}

impl PacketSink for OutOfRoom {
    fn send(&mut self, packet: &OutPacket<'_>) {
        self.marks
            .send_if_modified(|marks| std::mem::replace(marks, packet.marks) != packet.marks);
        let packet = SpokenPacket {
            opus: packet.opus.into(),
            sequence: packet.sequence,
            media_time: packet.media_time,
            marker: packet.marker,
            level: packet.level,
        };
        if self.packets.try_send(packet).is_err() {
            metrics::unheard();
        }
    }

    fn reception(&mut self) -> Option<Reception> {
        // Whoever told may be gone; what he said last stands.
        let changed = self.reception.has_changed().unwrap_or(false);
        changed.then(|| *self.reception.borrow_and_update())
    }
}
