//! Packets that wait to be handed over.

use std::collections::VecDeque;
use std::ops::Range;

use crate::opus::SILENCE;
use crate::speech::SILENT_LEVEL;
use crate::timeline::Stamp;
use crate::{FRAME_SAMPLES, OutPacket, SinkId, SourceId};

/// Most packets that wait: an owner that drains after each call never comes near.
const MAX_WAITING: usize = 4_096;

/// Bytes in an [`Outbox`]; sinks that get the same packet share them.
#[derive(Debug, Clone)]
pub(super) struct Bytes(Range<usize>);

/// What sinks that get the same packet share.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) source: Option<SourceId>,
    pub(super) level: Option<u8>,
    pub(super) late: bool,
    pub(super) pause: bool,
}

impl Content {
    /// A frame of silence.
    pub(super) fn silence(outbox: &mut Outbox) -> Self {
        Self {
            bytes: outbox.store(&SILENCE),
            source: None,
            level: Some(SILENT_LEVEL),
            late: false,
            pause: true,
        }
    }
}

/// Who gets a packet, and what it is marked with for him.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient {
    pub(super) sink: SinkId,
    pub(super) marks: u64,
}

#[derive(Debug)]
struct Entry {
    to: Recipient,
    stamp: Stamp,
    content: Content,
}

/// A queue of packets whose memory is used again each time it has been drained.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    entries: VecDeque<Entry>,
    refused: u64,
}

impl Outbox {
    /// Stores the bytes of a packet.
    pub(super) fn store(&mut self, opus: &[u8]) -> Bytes {
        if self.entries.is_empty() {
            self.bytes.clear();
        }
        let start = self.bytes.len();
        if self.entries.len() < MAX_WAITING {
            self.bytes.extend_from_slice(opus);
        }
        Bytes(start..self.bytes.len())
    }

    /// Queues a packet of stored bytes for a sink.
    pub(super) fn push(&mut self, to: Recipient, stamp: Stamp, content: &Content) {
        if self.entries.len() >= MAX_WAITING || content.bytes.0.is_empty() {
            self.refused += 1;
            return;
        }
        self.entries.push_back(Entry {
            to,
            stamp,
            content: content.clone(),
        });
    }

    pub(super) fn pop(&mut self) -> Option<(SinkId, OutPacket<'_>)> {
        let entry = self.entries.pop_front()?;
        let packet = OutPacket {
            opus: self.bytes.get(entry.content.bytes.0).unwrap_or_default(),
            samples: FRAME_SAMPLES,
            media_time: entry.stamp.media_time,
            sequence: entry.stamp.sequence,
            marker: entry.stamp.marker,
            lost_before: entry.stamp.lost_before,
            late: entry.content.late,
            level: entry.content.level,
            pause: entry.content.pause,
            marks: entry.to.marks,
            source: entry.content.source,
        };
        Some((entry.to.sink, packet))
    }

    /// Forgets what waits for a sink that is gone.
    pub(super) fn forget(&mut self, sink: SinkId) {
        self.entries.retain(|entry| entry.to.sink != sink);
    }

    /// Packets that found the queue full.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}
