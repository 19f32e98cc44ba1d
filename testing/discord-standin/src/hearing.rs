//! What clients of other libraries heard, judged and decoded by the same rules as what people heard.

use crate::{
    control::types::{Protection, RecordedSource},
    people::sound::{self, Frames, SoundError},
    snowflake::Snowflake,
    voice::{frames::Arrival, recording::Recording},
};
use std::{path::Path, sync::Arc};

/// A frame as a client heard it: decrypted, with the header that it came with.
#[derive(Clone, Debug)]
pub struct HeardFrame {
    /// When it arrived, in UNIX nanoseconds.
    pub at_ns: u64,
    /// Who sent it; zero if the client cannot tell.
    pub user_id: u64,
    /// RTP source.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp (48 kHz).
    pub timestamp: u32,
    /// Opus bytes.
    pub opus: Arc<[u8]>,
}

/// The frames that one client heard in a stretch of time.
#[derive(Debug)]
pub struct Hearing {
    recording: Recording,
    until_ns: u64,
}

impl Hearing {
    /// Places frames on the timeline between two moments (UNIX nanoseconds).
    pub fn new(from_ns: u64, until_ns: u64, frames: impl IntoIterator<Item = HeardFrame>) -> Self {
        let mut recording = Recording::start(from_ns);
        let within = frames
            .into_iter()
            .filter(|frame| (from_ns..until_ns).contains(&frame.at_ns));
        for frame in within {
            recording.log_mut().push(Arrival {
                at_ns: frame.at_ns,
                user: Snowflake(frame.user_id),
                ssrc: frame.ssrc,
                sequence: frame.sequence,
                timestamp: frame.timestamp,
                payload: Arc::clone(&frame.opus),
                opus: Some(frame.opus),
                // Whatever it was on the way, the client has opened it.
                protection: Protection::Encrypted,
            });
        }
        recording.stop(until_ns);
        Self { recording, until_ns }
    }

    /// Everyone who was heard, and what was lost of them.
    pub fn sources(&self) -> Vec<RecordedSource> {
        self.recording.metadata(self.until_ns).sources
    }

    /// The sound of all of them: 48 kHz, mono, sample zero at the first moment.
    pub fn sound(&self) -> Result<Vec<i16>, opus2::Error> {
        self.recording.sound(self.until_ns, None).render()
    }
}

/// The Opus frames, each 20 ms, that a person would send of a sound file (WAV or Ogg/Opus).
pub fn frames_of(file: &Path) -> Result<Frames, SoundError> {
    sound::load(file)
}
