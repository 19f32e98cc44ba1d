//! Logs of voice frames: what a member sent, what a person heard.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    control::types::{Frame, FrameKind, Protection},
    snowflake::Snowflake,
};

/// The frame that Discord's clients send five times at the end of speech.
pub(crate) const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// A pause this long ends a talk spurt.
const SPURT_PAUSE_NS: u64 = 200_000_000;
/// Media time and arrival may differ by this much inside a spurt: 100 ms in samples.
const SPURT_SLACK: i64 = 4_800;
/// Samples of a frame.
const FRAME: u32 = 960;
/// Silence frames that end a talk spurt.
const SPURT_SILENCES: u8 = 5;

/// One frame as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at_ns: u64,
    pub(crate) user: Snowflake,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// What was on the wire.
    pub(crate) payload: Arc<[u8]>,
    /// The Opus in it, where it is known.
    pub(crate) opus: Option<Arc<[u8]>>,
    pub(crate) protection: Protection,
}

impl Arrival {
    pub(crate) fn kind(&self) -> FrameKind {
        self.opus.as_deref().map_or(FrameKind::Encrypted, kind_of)
    }

    /// Whether a listener's ear gets it: in an encrypted call nothing unencrypted but silence.
    pub(crate) fn is_heard(&self) -> bool {
        match self.protection {
            Protection::Off | Protection::Encrypted => true,
            Protection::Plain => is_silence(&self.payload),
            Protection::Undecrypted => false,
        }
    }
}

pub(crate) fn is_silence(opus: &[u8]) -> bool {
    *opus == SILENCE
}

/// What kind of packet this is.
fn kind_of(opus: &[u8]) -> FrameKind {
    match opus {
        [_] => FrameKind::TocOnly,
        bytes if *bytes == SILENCE => FrameKind::Silence,
        _ => FrameKind::Voice,
    }
}

/// A frame with its place in its talk spurt.
#[derive(Clone, Debug)]
pub(crate) struct LoggedFrame {
    pub(crate) arrival: Arrival,
    pub(crate) lost_before: u32,
    pub(crate) spurt_start: bool,
    /// Came after a frame with a higher sequence number, or twice.
    pub(crate) late: bool,
}

/// What is strange about a frame, compared with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// Its sequence number is not above the last.
    Late,
    /// Sequence numbers are missing inside the talk spurt.
    Gap,
    /// The timestamp did not advance by a frame.
    Timestamp,
}

/// A bounded log.
#[derive(Debug)]
pub(crate) struct FrameLog {
    frames: VecDeque<LoggedFrame>,
    first_index: u64,
    limit: usize,
    sources: HashMap<u32, Track>,
}

/// Follows one source from frame to frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Track {
    last: Option<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    sequence: u16,
    timestamp: u32,
    at_ns: u64,
    silences: u8,
}

impl FrameLog {
    /// A log that forgets its oldest frames beyond `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            first_index: 0,
            limit,
            sources: HashMap::new(),
        }
    }

    /// Takes a frame, and says what is strange about it.
    pub(crate) fn push(&mut self, arrival: Arrival) -> Option<Oddity> {
        let (frame, oddity) = self.sources.entry(arrival.ssrc).or_default().place(arrival);
        if self.frames.len() == self.limit {
            self.frames.pop_front();
            self.first_index += 1;
        }
        self.frames.push_back(frame);
        oddity
    }

    /// The frames that are kept, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LoggedFrame> {
        self.frames.iter()
    }

    /// Whether frames have been forgotten.
    pub(crate) const fn truncated(&self) -> bool {
        self.first_index > 0
    }

    /// At most `most` frames from index `since` on, and the index after them.
    pub(crate) fn since(&self, since: u64, most: usize) -> (Vec<Frame>, u64) {
        let skip = usize::try_from(since.saturating_sub(self.first_index)).unwrap_or(usize::MAX);
        let frames: Vec<_> = self
            .frames
            .iter()
            .zip(self.first_index..)
            .skip(skip)
            .take(most)
            .map(|(frame, index)| frame.describe(index))
            .collect();
        let next = frames
            .last()
            .map_or(since.max(self.first_index), |frame| frame.index + 1);
        (frames, next)
    }
}

impl Track {
    /// Gives a frame its place after those before it, and says what is strange about it.
    pub(crate) fn place(&mut self, arrival: Arrival) -> (LoggedFrame, Option<Oddity>) {
        let before = self.last;
        let frame = LoggedFrame::place(arrival, before.as_ref());
        let oddity = before.and_then(|source| source.oddity(&frame));
        if !frame.late {
            self.last = Some(Source::after(&frame.arrival, before.as_ref()));
        }
        (frame, oddity)
    }
}

impl Source {
    fn after(arrival: &Arrival, before: Option<&Self>) -> Self {
        let silences = match arrival.kind() {
            FrameKind::Silence => before.map_or(0, |source| source.silences).saturating_add(1),
            FrameKind::Voice | FrameKind::TocOnly | FrameKind::Encrypted => 0,
        };
        Self {
            sequence: arrival.sequence,
            timestamp: arrival.timestamp,
            at_ns: arrival.at_ns,
            silences,
        }
    }

    fn oddity(&self, frame: &LoggedFrame) -> Option<Oddity> {
        let advance = frame.arrival.timestamp.wrapping_sub(self.timestamp);
        if frame.late {
            Some(Oddity::Late)
        } else if frame.lost_before > 0 {
            Some(Oddity::Gap)
        } else if !frame.spurt_start && advance != FRAME {
            Some(Oddity::Timestamp)
        } else {
            None
        }
    }

    fn spurt_ended(&self, arrival: &Arrival) -> bool {
        let paused = arrival.at_ns.saturating_sub(self.at_ns) > SPURT_PAUSE_NS;
        // Between spurts sequence numbers prove nothing: songbird counts ticks, whether it sends in them or not.
        let follows = arrival.sequence == self.sequence.wrapping_add(1);
        let spoke_again = self.silences >= SPURT_SILENCES && (arrival.kind() != FrameKind::Silence || !follows);
        let media = i64::from(arrival.timestamp.wrapping_sub(self.timestamp).cast_signed());
        let real = samples(arrival.at_ns.saturating_sub(self.at_ns)).cast_signed();
        // A burst after a stall is one spurt as long as media time is ahead of arrival by a little only.
        let jumped = (media - real).abs() > SPURT_SLACK;
        paused || spoke_again || jumped
    }
}

impl LoggedFrame {
    fn place(arrival: Arrival, before: Option<&Source>) -> Self {
        let spurt_start = before.is_none_or(|source| source.spurt_ended(&arrival));
        let step = before.map_or(1, |source| arrival.sequence.wrapping_sub(source.sequence).cast_signed());
        let late = step <= 0;
        let missing = if spurt_start || late { 0 } else { step - 1 };
        Self {
            arrival,
            lost_before: u32::from(missing.cast_unsigned()),
            spurt_start: spurt_start && !late,
            late,
        }
    }

    fn describe(&self, index: u64) -> Frame {
        let arrival = &self.arrival;
        Frame {
            index,
            at_ns: arrival.at_ns,
            ssrc: arrival.ssrc,
            user_id: arrival.user.to_string(),
            sequence: arrival.sequence,
            timestamp: arrival.timestamp,
            size: arrival.payload.len(),
            kind: arrival.kind(),
            protection: arrival.protection,
            lost_before: self.lost_before,
            spurt_start: self.spurt_start,
            digest: digest(&arrival.payload),
            opus_digest: arrival.opus.as_deref().map(digest),
        }
    }
}

/// Nanoseconds in samples at 48 kHz.
pub(crate) const fn samples(nanoseconds: u64) -> u64 {
    // In this order it neither overflows within years nor loses a sample.
    nanoseconds / 1_000_000 * 48 + nanoseconds % 1_000_000 * 48 / 1_000_000
}

/// FNV-1a in 16 hexadecimal digits, as [`Frame::digest`](crate::types::Frame::digest) has it.
pub fn digest(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn frame(at_ms: u64, sequence: u16, timestamp: u32, opus: &[u8]) -> Arrival {
        Arrival {
            at_ns: at_ms * MS,
            user: Snowflake(1),
            ssrc: 7,
            sequence,
            timestamp,
            payload: opus.into(),
            opus: Some(opus.into()),
            protection: Protection::Off,
        }
    }

    fn log(frames: &[Arrival]) -> Vec<(bool, u32, bool)> {
        let mut log = FrameLog::new(100);
        for frame in frames {
            log.push(frame.clone());
        }
        log.iter().map(|f| (f.spurt_start, f.lost_before, f.late)).collect()
    }

    #[test]
    fn a_gap_inside_a_spurt_is_loss() {
        let seen = log(&[
            frame(0, 10, 0, b"aa"),
            frame(20, 11, 960, b"aa"),
            frame(60, 13, 2_880, b"aa"),
        ]);
        assert_eq!(seen, [(true, 0, false), (false, 0, false), (false, 1, false)]);
    }

    #[test]
    fn a_pause_or_five_silence_frames_end_a_spurt_and_hide_no_loss() {
        let seen = log(&[frame(0, 10, 0, b"aa"), frame(300, 25, 14_400, b"aa")]);
        assert_eq!(seen[1], (true, 0, false));

        let mut frames = vec![frame(0, 0, 0, b"aa")];
        for n in 1..=5_u16 {
            frames.push(frame(u64::from(n) * 20, n, u32::from(n) * 960, &SILENCE));
        }
        let after = |next: Arrival| {
            let seen = log(&[&frames[..], &[next]].concat());
            assert!(seen[1..6].iter().all(|frame| !frame.0));
            seen[6]
        };
        assert_eq!(after(frame(120, 6, 5_760, b"aa")), (true, 0, false), "speech");
        assert_eq!(after(frame(120, 6, 5_760, &SILENCE)), (false, 0, false), "more silence");
        let counted = frame(160, 8, 7_680, &SILENCE);
        assert_eq!(after(counted), (true, 0, false), "ticks in which nothing was sent");
    }

    #[test]
    fn a_late_frame_and_a_duplicate_are_marked_and_change_nothing() {
        let seen = log(&[
            frame(0, 65_535, 0, b"aa"),
            frame(40, 1, 1_920, b"aa"),
            frame(41, 0, 960, b"aa"),
            frame(42, 1, 1_920, b"aa"),
            frame(60, 2, 2_880, b"aa"),
        ]);
        assert_eq!(seen[1], (false, 1, false), "the sequence wraps");
        assert!(seen[2].2 && seen[3].2);
        assert_eq!(seen[4], (false, 0, false));
    }

    #[test]
    fn what_is_strange_is_told() {
        let mut log = FrameLog::new(10);
        let mut oddity = |at_ms, sequence, timestamp| log.push(frame(at_ms, sequence, timestamp, b"aa"));
        assert_eq!(oddity(0, 1, 0), None);
        assert_eq!(oddity(20, 2, 960), None);
        assert_eq!(oddity(40, 3, 960), Some(Oddity::Timestamp));
        assert_eq!(oddity(60, 3, 960), Some(Oddity::Late));
        assert_eq!(oddity(80, 5, 2_880), Some(Oddity::Gap));
        assert_eq!(oddity(900, 6, 43_200), None, "a new spurt may be anywhere");
    }

    #[test]
    fn the_log_is_bounded_and_indices_stay() {
        let mut log = FrameLog::new(2);
        for n in 0..5_u16 {
            log.push(frame(u64::from(n) * 20, n, u32::from(n) * 960, b"aa"));
        }
        let (frames, next) = log.since(0, 10);
        assert_eq!(frames.iter().map(|f| f.index).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(next, 5);
        assert!(log.truncated());
        assert!(log.since(5, 10).0.is_empty());
    }

    #[test]
    fn samples_of_nanoseconds() {
        assert_eq!(samples(20 * MS), 960);
        assert_eq!(samples(1_800_000_000_000_000_000), 86_400_000_000_000);
    }
}
