//! What Discord's send path accepts: one Opus packet of 20 ms, wrapped for songbird's DCA reader.

use voice_media::opus::{Mode, Packet, Toc};
use voice_media::{FRAME_SAMPLES, MAX_OPUS};

/// What stands before the first packet of a DCA1 stream: the magic, the length of the metadata, and the metadata that
/// the reader insists on (none of it changes how packets are treated).
pub(crate) const DCA_HEADER: &[u8] = concat_header();

const DCA_METADATA: &[u8] = br#"{"dca":{"version":1,"tool":{"name":"vdp","version":"1"}},"opus":{"mode":"voip","sample_rate":48000,"frame_size":960,"vbr":true,"channels":2}}"#;
const DCA_HEADER_LEN: usize = 8 + DCA_METADATA.len();

const fn concat_header() -> &'static [u8] {
    const HEADER: [u8; DCA_HEADER_LEN] = {
        let mut header = [0; DCA_HEADER_LEN];
        let (magic, rest) = header.split_at_mut(4);
        magic.copy_from_slice(b"DCA1");
        let (length, json) = rest.split_at_mut(4);
        #[expect(clippy::cast_possible_truncation, reason = "the metadata has some hundred bytes")]
        length.copy_from_slice(&(DCA_METADATA.len() as u32).to_le_bytes());
        json.copy_from_slice(DCA_METADATA);
        header
    };
    &HEADER
}

/// Why a packet cannot go to Discord as it is.
///
/// The engine gives no such packets. One that got through would do lasting harm: the fourth that is not 20 ms, and the
/// first that reaches the end of songbird's buffer, makes songbird decode and encode the track for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Longer than any single Opus frame.
    TooLong,
    /// Not 20 ms, or not an Opus packet.
    NotOneTick,
}

/// Checks that a packet lasts exactly one tick and fits.
pub(crate) fn check(opus: &[u8]) -> Result<Packet<'_>, Unfit> {
    if opus.len() > MAX_OPUS {
        return Err(Unfit::TooLong);
    }
    let packet = Packet::parse(opus).map_err(|_| Unfit::NotOneTick)?;
    if packet.samples() == FRAME_SAMPLES {
        Ok(packet)
    } else {
        Err(Unfit::NotOneTick)
    }
}

/// The one-byte packet that makes a decoder conceal exactly one tick, in the mode of the packet before it.
///
/// A packet that is only a table of contents holds one empty frame, and an empty frame is decoded as a lost one (RFC 6716
/// §3.2.1). The frame length in the byte is set to 20 ms, for the packet before may have been two of 10 ms.
pub(crate) fn concealment(toc: u8) -> u8 {
    let before = Toc::new(toc);
    let config = before.config();
    let one_tick = match before.mode() {
        Mode::Silk => (config & !0b11) | 0b01,
        Mode::Hybrid => config | 0b01,
        Mode::Celt => config | 0b11,
    };
    let stereo = if before.is_stereo() { 0b100 } else { 0 };
    (one_tick << 3) | stereo
}

#[cfg(test)]
mod tests {
    use voice_media::opus::SILENCE;

    use super::*;

    #[test]
    fn only_whole_ticks_are_fit() {
        let celt_20 = 31 << 3;
        let celt_10 = 30 << 3;
        let silk_20 = 9 << 3;
        let silk_60 = 11 << 3;
        let hybrid_10 = 12 << 3;
        let cases: [(&str, Vec<u8>, Option<Unfit>); 10] = [
            ("nothing", vec![], Some(Unfit::NotOneTick)),
            ("celt 20 ms", vec![celt_20, 1, 2], None),
            ("silence", SILENCE.to_vec(), None),
            ("celt 10 ms", vec![celt_10, 1], Some(Unfit::NotOneTick)),
            ("celt 2 x 10 ms", vec![celt_10 | 1, 1, 2], None),
            ("silk 20 ms", vec![silk_20, 1], None),
            ("silk 60 ms", vec![silk_60, 1], Some(Unfit::NotOneTick)),
            ("hybrid 2 x 10 ms", vec![hybrid_10 | 2, 1, 1, 2], None),
            ("code 3 of no frames", vec![celt_20 | 3, 0], Some(Unfit::NotOneTick)),
            ("too long", vec![celt_20; MAX_OPUS + 1], Some(Unfit::TooLong)),
        ];
        for (name, packet, expected) in cases {
            assert_eq!(check(&packet).err(), expected, "{name}");
        }
    }

    #[test]
    fn every_concealment_is_one_tick_in_the_same_mode() {
        for toc in 0..=u8::MAX {
            let concealed = concealment(toc);
            assert_eq!(
                Packet::parse(&[concealed]).unwrap().samples(),
                FRAME_SAMPLES,
                "of {toc:#x}"
            );
            let (before, after) = (Toc::new(toc), Toc::new(concealed));
            assert_eq!(
                (after.mode(), after.is_stereo()),
                (before.mode(), before.is_stereo()),
                "of {toc:#x}"
            );
            let bandwidth = |toc: Toc| {
                if toc.mode() == Mode::Hybrid {
                    toc.config() >> 1
                } else {
                    toc.config() >> 2
                }
            };
            assert_eq!(bandwidth(after), bandwidth(before), "of {toc:#x}");
        }
    }

    #[test]
    fn a_packet_that_is_20_ms_already_keeps_its_byte() {
        for config in [1, 5, 9, 13, 15, 19, 23, 27, 31] {
            let toc = (config << 3) | 0b101;
            assert_eq!(concealment(toc), toc & 0xfc);
        }
    }

    #[test]
    fn the_header_says_how_long_its_metadata_is() {
        let (magic, rest) = DCA_HEADER.split_at(4);
        let (length, json) = rest.split_at(4);
        assert_eq!(magic, b"DCA1");
        assert_eq!(u32::from_le_bytes(length.try_into().unwrap()) as usize, json.len());
        serde_json::from_slice::<serde_json::Value>(json).unwrap();
    }
}
