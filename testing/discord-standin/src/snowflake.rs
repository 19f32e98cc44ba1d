//! Discord's ids.

use std::{
    fmt,
    num::ParseIntError,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A snowflake: 64 bits that Discord writes as a string and reads as a string or an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Snowflake(pub(crate) u64);

/// Gives out ids, each once.
#[derive(Debug)]
pub(crate) struct Ids(AtomicU64);

impl Ids {
    /// A new id.
    pub(crate) fn fresh(&self) -> Snowflake {
        Snowflake(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for Ids {
    /// Ids above those that are always the same.
    fn default() -> Self {
        Self(AtomicU64::new(1_100_000_000_000_001_001))
    }
}

impl fmt::Display for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Snowflake {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Snowflake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SnowflakeVisitor)
    }
}

struct SnowflakeVisitor;

impl de::Visitor<'_> for SnowflakeVisitor {
    type Value = Snowflake;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake as a string or an unsigned integer")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Snowflake, E> {
        Ok(Snowflake(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Snowflake, E> {
        value.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_and_integers_and_writes_strings() {
        let from_text: Snowflake = serde_json::from_str("\"1100000000000000001\"").unwrap();
        let from_integer: Snowflake = serde_json::from_str("1100000000000000001").unwrap();
        assert_eq!(from_text, from_integer);
        assert_eq!(serde_json::to_string(&from_text).unwrap(), "\"1100000000000000001\"");
        assert!(serde_json::from_str::<Snowflake>("-1").is_err());
        assert!(serde_json::from_str::<Snowflake>("\"x\"").is_err());
    }
}
