//! What can be wrong with a packet, and where.

use std::fmt;

use thiserror::Error;

use crate::{MAX_DATAGRAM, MAX_INDEX, MAX_NESTING, MAX_ROOM_ID, MAX_VOICE_SAMPLES, SEALED_MARK};

/// A key of the base packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `r`, the room id.
    Room,
    /// `d`, the voice.
    Voice,
    /// `i`, the index.
    Index,
}

impl Field {
    /// The key as it stands in the packet.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Room => "r",
            Self::Voice => "d",
            Self::Index => "i",
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Room => "a string",
            Self::Voice => "binary data",
            Self::Index => "an unsigned integer",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.key())
    }
}

/// The part of a packet that was being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The map itself, before its first key.
    Map,
    /// A key.
    Key,
    /// The value of a key that VDP knows.
    Field(Field),
    /// The value of a key that is skipped.
    Unknown,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map => formatter.write_str("the map"),
            Self::Key => formatter.write_str("a key"),
            Self::Field(field) => write!(formatter, "the value of {field}"),
            Self::Unknown => formatter.write_str("the value of an unknown key"),
        }
    }
}

/// The MessagePack type that stood where another was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// Nil.
    Nil,
    /// A boolean.
    Boolean,
    /// An integer.
    Integer,
    /// A floating-point number.
    Float,
    /// A string.
    String,
    /// Binary data.
    Binary,
    /// An array.
    Array,
    /// A map.
    Map,
    /// An extension type.
    Extension,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nil => "nil",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Float => "a floating-point number",
            Self::String => "a string",
            Self::Binary => "binary data",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Extension => "an extension type",
        })
    }
}

/// Why a datagram is no base packet. All of these are the sender's fault; the packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The datagram is longer than [`MAX_DATAGRAM`].
    #[error("the datagram has {length} bytes, more than {MAX_DATAGRAM}")]
    TooLarge {
        /// Bytes of the datagram.
        length: usize,
    },
    /// The first byte marks the sealed form.
    #[error("the packet is sealed (first byte {SEALED_MARK:#04x})")]
    Sealed,
    /// The outermost value is no map.
    #[error("the packet is {found}, not a map")]
    NotAMap {
        /// What it is.
        found: Found,
    },
    /// The datagram ends early.
    #[error("the packet ends within {place}")]
    Truncated {
        /// What was being read.
        place: Place,
    },
    /// A byte 0xC1 stands where a value should begin.
    #[error("{place} begins with the reserved byte 0xc1")]
    ReservedByte {
        /// What was being read.
        place: Place,
    },
    /// Values are nested more than [`MAX_NESTING`] deep.
    #[error("{place} is nested more than {MAX_NESTING} deep")]
    TooDeep {
        /// What was being read.
        place: Place,
    },
    /// Bytes follow the map.
    #[error("bytes follow the map")]
    Trailing,
    /// A key is missing.
    #[error("the key {field} is missing")]
    Missing {
        /// The key.
        field: Field,
    },
    /// A key is there twice.
    #[error("the key {field} is there more than once")]
    Duplicate {
        /// The key.
        field: Field,
    },
    /// A value has the wrong type.
    #[error("{field} is {found}, not {}", field.expected())]
    WrongType {
        /// The key.
        field: Field,
        /// The type of its value.
        found: Found,
    },
    /// The room id is no UTF-8.
    #[error("`r` is no UTF-8 from byte {valid_up_to} on")]
    RoomNotUtf8 {
        /// Bytes before the first wrong one.
        valid_up_to: usize,
    },
    /// The room id is empty.
    #[error("`r` is empty")]
    RoomEmpty,
    /// The room id is longer than [`MAX_ROOM_ID`].
    #[error("`r` has {length} bytes, more than {MAX_ROOM_ID}")]
    RoomTooLong {
        /// Bytes of the room id.
        length: usize,
    },
    /// The index is below zero.
    #[error("`i` is {value}, below zero")]
    IndexNegative {
        /// The index.
        value: i64,
    },
    /// The index is above [`MAX_INDEX`].
    #[error("`i` is {value}, more than {MAX_INDEX}")]
    IndexTooLarge {
        /// The index.
        value: u64,
    },
    /// The voice is no Opus packet: a packet of arbitrarily many frames with no frame or without its count.
    #[error("`d` is no Opus packet: its first byte promises a count of frames that is missing or zero")]
    VoiceMalformed,
    /// The voice lasts longer than [`MAX_VOICE_SAMPLES`].
    #[error("`d` lasts {samples} samples at 48 kHz, more than {MAX_VOICE_SAMPLES}")]
    VoiceTooLong {
        /// Its duration in samples at 48 kHz.
        samples: u32,
    },
}

/// Why a packet cannot be encoded. Nothing of use is in the buffer then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The room id is empty.
    #[error("the room id is empty")]
    RoomEmpty,
    /// The room id is longer than [`MAX_ROOM_ID`].
    #[error("the room id has {length} bytes, more than {MAX_ROOM_ID}")]
    RoomTooLong {
        /// Bytes of the room id.
        length: usize,
    },
    /// The index is above [`MAX_INDEX`].
    #[error("the index is {value}, more than {MAX_INDEX}")]
    IndexTooLarge {
        /// The index.
        value: u64,
    },
    /// The voice is no Opus packet.
    #[error("the voice is no Opus packet: its first byte promises a count of frames that is missing or zero")]
    VoiceMalformed,
    /// The voice lasts longer than [`MAX_VOICE_SAMPLES`].
    #[error("the voice lasts {samples} samples at 48 kHz, more than {MAX_VOICE_SAMPLES}")]
    VoiceTooLong {
        /// Its duration in samples at 48 kHz.
        samples: u32,
    },
    /// The packet would be longer than [`MAX_DATAGRAM`].
    #[error("the packet would have {length} bytes, more than {MAX_DATAGRAM}")]
    TooLarge {
        /// Bytes of the packet.
        length: usize,
    },
    /// The buffer is too small.
    #[error("the packet has {needed} bytes, the buffer {available}")]
    BufferTooSmall {
        /// Bytes of the packet.
        needed: usize,
        /// Bytes of the buffer.
        available: usize,
    },
}
