//! Runs media engines on threads of their own.
//!
//! Audio never waits for the async runtime: each room's [`voice_media::Engine`] is pinned to one of a few threads,
//! which sleep until a packet or a deadline of a room wakes them. Whoever has packets pushes them into a bounded queue without waiting;
//! whoever wants packets gets them by a callback on the room's thread.

use std::num::NonZeroUsize;

pub use voice_media::{
    Channels, Except, FRAME, FRAME_SAMPLES, InPacket, OutPacket, SinkClock, SinkSpec, SourceId, SourceSpec, Stats,
};

/// Takes the packets of one sink.
pub trait PacketSink: Send {
    /// Called on a media thread with each packet, in order. Must not block and must not panic; a panic ends the room.
    fn send(&mut self, packet: &OutPacket<'_>);
}

/// A few threads that run the engines of all rooms.
#[derive(Debug, Clone)]
pub struct MediaPool {}

impl MediaPool {
    /// Starts `threads` threads.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        unimplemented!("{threads}")
    }

    /// A new room on the thread that has the fewest. `name` is for logs.
    pub fn room(&self, name: &str) -> RoomMedia {
        unimplemented!("{name}")
    }
}

/// One room's engine. The last clone that is dropped ends it, with all its sources and sinks.
#[derive(Debug, Clone)]
pub struct RoomMedia {}

impl RoomMedia {
    /// Adds a source; it is removed when the guard is dropped.
    pub fn add_source(&self, spec: SourceSpec) -> MediaSource {
        unimplemented!("{spec:?}")
    }

    /// Adds a sink; it is removed when the guard is dropped.
    pub fn add_sink(&self, spec: SinkSpec, packets: Box<dyn PacketSink>) -> MediaSink {
        drop(packets);
        unimplemented!("{spec:?}")
    }

    /// Counters of the room, not older than a second.
    pub fn stats(&self) -> RoomStats {
        unimplemented!()
    }

    /// Whether the room's engine panicked and the room is silent for good.
    pub fn is_failed(&self) -> bool {
        unimplemented!()
    }

    /// Waits until the room's engine panics (for ever, if all is well).
    pub async fn failed(&self) {
        std::future::pending().await
    }
}

/// Counters of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RoomStats {
    /// Counters of its engine.
    pub engine: Stats,
    /// Packets dropped before the engine because the room's queue was full.
    pub overflowed: u64,
}

/// Guard of a source: push packets, drop to remove.
#[derive(Debug)]
pub struct MediaSource {}

impl MediaSource {
    /// The source's id, for [`SinkSpec::except`].
    pub fn id(&self) -> SourceId {
        unimplemented!()
    }

    /// Hands a packet to the room. Never blocks: a packet that finds the queue full is dropped and counted.
    pub fn push(&self, packet: &InPacket<'_>) {
        unimplemented!("{packet:?}")
    }

    /// Whether this source speaks at the moment (hangover of 200 ms included).
    pub fn is_speaking(&self) -> bool {
        unimplemented!()
    }
}

/// Guard of a sink: drop to remove.
#[derive(Debug)]
pub struct MediaSink {}
