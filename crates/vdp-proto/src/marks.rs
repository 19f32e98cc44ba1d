//! What a packet says of its voice beside it: the extension keys.

use crate::{MAX_LEVEL, MAX_SPEAKERS};

/// The extension keys of a packet, for peers that agreed on them in signalling; others skip them.
///
/// They are hints: a key that is wrong or beyond its limits counts as absent, and is never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// `s`: who speaks in this packet, as far as they have ids.
    pub speakers: Option<Speakers>,
    /// `v`: how loud it is, −dBov (RFC 6464), 0 to [`MAX_LEVEL`]; what is above is written as that.
    pub level: Option<u8>,
}

impl Marks {
    /// None of the keys.
    pub const NONE: Self = Self {
        speakers: None,
        level: None,
    };
}

/// Ids of speakers, from 0 to [`MAX_SPEAKERS`] − 1: each is the bit of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Speakers(u64);

impl Speakers {
    /// Takes bits; none where one stands for no id.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits >> MAX_SPEAKERS == 0 {
            Some(Self(bits))
        } else {
            None
        }
    }

    /// The bits, as they stand in the packet.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// The level as it is written.
pub(crate) const fn written_level(level: u8) -> u8 {
    if level > MAX_LEVEL { MAX_LEVEL } else { level }
}

/// A level that was read; none where it is beyond the limit.
pub(crate) fn read_level(value: u64) -> Option<u8> {
    u8::try_from(value).ok().filter(|level| *level <= MAX_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_63_ids() {
        let all = (1 << MAX_SPEAKERS) - 1;
        assert_eq!(
            Speakers::from_bits(all).map(Speakers::bits),
            Some(0x7fff_ffff_ffff_ffff)
        );
        assert_eq!(Speakers::from_bits(1 << MAX_SPEAKERS), None);
    }

    #[test]
    fn levels_end_at_127() {
        assert_eq!(read_level(127), Some(127));
        assert_eq!(read_level(128), None);
        assert_eq!(read_level(u64::MAX), None);
        assert_eq!(written_level(128), 127);
    }
}
