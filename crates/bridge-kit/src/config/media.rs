//! `[media]`

use std::num::NonZeroUsize;

use serde::{Deserialize, Deserializer, de};

/// How voice is worked on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Threads that decode, mix and encode. A room lives on one of them.
    pub threads: NonZeroUsize,
    /// The share of a thread's work of the last 5 s that may come more than 10 ms late while new channels are still taken
    /// on; 100 takes them on whatever comes.
    #[serde(deserialize_with = "percent")]
    pub most_late_percent: u8,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN.saturating_add(1),
            most_late_percent: 20,
        }
    }
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let percent = u64::deserialize(deserializer)?;
    u8::try_from(percent)
        .ok()
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| de::Error::custom(format!("{percent} is no percentage; write a number from 0 to 100")))
}
