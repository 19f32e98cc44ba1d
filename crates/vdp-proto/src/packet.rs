//! The base packet: what it means and what it may hold.

use crate::voice::{self, VoiceFault};
use crate::wire::{self, Parts};
use crate::{DecodeError, EncodeError, Field, MAX_DATAGRAM, MAX_INDEX, MAX_ROOM_ID, Marks};

/// A base packet, `{"r": room id, "d": voice, "i": index}`, borrowing what it holds (requirement S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packet<'a> {
    /// `r`: the Matrix room whose voice this is; 1 to [`MAX_ROOM_ID`] bytes. By it receivers tell rooms apart.
    pub room: &'a str,
    /// `d`: one Opus packet at 48 kHz of at most 120 ms, or nothing: then the packet is a keep-alive.
    pub voice: &'a [u8],
    /// `i`: counts the packets of this room in this direction, from 0 at the start of the epoch; at most
    /// [`MAX_INDEX`].
    pub index: u64,
}

impl<'a> Packet<'a> {
    /// Whether this packet only says that its sender is there.
    pub const fn is_keep_alive(&self) -> bool {
        self.voice.is_empty()
    }

    /// Bytes of the encoded packet.
    pub const fn encoded_len(&self) -> usize {
        wire::encoded_len(self)
    }

    /// Bytes of the encoded packet with these extension keys.
    pub const fn encoded_len_with(&self, marks: Marks) -> usize {
        wire::encoded_len(self) + wire::marks_len(marks)
    }

    /// Writes the packet to the start of `buffer` and gives back its length in bytes.
    #[inline]
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        self.check()?;
        let available = buffer.len();
        let datagram = buffer.get_mut(..MAX_DATAGRAM.min(available)).unwrap_or_default();
        wire::write(self, datagram).ok_or_else(|| self.does_not_fit(Marks::NONE, available))
    }

    /// The same with extension keys, for a peer that has agreed on them.
    pub fn encode_with(&self, marks: Marks, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let length = self.encode(buffer)?;
        if marks == Marks::NONE {
            return Ok(length);
        }
        let available = buffer.len();
        let datagram = buffer.get_mut(..MAX_DATAGRAM.min(available)).unwrap_or_default();
        wire::add_marks(marks, datagram, length).ok_or_else(|| self.does_not_fit(marks, available))
    }

    #[cold]
    #[inline(never)]
    const fn does_not_fit(&self, marks: Marks, available: usize) -> EncodeError {
        match self.encoded_len_with(marks) {
            length if length > MAX_DATAGRAM => EncodeError::TooLarge { length },
            needed => EncodeError::BufferTooSmall { needed, available },
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        match self.room.len() {
            0 => return Err(EncodeError::RoomEmpty),
            length if length > MAX_ROOM_ID => return Err(EncodeError::RoomTooLong { length }),
            _ => {}
        }
        if self.index > MAX_INDEX {
            return Err(EncodeError::IndexTooLarge { value: self.index });
        }
        voice::check(self.voice).map_err(|fault| match fault {
            VoiceFault::Malformed => EncodeError::VoiceMalformed,
            VoiceFault::TooLong { samples } => EncodeError::VoiceTooLong { samples },
        })
    }

    /// Reads a packet from a whole datagram.
    ///
    /// Keys may come in any order, unknown ones are skipped, integers may have any width. Of several faults, one in
    /// the structure is reported first, then the first wrong key or type, then what is missing or breaks a limit.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(DecodeError::TooLarge { length: datagram.len() });
        }
        Self::of(wire::read(datagram)?)
    }

    /// The same with the extension keys, which count only where both ends have agreed on them.
    pub fn decode_with_marks(datagram: &'a [u8]) -> Result<(Self, Marks), DecodeError> {
        // A map of three has no room for more than the three keys.
        if wire::is_map_of_three(datagram) || datagram.len() > MAX_DATAGRAM {
            return Ok((Self::decode(datagram)?, Marks::NONE));
        }
        let (parts, marks) = wire::read_marked(datagram)?;
        Ok((Self::of(parts)?, marks))
    }

    #[inline]
    fn of(Parts { room, voice, index }: Parts<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            room: checked_room(room.ok_or(DecodeError::Missing { field: Field::Room })?)?,
            voice: checked_voice(voice.ok_or(DecodeError::Missing { field: Field::Voice })?)?,
            index: checked_index(index.ok_or(DecodeError::Missing { field: Field::Index })?)?,
        })
    }
}

fn checked_room(room: &str) -> Result<&str, DecodeError> {
    match room.len() {
        0 => Err(DecodeError::RoomEmpty),
        length if length > MAX_ROOM_ID => Err(DecodeError::RoomTooLong { length }),
        _ => Ok(room),
    }
}

fn checked_voice(voice: &[u8]) -> Result<&[u8], DecodeError> {
    match voice::check(voice) {
        Ok(()) => Ok(voice),
        Err(VoiceFault::Malformed) => Err(DecodeError::VoiceMalformed),
        Err(VoiceFault::TooLong { samples }) => Err(DecodeError::VoiceTooLong { samples }),
    }
}

const fn checked_index(index: u64) -> Result<u64, DecodeError> {
    if index > MAX_INDEX {
        return Err(DecodeError::IndexTooLarge { value: index });
    }
    Ok(index)
}
