//! What waits for a room's thread.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use voice_media::{Except, Groups, InPacket, MAX_OPUS, SinkId, SinkSpec, SourceId, SourceSpec};

use super::PacketSink;

/// Most packets that wait: five seconds of one speaker, or 200 ms of 25. A thread that is further behind has no time
/// for what it missed.
pub(super) const CAPACITY: usize = 256;

/// Most bytes that wait.
const CAPACITY_BYTES: usize = 64 * 1_024;

/// A change to a room.
pub(super) enum Command {
    AddSource(SourceId, SourceSpec, Arc<AtomicBool>),
    RemoveSource(SourceId),
    SetPriority(SourceId, bool),
    SetGroups(SourceId, Groups),
    AddSink(SinkId, SinkSpec, Box<dyn PacketSink>),
    RemoveSink(SinkId),
    SetBitrate(SinkId, Option<u32>),
    SetExcept(SinkId, Except),
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddSource(id, ..) => write!(f, "AddSource({id:?})"),
            Self::RemoveSource(id) => write!(f, "RemoveSource({id:?})"),
            Self::SetPriority(id, priority) => write!(f, "SetPriority({id:?}, {priority})"),
            Self::SetGroups(id, groups) => write!(f, "SetGroups({id:?}, {groups:?})"),
            Self::AddSink(id, ..) => write!(f, "AddSink({id:?})"),
            Self::RemoveSink(id) => write!(f, "RemoveSink({id:?})"),
            Self::SetExcept(id, except) => write!(f, "SetExcept({id:?}, {except:?})"),
            Self::SetBitrate(id, bits) => write!(f, "SetBitrate({id:?}, {bits:?})"),
        }
    }
}

/// Changes and packets, in the order in which they came among themselves. A room has two, one that is filled and one
/// that is worked off; they change places and keep their memory, so that no packet allocates.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) commands: Vec<Command>,
    packets: Vec<Waiting>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    source: SourceId,
    opus: Range<usize>,
    sequence: u64,
    media_time: Option<u64>,
    level: Option<u8>,
    marks: Option<u64>,
    received: Instant,
}

impl Batch {
    /// Adds a packet; `false` where there is no room for it.
    pub(super) fn push(&mut self, source: SourceId, packet: &InPacket<'_>) -> bool {
        let start = self.bytes.len();
        let fits = packet.opus.len() <= MAX_MULTIFRAME && start + packet.opus.len() <= CAPACITY_BYTES;
        if self.packets.len() == CAPACITY || !fits {
            return false;
        }
        self.bytes.extend_from_slice(packet.opus);
        self.packets.push(Waiting {
            source,
            opus: start..self.bytes.len(),
            sequence: packet.sequence,
            media_time: packet.media_time,
            level: packet.level,
            marks: packet.marks,
            received: packet.received,
        });
        true
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.packets.is_empty()
    }

    /// The packets in the order in which they came.
    pub(super) fn packets(&self) -> impl Iterator<Item = (SourceId, InPacket<'_>)> {
        self.packets.iter().map(|waiting| {
            let packet = InPacket {
                opus: self.bytes.get(waiting.opus.clone()).unwrap_or_default(),
                sequence: waiting.sequence,
                media_time: waiting.media_time,
                level: waiting.level,
                marks: waiting.marks,
                received: waiting.received,
            };
            (waiting.source, packet)
        })
    }

    /// When the packet that waits longest reached this machine.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.packets.iter().map(|waiting| waiting.received).min()
    }

    /// Forgets what was worked off.
    pub(super) fn clear(&mut self) {
        self.commands.clear();
        self.packets.clear();
        self.bytes.clear();
    }
}

/// Largest packet that is let in: six frames of the largest size, 120 ms.
const MAX_MULTIFRAME: usize = 6 * MAX_OPUS;

/// The queue of a room.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) batch: Batch,
    /// The room's thread was told that there is something here and has not looked yet.
    pub(super) announced: bool,
    pub(super) state: State,
}

/// Whether a room takes anything in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Open,
    /// Nobody holds it any more; its thread has not heard of that yet.
    Closing,
    /// It has ended.
    Closed,
}
