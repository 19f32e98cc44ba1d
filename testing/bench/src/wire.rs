//! How voice looks on the way to what is measured, and back.

use std::collections::HashMap;
use std::net::SocketAddr;
use vdp_proto::{MAX_DATAGRAM, Packet};

/// Bytes of an RTP header without extensions.
const RTP_HEADER: usize = 12;

/// The payload type of Opus.
pub const PAYLOAD_TYPE: u8 = 111;

/// A protocol that carries voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// The plain form of VDP.
    Vdp,
    /// RTP in clear.
    Rtp,
}

/// What a datagram holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voice<'a> {
    /// Number of the room.
    pub room: usize,
    /// Counts the packets of the stream.
    pub sequence: u64,
    /// When it is to be played, in samples at 48 kHz, where the protocol tells.
    pub media_time: Option<u32>,
    /// The Opus packet; empty if there is none.
    pub opus: &'a [u8],
}

/// The id of a room, as long as Matrix makes them: 32 bytes.
pub fn room_id(room: usize) -> String {
    format!("!room{room:06}abcdefg:bench.example")
}

/// The number in the id of a room.
fn room_number(id: &str) -> Option<usize> {
    id.get(5..11)?.parse().ok()
}

/// A stream of one sender for one room.
#[derive(Debug)]
pub struct Stream {
    wire: Wire,
    room: usize,
    id: String,
    next: u64,
}

impl Stream {
    /// A stream that has not begun.
    pub fn new(wire: Wire, room: usize) -> Self {
        Self {
            wire,
            room,
            id: room_id(room),
            next: 0,
        }
    }

    /// What it speaks.
    pub const fn wire(&self) -> Wire {
        self.wire
    }

    /// Writes the next packet and returns its length.
    pub fn write(&mut self, opus: &[u8], datagram: &mut [u8; MAX_DATAGRAM]) -> usize {
        let index = self.next;
        self.next += 1;
        self.write_as(index, opus, datagram)
    }

    /// Writes the packet with this number and returns its length.
    pub fn write_as(&self, index: u64, opus: &[u8], datagram: &mut [u8; MAX_DATAGRAM]) -> usize {
        match self.wire {
            Wire::Vdp => {
                let packet = Packet {
                    room: &self.id,
                    voice: opus,
                    index,
                };
                packet.encode(datagram).unwrap_or(0)
            }
            Wire::Rtp => write_rtp(index, self.room, opus, datagram),
        }
    }
}

fn write_rtp(index: u64, room: usize, opus: &[u8], datagram: &mut [u8; MAX_DATAGRAM]) -> usize {
    let [.., high, low] = index.to_be_bytes();
    let time = u32::try_from(index * 960 % (1 << 32)).unwrap_or_default().to_be_bytes();
    let source = u32::try_from(room + 1).unwrap_or_default().to_be_bytes();
    let header = [0x80, PAYLOAD_TYPE, high, low].into_iter().chain(time).chain(source);
    let bytes = header.chain(opus.iter().copied());
    datagram
        .iter_mut()
        .zip(bytes)
        .map(|(place, byte)| *place = byte)
        .count()
}

/// Reads what arrives at one socket.
#[derive(Debug, Default)]
pub struct Reader {
    /// Which room it is that a sender of RTP sends for.
    pub rooms: HashMap<SocketAddr, usize>,
}

impl Reader {
    /// Reads a datagram; `None` if it is nothing that was expected here.
    pub fn read<'a>(&self, wire: Wire, datagram: &'a [u8], from: SocketAddr) -> Option<Voice<'a>> {
        match wire {
            Wire::Vdp => {
                let packet = Packet::decode(datagram).ok()?;
                Some(Voice {
                    room: room_number(packet.room)?,
                    sequence: packet.index,
                    media_time: None,
                    opus: packet.voice,
                })
            }
            Wire::Rtp => {
                let (header, opus) = datagram.split_at_checked(RTP_HEADER)?;
                let number = |range| -> Option<&[u8]> { header.get(range) };
                Some(Voice {
                    room: *self.rooms.get(&from)?,
                    sequence: u64::from(u16::from_be_bytes(number(2..4)?.try_into().ok()?)),
                    media_time: Some(u32::from_be_bytes(number(4..8)?.try_into().ok()?)),
                    opus,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let from = SocketAddr::from(([127, 0, 0, 1], 7));
        let mut reader = Reader::default();
        reader.rooms.insert(from, 321);
        for wire in [Wire::Vdp, Wire::Rtp] {
            let mut stream = Stream::new(wire, 321);
            let mut datagram = [0; MAX_DATAGRAM];
            stream.write(&[0xf8, 1, 2], &mut datagram);
            let length = stream.write_as(2, &[0xf8, 3], &mut datagram);
            let voice = reader.read(wire, &datagram[..length], from).unwrap();
            assert_eq!((voice.room, voice.sequence, voice.opus), (321, 2, &[0xf8, 3][..]));
            assert_eq!(voice.media_time, (wire == Wire::Rtp).then_some(1_920));
        }
        assert_eq!(room_id(5).len(), 32);
    }
}
