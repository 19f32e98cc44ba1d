//! Reads every datagram there may be, and says of each bad one what is wrong with it.

use std::fmt;

use rmp_serde::decode::{Error as ReadError, ReadRefReader};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Parts;
use crate::marks::read_level;
use crate::{DecodeError, Field, Found, MAX_NESTING, Marks, Place, SEALED_MARK, Speakers};

/// Reads the one map of a datagram.
///
/// Kept out of line, where it does not take registers from the common case.
#[cold]
#[inline(never)]
pub(super) fn read(datagram: &[u8]) -> Result<(Parts<'_>, Marks), DecodeError> {
    if datagram.first() == Some(&SEALED_MARK) {
        return Err(DecodeError::Sealed);
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(datagram);
    // The reader refuses the level at which its count reaches zero.
    deserializer.set_max_depth(MAX_NESTING + 1);
    let mut place = Place::Map;
    if !begins_map(datagram) {
        let value = Value::deserialize(&mut deserializer).map_err(|error| structural(&error, place))?;
        return Err(DecodeError::NotAMap { found: value.found() });
    }
    let (parts, marks) = deserializer
        .deserialize_map(PacketVisitor { place: &mut place })
        .map_err(|error| structural(&error, place))?;
    expect_end(&mut deserializer)?;
    Ok((parts?, marks))
}

fn begins_map(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0x80..=0x8f | 0xde | 0xdf))
}

fn structural(error: &ReadError, place: Place) -> DecodeError {
    match error {
        ReadError::DepthLimitExceeded => DecodeError::TooDeep { place },
        ReadError::TypeMismatch(_) => DecodeError::ReservedByte { place },
        // The visitors below refuse nothing themselves, so what is left is a read past the end.
        _ => DecodeError::Truncated { place },
    }
}

/// The reader does not say how much it has left; that it finds no further first byte does. A number is asked for,
/// since that is the one kind of value of which the reader looks at no second first byte.
fn expect_end(deserializer: &mut rmp_serde::Deserializer<ReadRefReader<'_, [u8]>>) -> Result<(), DecodeError> {
    match deserializer.deserialize_u8(ValueVisitor) {
        Err(ReadError::InvalidMarkerRead(_)) => Ok(()),
        Ok(_) | Err(_) => Err(DecodeError::Trailing),
    }
}

/// Reads the packet's map to its end. A fault in a field is carried in the value, since only a fault in the
/// structure may stop the reader.
struct PacketVisitor<'p> {
    place: &'p mut Place,
}

impl<'de> Visitor<'de> for PacketVisitor<'_> {
    type Value = (Result<Parts<'de>, DecodeError>, Marks);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the map of a packet")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut parts, mut marks) = (Ok(Parts::default()), Marks::NONE);
        loop {
            *self.place = Place::Key;
            let Some(key) = map.next_key::<Value<'de>>()? else {
                return Ok((parts, marks));
            };
            if let Some(field) = key.as_field() {
                *self.place = Place::Field(field);
                let value = map.next_value()?;
                parts = parts.and_then(|parts| parts.with(field, value));
            } else {
                *self.place = Place::Unknown;
                let value = map.next_value()?;
                marks.note(&key, value);
            }
        }
    }
}

impl Marks {
    /// Takes an extension key, the last one where it is there more than once; what makes no sense counts as absent.
    fn note(&mut self, key: &Value<'_>, value: Value<'_>) {
        match key {
            Value::String("s") => self.speakers = value.unsigned().and_then(Speakers::from_bits),
            Value::String("v") => self.level = value.unsigned().and_then(read_level),
            _ => {}
        }
    }
}

impl<'a> Parts<'a> {
    fn with(mut self, field: Field, value: Value<'a>) -> Result<Self, DecodeError> {
        let duplicate = match field {
            Field::Room => self.room.replace(value.into_room()?).is_some(),
            Field::Voice => self.voice.replace(value.into_voice()?).is_some(),
            Field::Index => self.index.replace(value.into_index()?).is_some(),
        };
        if duplicate {
            Err(DecodeError::Duplicate { field })
        } else {
            Ok(self)
        }
    }
}

/// Any MessagePack value. Of those that no known key can have, only the type is kept.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Unsigned(u64),
    Negative(i64),
    String(&'a str),
    /// Binary data, or a string that is no UTF-8: the reader does not tell them apart.
    Bytes(&'a [u8]),
    Other(Found),
}

impl<'a> Value<'a> {
    /// Keys are strings; one of any other type is as unknown as any other word.
    fn as_field(&self) -> Option<Field> {
        let Self::String(key) = *self else {
            return None;
        };
        [Field::Room, Field::Voice, Field::Index]
            .into_iter()
            .find(|field| field.key() == key)
    }

    const fn unsigned(self) -> Option<u64> {
        match self {
            Self::Unsigned(value) => Some(value),
            _ => None,
        }
    }

    fn found(self) -> Found {
        match self {
            Self::Unsigned(_) | Self::Negative(_) => Found::Integer,
            Self::String(_) => Found::String,
            Self::Bytes(_) => Found::Binary,
            Self::Other(found) => found,
        }
    }

    fn is_not(self, field: Field) -> DecodeError {
        DecodeError::WrongType {
            field,
            found: self.found(),
        }
    }

    fn into_room(self) -> Result<&'a str, DecodeError> {
        match self {
            Self::String(room) => Ok(room),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(_) => Err(self.is_not(Field::Room)),
                Err(error) => Err(DecodeError::RoomNotUtf8 {
                    valid_up_to: error.valid_up_to(),
                }),
            },
            Self::Unsigned(_) | Self::Negative(_) | Self::Other(_) => Err(self.is_not(Field::Room)),
        }
    }

    /// Strings are accepted, since encoders of MessagePack's first version have no binary type and write a
    /// string that need not be UTF-8. Packets are never written so.
    fn into_voice(self) -> Result<&'a [u8], DecodeError> {
        match self {
            Self::Bytes(voice) => Ok(voice),
            Self::String(voice) => Ok(voice.as_bytes()),
            Self::Unsigned(_) | Self::Negative(_) | Self::Other(_) => Err(self.is_not(Field::Voice)),
        }
    }

    fn into_index(self) -> Result<u64, DecodeError> {
        match self {
            Self::Unsigned(index) => Ok(index),
            Self::Negative(value) => Err(DecodeError::IndexNegative { value }),
            Self::String(_) | Self::Bytes(_) | Self::Other(_) => Err(self.is_not(Field::Index)),
        }
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Takes whatever comes, and skips what is within arrays, maps and extension types.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Other(Found::Nil))
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(Value::Other(Found::Boolean))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(value).map_or(Value::Negative(value), Value::Unsigned))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(Value::Other(Found::Float))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(value))
    }

    fn visit_borrowed_bytes<E>(self, value: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Value::Bytes(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Value::Other(Found::Array))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Value::Other(Found::Map))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Self::Value, D::Error> {
        IgnoredAny.visit_newtype_struct(extension)?;
        Ok(Value::Other(Found::Extension))
    }
}
