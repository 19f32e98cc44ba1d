//! The one module that sees MessagePack.
//!
//! What our bridges write, and what any encoder makes of the three keys alone, is written and read by hand, which takes
//! a third of the instructions that a general reader takes. That reader is still there for everything else: further
//! keys, wider types, and whatever is wrong. Both read the same packet out of a datagram, as the tests below hold.

mod any;
mod common;
mod marked;
mod write;

use crate::{DecodeError, Marks};

pub(crate) use write::{add_marks, encoded_len, marks_len, write};

/// The values of the known keys, each of the right type but not yet within its limits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) room: Option<&'a str>,
    pub(crate) voice: Option<&'a [u8]>,
    pub(crate) index: Option<u64>,
}

/// Reads the one map of a datagram.
pub(crate) fn read(datagram: &[u8]) -> Result<Parts<'_>, DecodeError> {
    match common::read(datagram) {
        Some(parts) => Ok(parts),
        None => read_base(datagram),
    }
}

/// Whether a datagram begins as those that have no extension keys.
pub(crate) fn is_map_of_three(datagram: &[u8]) -> bool {
    datagram.first() == Some(&0x83)
}

/// Reads a datagram that may have extension keys, and those as far as they make sense.
///
/// Kept out of line like the next, where they do not take registers from the common case.
#[inline(never)]
pub(crate) fn read_marked(datagram: &[u8]) -> Result<(Parts<'_>, Marks), DecodeError> {
    match marked::read(datagram) {
        Some(read) => Ok(read),
        None => any::read(datagram),
    }
}

#[cold]
#[inline(never)]
fn read_base(datagram: &[u8]) -> Result<Parts<'_>, DecodeError> {
    read_marked(datagram).map(|(parts, _)| parts)
}

#[cfg(test)]
mod tests;
