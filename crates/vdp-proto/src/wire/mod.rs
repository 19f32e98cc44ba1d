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

pub(crate) use write::{encoded_len, write};

/// The values of the known keys, each of the right type but not yet within its limits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    pub(crate) room: Option<&'a str>,
    pub(crate) voice: Option<&'a [u8]>,
    pub(crate) index: Option<u64>,
    /// The extension keys, as far as they make sense.
    pub(crate) marks: Marks,
}

/// Reads the one map of a datagram.
pub(crate) fn read(datagram: &[u8]) -> Result<Parts<'_>, DecodeError> {
    match common::read(datagram).or_else(|| marked::read(datagram)) {
        Some(parts) => Ok(parts),
        None => any::read(datagram),
    }
}

#[cfg(test)]
mod tests;
