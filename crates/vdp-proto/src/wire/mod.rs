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

pub(crate) use write::{encoded_len, marks_len, write, write_with};

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

/// The same with the extension keys, as far as they make sense.
pub(crate) fn read_with_marks(datagram: &[u8]) -> Result<(Parts<'_>, Marks), DecodeError> {
    match common::read(datagram) {
        Some(parts) => Ok((parts, Marks::NONE)),
        None => read_others(datagram),
    }
}

/// Reads what is no base packet alone. Both are kept out of line, where they do not take registers from the common case.
#[inline(never)]
fn read_others(datagram: &[u8]) -> Result<(Parts<'_>, Marks), DecodeError> {
    match marked::read(datagram) {
        Some(read) => Ok(read),
        None => any::read(datagram),
    }
}

#[cold]
#[inline(never)]
fn read_base(datagram: &[u8]) -> Result<Parts<'_>, DecodeError> {
    read_others(datagram).map(|(parts, _)| parts)
}

#[cfg(test)]
mod tests;
