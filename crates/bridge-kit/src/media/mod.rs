//! Runs media engines on threads of their own.
//!
//! Audio never waits for the async runtime: each room's [`voice_media::Engine`] is pinned to one of a few threads,
//! which sleep until a packet or a deadline of one of their rooms wakes them. Whoever has packets leaves them in the
//! room's bounded queue without waiting; whoever wants packets gets them by a callback.
//!
//! To wake a thread costs more than to forward a packet. So what goes through untouched, and needs nothing that is queued
//! first, is handed on by the very thread that brings it: nothing is decoded or encoded there, ever.
//!
//! A panic in an engine or in a callback ends that room alone: it is counted, [`RoomMedia::failed`] tells of it, and
//! the thread goes on with its other rooms.
//!
//! # Load
//! Each thread measures how punctually it wakes its rooms: how long after a room's deadline, and how long a packet that
//! reached this machine has waited for its room to be visited. [`MediaPool::overload`] tells when the last seconds were so bad
//! that another room would be heard in those that are there.
//!
//! # Bounds
//! A room's queue holds 256 packets and 64 KiB; what finds it full is dropped and counted. An engine holds 128 sources
//! and 128 sinks, 32 packets of each source, decoders only for those who are mixed, and encoders only for mixes that
//! somebody hears. None of this grows with the length of a call, and a packet that is forwarded allocates nothing.

mod doorbell;
mod hosted;
mod inbox;
mod measures;
mod pool;
mod punctuality;
mod room;
#[cfg(test)]
mod tests;
mod worker;

pub use voice_media::{
    Channels, Except, FRAME, FRAME_SAMPLES, Groups, InPacket, OutPacket, SinkClock, SinkSpec, SourceId, SourceSpec,
    Stats,
};

pub use self::pool::{MediaPool, PoolStatus};
pub use self::punctuality::Overload;
pub use self::room::{MediaSink, MediaSource, RoomMedia, RoomStats};

/// Takes the packets of one sink.
pub trait PacketSink: Send {
    /// Called with each packet, in order and by one thread at a time: the room's, or that of whoever brought the packet which
    /// this one is. Must not block; a panic ends the room.
    fn send(&mut self, packet: &OutPacket<'_>);

    /// How what is sent is taken in, where something new is known of that. Asked after each packet; it is for mixes alone.
    fn reception(&mut self) -> Option<Reception> {
        None
    }
}

/// How those behind a sink take in what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reception {
    /// What they want to hear.
    pub channels: Channels,
    /// How many packets get lost on their way, in percent: where it is worth it, each packet of a mix repeats the frame before
    /// it (in-band FEC).
    pub loss: u8,
}

impl Default for Reception {
    /// As long as nothing is known: stereo, and nothing gets lost.
    fn default() -> Self {
        Self {
            channels: Channels::Stereo,
            loss: 0,
        }
    }
}
