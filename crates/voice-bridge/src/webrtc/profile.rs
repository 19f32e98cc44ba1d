//! Which codecs and header extensions are agreed on, and what is written into the latter.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Pt};
use str0m::rtp::{Extension, ExtensionValues};

/// Payload type that we would choose for Opus; the caller's choice replaces it.
const OPUS: u8 = 111;
/// The levels that are written on packets without one of their own, in dBov (RFC 6464).
const SPEECH_LEVEL: i8 = -20;
const SILENCE_LEVEL: i8 = -127;
/// The Opus frame of silence that ends a stretch of speech.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// How often it is looked how much of our voice gets lost. Browsers report it every few seconds.
const LOSS_INTERVAL: Duration = Duration::from_secs(5);

/// RTP as it is on the wire, Opus in stereo, the level and section headers and nothing else. VP8 is known
/// only so that a video section can be agreed on and then left inactive.
pub(super) fn new_rtc(now: Instant) -> Rtc {
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .set_stats_interval(Some(LOSS_INTERVAL))
        .clear_codecs()
        .enable_vp8(true)
        .clear_extension_map()
        .set_extension(1, Extension::AudioLevel)
        .set_extension(4, Extension::RtpMid);
    let stereo = FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        stereo: Some(true),
        sprop_stereo: Some(true),
        ..Default::default()
    };
    config.codec_config().add_config(
        Pt::new_with_value(OPUS),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        stereo,
    );
    config.build(now)
}

/// The level that goes with a packet: its own, else one by which a receiver tells speech from silence.
pub(super) fn level_of(opus: &[u8], own: Option<u8>) -> ExtensionValues {
    let speech = opus != SILENCE;
    let own = own.map(|level| -level.min(127).cast_signed());
    let level = own.unwrap_or(if speech { SPEECH_LEVEL } else { SILENCE_LEVEL });
    ExtensionValues {
        audio_level: Some(level),
        voice_activity: Some(speech && level > SILENCE_LEVEL),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(opus: &[u8], own: Option<u8>) -> (Option<i8>, Option<bool>) {
        let values = level_of(opus, own);
        (values.audio_level, values.voice_activity)
    }

    #[test]
    fn a_packets_own_level_is_kept_and_one_without_tells_speech_from_silence() {
        assert_eq!(written(&[0xf8, 1], None), (Some(-20), Some(true)));
        assert_eq!(written(&SILENCE, None), (Some(-127), Some(false)));
        assert_eq!(written(&[0xf8, 1], Some(35)), (Some(-35), Some(true)));
        assert_eq!(written(&[0xf8, 1], Some(0)), (Some(0), Some(true)));
        assert_eq!(written(&[0xf8, 1], Some(255)), (Some(-127), Some(false)));
    }
}
