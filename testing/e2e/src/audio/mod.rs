//! Speech to send, and the measures of what arrives.
//!
//! [`Speech`] makes the voices, [`Recording`] is audio with its wall clock, and [`SpeechCheck`], [`VoiceAway`] and
//! [`MixCheck`] compare what was heard with what was said. Everything is 48 kHz mono outside of this module; the checks work at a third of
//! that, which holds the whole band that speech needs and makes them cheap.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of samples and their places are far below 2^52, and places are kept within the signal"
)]

mod correlation;
mod mix_check;
mod recording;
mod resample;
mod sound;
mod speech;
mod speech_check;
mod tracking;
mod voice_away;

#[cfg(test)]
mod tests;

pub use mix_check::{MixCheck, MixGain, MixSource};
pub use recording::{Anchor, Clock, Recording, unix_ms, wall_clock_ms};
pub use sound::{Audio, SAMPLE_RATE};
pub use speech::{Speech, Voice};
pub use speech_check::{Delay, SpeechCheck, VoicePath, muted};
pub use tracking::Window;
pub use voice_away::VoiceAway;

use std::path::PathBuf;

/// Why audio could not be read, written or made.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// A WAV file could not be read or written.
    #[error("{path}: {source}")]
    Wav {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: hound::Error,
    },
    /// A file or directory could not be made.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The speech synthesiser could not be started, or failed.
    #[error("espeak-ng: {0} (the Debian package espeak-ng has it)")]
    Synthesis(String),
    /// Anchors that cannot be a clock.
    #[error("a clock needs at least one anchor, their samples ascending and their times finite")]
    Clock,
}
