//! Which codecs and header extensions are agreed on, and what is written into the latter.

use std::time::Instant;

use str0m::Rtc;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Pt};
use str0m::rtp::{Extension, ExtensionValues};

/// Payload type that we would choose for Opus; the caller's choice replaces it.
const OPUS: u8 = 111;
/// The levels that are written on packets, in dBov (RFC 6464): those we pass on carry none of their own.
const SPEECH_LEVEL: i8 = -20;
const SILENCE_LEVEL: i8 = -127;
/// The Opus frame of silence that ends a stretch of speech.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// RTP as it is on the wire, Opus in stereo, the level and section headers and nothing else. VP8 is known
/// only so that a video section can be agreed on and then left inactive.
pub(super) fn new_rtc(now: Instant) -> Rtc {
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
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

/// The level that goes with a packet.
pub(super) fn level_of(opus: &[u8]) -> ExtensionValues {
    let speech = opus != SILENCE;
    ExtensionValues {
        audio_level: Some(if speech { SPEECH_LEVEL } else { SILENCE_LEVEL }),
        voice_activity: Some(speech),
        ..Default::default()
    }
}
