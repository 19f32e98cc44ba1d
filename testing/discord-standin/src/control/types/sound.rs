//! What people say and hear.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Plays a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Play {
    /// Absolute path of a WAV or Ogg/Opus file.
    pub file: PathBuf,
    /// Start again at the end.
    #[serde(default, rename = "loop")]
    pub looping: bool,
}

/// Says whether a person speaks with priority.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SetPriority {
    /// Whether his client says that he is a priority speaker.
    pub priority: bool,
}

/// What a person plays or played last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Playback {
    /// Whether frames are still leaving.
    pub playing: bool,
    /// When frame 0 left, in UNIX nanoseconds; frame n follows n · 20 ms later.
    pub started_at_ns: u64,
    /// Frames of the file.
    pub frames: u64,
    /// Length of the file.
    pub duration_ns: u64,
    /// Whether it starts again at the end.
    pub looping: bool,
    /// Voice frames that have left (none leave while muted).
    pub sent: u64,
    /// How often the file has started again.
    pub loops: u64,
    /// When the last voice frame had left.
    pub finished_at_ns: Option<u64>,
}

/// What kind of Opus packet a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Sound.
    Voice,
    /// The silence frame `f8 ff fe`.
    Silence,
    /// One byte: nothing but the TOC, which a decoder conceals.
    TocOnly,
    /// Encrypted, and not decrypted here: what it holds is not known.
    Encrypted,
}

/// How a frame is protected beyond its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// The call is not encrypted.
    Off,
    /// Encrypted; a person who heard it has decrypted it.
    Encrypted,
    /// Encrypted, and the person whom it reached had no key for it.
    Undecrypted,
    /// Not encrypted although the call is. Silence frames never are; people hear no other frames of this kind.
    Plain,
}

/// One frame of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Position in the log, counted from its start.
    pub index: u64,
    /// When it arrived, in UNIX nanoseconds.
    pub at_ns: u64,
    /// RTP source.
    pub ssrc: u32,
    /// Who sent it.
    pub user_id: String,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp (48 kHz).
    pub timestamp: u32,
    /// Bytes of its payload.
    pub size: usize,
    /// What it holds.
    pub kind: FrameKind,
    /// How it is protected.
    pub protection: Protection,
    /// Sequence numbers missing before it, inside its talk spurt.
    pub lost_before: u32,
    /// Whether a talk spurt starts with it.
    pub spurt_start: bool,
    /// FNV-1a of its payload in 16 hexadecimal digits: equal bytes, equal digest. The same at the speaker and at all
    /// listeners, encrypted or not.
    pub digest: String,
    /// The same of the Opus in it, where that is known: not of what a bot encrypted, until a person decrypted it.
    pub opus_digest: Option<String>,
}

/// A part of a frame log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frames {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Pass as `since` to read on.
    pub next: u64,
}

/// A recording has begun.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RecordingStarted {
    /// The time of sample zero, in UNIX nanoseconds.
    pub started_at_ns: u64,
}

/// What is known of a recording without its sound.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recording {
    /// The time of sample zero, in UNIX nanoseconds.
    pub started_at_ns: u64,
    /// When it was stopped.
    pub stopped_at_ns: Option<u64>,
    /// Always 48,000.
    pub sample_rate: u32,
    /// Samples until the end, or until now.
    pub samples: u64,
    /// Everyone who was heard.
    pub sources: Vec<RecordedSource>,
    /// Whether the log was full and later frames are missing.
    pub truncated: bool,
}

/// One sender in a recording.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedSource {
    /// Who.
    pub user_id: String,
    /// RTP source.
    pub ssrc: u32,
    /// Frames heard.
    pub frames: u64,
    /// Sequence numbers missing inside talk spurts.
    pub lost: u64,
    /// Silence frames.
    pub silence: u64,
    /// One-byte frames.
    pub toc_only: u64,
    /// Frames that are not heard: encrypted without a key for them, or unencrypted in an encrypted call.
    pub unheard: u64,
    /// Talk spurts.
    pub spurts: u64,
    /// First frame, in UNIX nanoseconds.
    pub first_arrival_ns: u64,
    /// Last frame, in UNIX nanoseconds.
    pub last_arrival_ns: u64,
}
