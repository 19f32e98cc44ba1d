//! Who hears what comes over a channel.

use std::ops::RangeInclusive;

/// What a limit of bits a second may be: what Opus can be coded with (RFC 6716, section 2.1.1).
pub const BITRATES: RangeInclusive<u32> = 6_000..=510_000;

/// For whom one side takes in the other side's voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Audience {
    /// Whether anybody listens. Where nobody does, nothing has to be made or sent for that side.
    pub listening: bool,
    /// Bits a second that what is mixed for that side should have at most, where it has such a limit.
    pub bitrate: Option<u32>,
}

impl Audience {
    /// What counts as long as nothing was said: somebody listens, without a limit.
    pub const UNKNOWN: Self = Self {
        listening: true,
        bitrate: None,
    };

    /// The same audience with a limit, which is brought to what Opus can be coded with.
    #[must_use]
    pub fn within(self, bitrate: u32) -> Self {
        Self {
            bitrate: Some(bitrate.clamp(*BITRATES.start(), *BITRATES.end())),
            ..self
        }
    }
}

impl Default for Audience {
    fn default() -> Self {
        Self::UNKNOWN
    }
}
