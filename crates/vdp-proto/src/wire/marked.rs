//! Reads packets with extension keys as our bridges write them: `s`, `v` or both after the three keys.

use super::Parts;
use super::common::Rest;
use crate::marks::read_level;
use crate::{Marks, Speakers};

/// Reads a datagram; `None` if it is of another kind, or something is wrong with it.
pub(super) fn read(datagram: &[u8]) -> Option<(Parts<'_>, Marks)> {
    let (head, rest) = datagram.split_first()?;
    let both = match head {
        0x84 => false,
        0x85 => true,
        _ => return None,
    };
    let mut rest = Rest(rest);
    rest.expect([0xa1, b'r'])?;
    let room = rest.string()?;
    rest.expect([0xa1, b'd'])?;
    let voice = rest.binary()?;
    rest.expect([0xa1, b'i'])?;
    let index = rest.unsigned()?;
    let mut marks = Marks::NONE;
    if both || rest.0.starts_with(b"\xa1s") {
        rest.expect([0xa1, b's'])?;
        marks.speakers = Some(Speakers::from_bits(rest.unsigned()?)?);
    }
    if marks.speakers.is_none() || both {
        rest.expect([0xa1, b'v'])?;
        marks.level = Some(read_level(rest.unsigned()?)?);
    }
    rest.0.is_empty().then_some(())?;
    let parts = Parts {
        room: Some(std::str::from_utf8(room).ok()?),
        voice: Some(voice),
        index: Some(index),
    };
    Some((parts, marks))
}
