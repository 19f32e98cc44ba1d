//! The first byte of a packet.

/// Which coder made the frames of a packet (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Linear prediction only: speech up to wideband.
    Silk,
    /// Linear prediction below 8 kHz, transform above.
    Hybrid,
    /// Transform only: music, and speech at high rates.
    Celt,
}

/// Table of contents: the first byte of a packet (RFC 6716 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Toc(u8);

impl Toc {
    /// The table of contents that this byte is; every byte is one.
    pub const fn new(byte: u8) -> Self {
        Self(byte)
    }

    /// The byte with another frame count code `c`, of which two bits count.
    pub(super) const fn with_code(self, code: u8) -> u8 {
        self.0 & 0xFC | code & 0x03
    }

    /// Configuration number, 0 to 31 (RFC 6716 table 2).
    pub const fn config(self) -> u8 {
        self.0 >> 3
    }

    /// Which coder made the frames.
    pub const fn mode(self) -> Mode {
        match self.config() {
            0..=11 => Mode::Silk,
            12..=15 => Mode::Hybrid,
            _ => Mode::Celt,
        }
    }

    /// Whether the frames hold two channels.
    pub const fn is_stereo(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// How long each frame lasts, in samples at 48 kHz: 120 (2.5 ms) to 2,880 (60 ms).
    pub const fn frame_samples(self) -> u32 {
        match (self.mode(), self.config() % 4) {
            (Mode::Silk, 0) | (Mode::Hybrid, 0 | 2) => 480,
            (Mode::Silk, 1) | (Mode::Hybrid, _) => 960,
            (Mode::Silk, 2) => 1_920,
            (Mode::Silk, _) => 2_880,
            (Mode::Celt, size) => 120 << size,
        }
    }

    /// Frame count code `c`, 0 to 3 (RFC 6716 §3.2).
    pub(super) const fn code(self) -> u8 {
        self.0 & 0x03
    }

    /// Whether frames under both tables may share a packet: equal but for the frame count code.
    pub const fn agrees_with(self, other: Self) -> bool {
        self.0 & 0xFC == other.0 & 0xFC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_all_configurations() {
        // RFC 6716 table 2, row by row, in tenths of a millisecond.
        let silk = [100, 200, 400, 600];
        let celt = [25, 50, 100, 200];
        let expected = silk
            .repeat(3)
            .into_iter()
            .chain([100, 200].repeat(2))
            .chain(celt.repeat(4));
        for (config, tenths) in (0_u8..32).zip(expected) {
            assert_eq!(
                Toc::new(config << 3).frame_samples(),
                tenths * 48 / 10,
                "config {config}"
            );
        }
    }

    #[test]
    fn bits_of_the_byte() {
        let toc = Toc::new(0b1111_1110);
        assert_eq!((toc.config(), toc.is_stereo(), toc.code()), (31, true, 2));
        assert_eq!(Toc::new(0b0110_0000).mode(), Mode::Hybrid);
        assert!(toc.agrees_with(Toc::new(0b1111_1101)));
        assert!(!toc.agrees_with(Toc::new(0b1111_1010)));
    }
}
