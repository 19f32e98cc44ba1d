//! The one track of a voice channel: packets of the room on one end, songbird's mixer on the other.
//!
//! The track pauses itself when a talk spurt is over, and the next packet resumes it. It is never removed: songbird then
//! keeps the mixer live, so that RTP timestamps follow the wall clock through silence and Discord's jitter buffers do not
//! grow. While it is paused nothing is sent, so Discord puts the speaking ring out (S11).

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bridge_kit::media::{OutPacket, PacketSink};
use ringbuf::traits::{Producer, Split};
use ringbuf::{HeapProd, HeapRb};
use songbird::input::core::io::MediaSource;
use voice_media::MAX_OPUS;
use voice_media::opus::SILENCE;

use super::counters::SendCounters;
use super::frame::{self, DCA_HEADER};
use super::pacer::{CAPACITY, Frame, Pacer, Tick};

/// Starts and stops the track; neither call may block.
pub(crate) trait Playback: Send + Sync {
    fn play(&self);
    fn pause(&self);
}

/// Whether the track plays, as both threads see it.
struct Switch {
    paused: AtomicBool,
    playback: OnceLock<Box<dyn Playback>>,
}

impl Switch {
    fn pause(&self) {
        if let Some(playback) = self.playback.get() {
            playback.pause();
            self.paused.store(true, Ordering::SeqCst);
        }
    }

    fn resume(&self) {
        if self.paused.swap(false, Ordering::SeqCst)
            && let Some(playback) = self.playback.get()
        {
            playback.play();
        }
    }
}

/// Makes both ends of a track that is paused from the start.
pub(crate) fn track(counters: &Arc<SendCounters>) -> (TrackSink, TrackSource, TrackControl) {
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    let switch = Arc::new(Switch {
        paused: AtomicBool::new(true),
        playback: OnceLock::new(),
    });
    let sink = TrackSink {
        frames: producer,
        switch: Arc::clone(&switch),
        counters: Arc::clone(counters),
    };
    let source = TrackSource {
        pacer: Mutex::new(Pacer::new(consumer, Arc::clone(counters))),
        switch: Arc::clone(&switch),
        pending: Pending::of(DCA_HEADER),
    };
    (sink, source, TrackControl { switch })
}

/// Connects a track to the player that was made for it.
pub(crate) struct TrackControl {
    switch: Arc<Switch>,
}

impl TrackControl {
    /// Names what plays the track. Until then packets wait, and stale ones are dropped when it starts.
    pub(crate) fn attach(&self, playback: Box<dyn Playback>) {
        // A second player is not possible: `self` belongs to the one join that made the track.
        let _ = self.switch.playback.set(playback);
    }
}

/// The room's end: takes packets on whatever thread hands them on.
pub(crate) struct TrackSink {
    frames: HeapProd<Frame>,
    switch: Arc<Switch>,
    counters: Arc<SendCounters>,
}

impl PacketSink for TrackSink {
    fn send(&mut self, packet: &OutPacket<'_>) {
        // What was lost before a spurt is no hole in it.
        let lost_before = if packet.marker { 0 } else { packet.lost_before };
        self.push(packet.opus, lost_before, packet.pause);
    }
}

impl TrackSink {
    fn push(&mut self, opus: &[u8], lost_before: u32, pause: bool) {
        let packet = match frame::check(opus) {
            Ok(packet) => packet,
            Err(unfit) => return self.counters.unfit(unfit),
        };
        let frame = Frame::new(&packet, lost_before, Instant::now()).in_pause(pause);
        if self.frames.try_push(frame).is_err() {
            self.counters.overflowed();
        }
        self.switch.resume();
    }
}

/// The mixer's end: a DCA1 stream that never ends, one packet a read.
pub(crate) struct TrackSource {
    /// Never locked: symphonia wants its sources to be `Sync`, and a mutex is that for whoever has it alone.
    pacer: Mutex<Pacer>,
    switch: Arc<Switch>,
    pending: Pending,
}

impl TrackSource {
    fn next_packet(&mut self, now: Instant) {
        let pacer = self.pacer.get_mut().unwrap_or_else(PoisonError::into_inner);
        match pacer.tick(now) {
            Tick::Packet(opus) => self.pending.frame(opus),
            Tick::Conceal(toc) => self.pending.frame(&[toc]),
            Tick::Silence => self.pending.frame(&SILENCE),
            Tick::Pause => {
                self.pending.frame(&SILENCE);
                settle_pause(&self.switch, pacer);
            }
        }
    }
}

fn settle_pause(switch: &Switch, pacer: &Pacer) {
    switch.pause();
    // A packet that came before the pause was known has not resumed the track, and nobody else will.
    if pacer.has_work() {
        switch.resume();
    }
}

impl Read for TrackSource {
    /// Gives at most one packet: songbird's reader asks for more bytes than it needs, and what it gets early is late.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() {
            self.next_packet(Instant::now());
        }
        Ok(self.pending.take(buffer))
    }
}

impl Seek for TrackSource {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl MediaSource for TrackSource {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

/// Bytes of one packet that the reader has not taken yet. Its ring buffer wraps, so a packet may be asked for in two.
struct Pending {
    bytes: Vec<u8>,
    taken: usize,
}

impl Pending {
    fn of(bytes: &[u8]) -> Self {
        let mut pending = Vec::with_capacity(MAX_OPUS + 2);
        pending.extend_from_slice(bytes);
        Self {
            bytes: pending,
            taken: 0,
        }
    }

    fn frame(&mut self, opus: &[u8]) {
        self.taken = 0;
        self.bytes.clear();
        let length = u16::try_from(opus.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(opus);
    }

    fn is_empty(&self) -> bool {
        self.taken >= self.bytes.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.taken += count;
        count
    }
}

#[cfg(test)]
mod tests;
