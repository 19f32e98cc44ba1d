//! Writes packets: the keys in the order `r`, `d`, `i`, then `s` and `v` where they are wanted, each length and integer in its shortest form.

use crate::marks::written_level;
use crate::{Marks, Packet};

/// Writes a packet within its limits and gives back its length; `None` if `buffer` is too small.
#[inline]
pub(crate) fn write(packet: &Packet<'_>, buffer: &mut [u8]) -> Option<usize> {
    let available = buffer.len();
    let rest = write_room(buffer, packet.room.as_bytes())?;
    let rest = write_voice(rest, packet.voice)?;
    let rest = write_index(rest, packet.index)?;
    Some(available - rest.len())
}

/// Adds extension keys to a packet of this length and gives back the length with them; `None` if `buffer` is too small.
pub(crate) fn add_marks(marks: Marks, buffer: &mut [u8], length: usize) -> Option<usize> {
    let available = buffer.len();
    let (base, mut rest) = buffer.split_at_mut_checked(length)?;
    let head = base.first_mut()?;
    if let Some(speakers) = marks.speakers {
        *head += 1;
        rest = write_mark(rest, b's', speakers.bits())?;
    }
    if let Some(level) = marks.level {
        *head += 1;
        rest = write_mark(rest, b'v', written_level(level).into())?;
    }
    Some(available - rest.len())
}

/// Bytes that [`add_marks`] adds.
pub(crate) const fn marks_len(marks: Marks) -> usize {
    let speakers = match marks.speakers {
        Some(speakers) => 2 + unsigned_len(speakers.bits()),
        None => 0,
    };
    let level = if marks.level.is_some() { 3 } else { 0 };
    speakers + level
}

/// Bytes that [`write`] writes.
pub(crate) const fn encoded_len(packet: &Packet<'_>) -> usize {
    const MAP_AND_KEYS: usize = 1 + 3 * 2;
    let room = match packet.room.len() {
        length @ 0..=31 => 1 + length,
        length @ 32..=0xff => 2 + length,
        length => 3 + length,
    };
    let voice = match packet.voice.len() {
        length @ 0..=0xff => 2 + length,
        length => 3 + length,
    };
    MAP_AND_KEYS + room + voice + unsigned_len(packet.index)
}

const fn unsigned_len(value: u64) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// The head of the map with it.
fn write_room<'b>(buffer: &'b mut [u8], room: &[u8]) -> Option<&'b mut [u8]> {
    // No room id is longer than that.
    let length = u8::try_from(room.len()).ok()?;
    let rest = match length {
        0..=31 => put(buffer, [0x83, 0xa1, b'r', 0xa0 | length]),
        _ => put(buffer, [0x83, 0xa1, b'r', 0xd9, length]),
    };
    copy(rest?, room)
}

fn write_voice<'b>(buffer: &'b mut [u8], voice: &[u8]) -> Option<&'b mut [u8]> {
    let rest = if let Ok(length) = u8::try_from(voice.len()) {
        put(buffer, [0xa1, b'd', 0xc4, length])?
    } else {
        let length = u16::try_from(voice.len()).ok()?;
        put(put(buffer, [0xa1, b'd', 0xc5])?, length.to_be_bytes())?
    };
    copy(rest, voice)
}

fn write_index(buffer: &mut [u8], index: u64) -> Option<&mut [u8]> {
    if let Ok(index) = u8::try_from(index) {
        match index {
            0..=0x7f => put(buffer, [0xa1, b'i', index]),
            _ => put(buffer, [0xa1, b'i', 0xcc, index]),
        }
    } else if let Ok(index) = u16::try_from(index) {
        put(put(buffer, [0xa1, b'i', 0xcd])?, index.to_be_bytes())
    } else if let Ok(index) = u32::try_from(index) {
        put(put(buffer, [0xa1, b'i', 0xce])?, index.to_be_bytes())
    } else {
        put(put(buffer, [0xa1, b'i', 0xcf])?, index.to_be_bytes())
    }
}

/// The same for an extension key, apart from the path of base packets.
fn write_mark(buffer: &mut [u8], key: u8, value: u64) -> Option<&mut [u8]> {
    let rest = put(buffer, [0xa1, key])?;
    if let Ok(value) = u8::try_from(value) {
        match value {
            0..=0x7f => put(rest, [value]),
            _ => put(rest, [0xcc, value]),
        }
    } else if let Ok(value) = u16::try_from(value) {
        put(put(rest, [0xcd])?, value.to_be_bytes())
    } else if let Ok(value) = u32::try_from(value) {
        put(put(rest, [0xce])?, value.to_be_bytes())
    } else {
        put(put(rest, [0xcf])?, value.to_be_bytes())
    }
}

/// Writes these bytes and gives back the rest of the buffer.
fn put<const N: usize>(buffer: &mut [u8], bytes: [u8; N]) -> Option<&mut [u8]> {
    let (start, rest) = buffer.split_first_chunk_mut()?;
    *start = bytes;
    Some(rest)
}

fn copy<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> Option<&'b mut [u8]> {
    let (start, rest) = buffer.split_at_mut_checked(bytes.len())?;
    start.copy_from_slice(bytes);
    Some(rest)
}
