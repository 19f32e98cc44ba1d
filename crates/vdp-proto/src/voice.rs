//! How long an Opus packet lasts, from its first bytes (RFC 6716, section 3.1 and 3.2).

use crate::MAX_VOICE_SAMPLES;

/// What is wrong with the voice of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VoiceFault {
    Malformed,
    TooLong { samples: u32 },
}

/// Checks that `voice` is empty (a keep-alive) or lasts at most 120 ms.
///
/// Nothing more of the Opus packet is looked at: frames are the decoder's to judge.
pub(crate) fn check(voice: &[u8]) -> Result<(), VoiceFault> {
    let Some((&toc, rest)) = voice.split_first() else {
        return Ok(());
    };
    // One frame or two: of at most 60 ms each.
    if toc & 0b11 < 3 {
        return Ok(());
    }
    let frames = match rest.first() {
        Some(count) if count & 0x3f > 0 => u32::from(count & 0x3f),
        _ => return Err(VoiceFault::Malformed),
    };
    match frames * frame_samples(toc) {
        samples if samples > MAX_VOICE_SAMPLES => Err(VoiceFault::TooLong { samples }),
        _ => Ok(()),
    }
}

/// Samples at 48 kHz of one frame, by the configuration number in the upper five bits (RFC 6716, table 2).
const fn frame_samples(toc: u8) -> u32 {
    match toc >> 3 {
        // SILK and hybrid: 10, 20, 40 or 60 ms, and 10 or 20 ms.
        config @ 0..=11 => match config & 0b11 {
            0 => 480,
            1 => 960,
            2 => 1_920,
            _ => 2_880,
        },
        config @ 12..=15 => 480 << (config & 1),
        // CELT: 2.5, 5, 10 or 20 ms.
        config => 120 << (config & 0b11),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_last_as_table_2_of_rfc_6716_says() {
        let tenths_of_milliseconds = [
            100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400, 600, // SILK
            100, 200, 100, 200, // hybrid
            25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200, // CELT
        ];
        for (config, tenths) in (0_u8..).zip(tenths_of_milliseconds) {
            assert_eq!(frame_samples(config << 3) * 10, tenths * 48, "configuration {config}");
        }
    }

    #[test]
    fn voice_up_to_120_ms_passes() {
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[0xf8, 0xff, 0xfe]), Ok(()));
        assert_eq!(check(&[31 << 3 | 3, 6]), Ok(()), "six frames of 20 ms");
        assert_eq!(check(&[3 << 3 | 1, 0]), Ok(()), "two frames of 60 ms");
        assert_eq!(check(&[16 << 3 | 3, 48]), Ok(()), "48 frames of 2.5 ms");
    }

    #[test]
    fn longer_voice_is_too_long() {
        assert_eq!(check(&[31 << 3 | 3, 7]), Err(VoiceFault::TooLong { samples: 6_720 }));
        assert_eq!(check(&[3 << 3 | 3, 3]), Err(VoiceFault::TooLong { samples: 8_640 }));
        assert_eq!(
            check(&[3 << 3 | 3, 0x3f]),
            Err(VoiceFault::TooLong { samples: 181_440 })
        );
    }

    #[test]
    fn a_count_of_frames_that_is_missing_or_zero_is_malformed() {
        assert_eq!(check(&[0xfb]), Err(VoiceFault::Malformed));
        assert_eq!(
            check(&[0xfb, 0xc0]),
            Err(VoiceFault::Malformed),
            "the flags are no part of the count"
        );
    }
}
