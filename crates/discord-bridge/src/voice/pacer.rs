//! Decides what leaves at each of Discord's 20 ms send ticks.
//!
//! Packets come from the room when their speaker's network delivers them; songbird's mixer takes exactly one a tick. So
//! each tick must choose: the next packet, a packet that makes the listener's decoder conceal, silence, or an end of the
//! talk spurt. Time is an argument; nothing here blocks, allocates or knows songbird.
//!
//! # How long a packet waits
//!
//! The first packet of a spurt that comes just before a tick would leave no room for jitter: the second one, a millisecond
//! late, would miss its tick, and the listener would hear a concealed frame where nothing was lost. So a spurt starts
//! only when its first packet has waited for a guard, or its second one is there. The wait that results is the guard and up to
//! 20 ms more, by the phase of the tick, and stays for the spurt. The guard is what packets of the last second were apart
//! ([`Waits::learning`]): 2 ms at first and on a calm network, 10 ms for a browser whose microphone works in such steps, which
//! costs a concealed frame until it is known.
//!
//! A packet that comes later than that is concealed for a tick and then played, not thrown away: the buffer has grown by
//! a tick, which is what that network needs. It shrinks again when it is shown not to be needed, that is when even the
//! packet that waited least ([`Waits`]) waited longer than a tick and the guard. Then the surplus is dropped, so that what a
//! stall of the network piled up never stands.
//!
//! A sender's clock that is faster or slower than Discord's adds or takes up to 6 ms in 20 s, and nobody is forwarded for longer
//! than that without a pause. So what comes of it waits for a pause, and is dropped or made up for there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};

use voice_media::opus::Packet;
use voice_media::{MAX_OPUS, Waits};

use super::counters::SendCounters;
use super::frame::concealment;

/// How long after its last packet a talk spurt has ended. Shorter would flicker the speaking ring between words.
pub(crate) const SPURT_END: Duration = Duration::from_millis(300);

/// A packet that has waited this long is of no use to a conversation: the queue stood while the driver had no connection.
const STALE: Duration = Duration::from_millis(200);

/// Packets in the queue. More than [`STALE`] holds, so that age and not room decides what goes.
pub(crate) const CAPACITY: usize = 16;

/// A loss longer than this is not concealed: the decoder's concealment has faded to silence by then.
const MAX_CONCEALED_LOSS: u32 = 5;

/// One packet on its way to Discord.
#[derive(Debug)]
pub(crate) struct Frame {
    /// When it was queued.
    pub(crate) arrived: Instant,
    /// Frames that its source lost just before it.
    pub(crate) lost_before: u32,
    /// Its speaker is between words, where a frame more or less is not heard.
    pause: bool,
    silent: bool,
    len: usize,
    bytes: [u8; MAX_OPUS],
}

impl Frame {
    /// Copies a packet that [`super::frame::check`] has found fit.
    pub(crate) fn new(packet: &Packet<'_>, lost_before: u32, arrived: Instant) -> Self {
        let opus = packet.bytes();
        let mut bytes = [0; MAX_OPUS];
        for (to, from) in bytes.iter_mut().zip(opus) {
            *to = *from;
        }
        Self {
            arrived,
            lost_before,
            pause: false,
            silent: packet.is_silence(),
            len: opus.len(),
            bytes,
        }
    }

    /// The same packet, between words or not.
    pub(crate) fn in_pause(mut self, pause: bool) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn opus(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What a tick sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tick<'a> {
    /// This packet, untouched.
    Packet(&'a [u8]),
    /// One byte that lets the listener's decoder conceal 20 ms.
    Conceal(u8),
    /// Silence: the spurt is about to start, or about to end.
    Silence,
    /// Silence, and the track should pause: the spurt is over, or there is none.
    Pause,
}

/// The deciding end of the queue.
pub(crate) struct Pacer {
    frames: HeapCons<Frame>,
    leaving: Option<Frame>,
    spurt: Option<Spurt>,
    /// What the next spurt begins with.
    guard: Duration,
    counters: Arc<SendCounters>,
}

struct Spurt {
    toc: u8,
    /// Whether the last packet was silence: what follows is then no hole.
    silent: bool,
    last_packet: Instant,
    concealed: u32,
    waits: Waits,
}

impl Pacer {
    pub(crate) fn new(frames: HeapCons<Frame>, counters: Arc<SendCounters>) -> Self {
        Self {
            frames,
            leaving: None,
            spurt: None,
            guard: Waits::CALM,
            counters,
        }
    }

    /// Whether a packet waits.
    pub(crate) fn has_work(&self) -> bool {
        !self.frames.is_empty()
    }

    /// What the tick that is being prepared at `now` sends.
    pub(crate) fn tick(&mut self, now: Instant) -> Tick<'_> {
        self.discard_stale(now);
        match self.spurt.take() {
            None => self.start(now),
            Some(spurt) => self.go_on(now, spurt),
        }
    }

    fn start(&mut self, now: Instant) -> Tick<'_> {
        let Some(head) = self.frames.first() else {
            return Tick::Pause;
        };
        let waited = now.saturating_duration_since(head.arrived);
        if waited < self.guard && self.frames.occupied_len() < 2 {
            return Tick::Silence;
        }
        self.send_next(now, Waits::learning(self.guard))
    }

    fn go_on(&mut self, now: Instant, mut spurt: Spurt) -> Tick<'_> {
        let in_pause = self.frames.first().is_some_and(|head| head.pause);
        self.drop_oldest(spurt.waits.surplus(!in_pause));
        let Some(head) = self.frames.first() else {
            if now.saturating_duration_since(spurt.last_packet) >= SPURT_END {
                return Tick::Pause;
            }
            spurt.waits.note(Duration::ZERO);
            return self.make_up(spurt);
        };
        // What the source lost leaves its place in time to concealment, unless the tick before has already given it.
        if spurt.concealed < head.lost_before.min(MAX_CONCEALED_LOSS) {
            return self.conceal(spurt);
        }
        if head.pause && spurt.waits.is_scarce() {
            return self.make_up(spurt);
        }
        self.send_next(now, spurt.waits)
    }

    /// A tick that nothing is there for, or that is put in.
    fn make_up(&mut self, spurt: Spurt) -> Tick<'_> {
        if spurt.silent {
            self.spurt = Some(spurt);
            Tick::Silence
        } else {
            self.conceal(spurt)
        }
    }

    fn conceal(&mut self, mut spurt: Spurt) -> Tick<'_> {
        self.counters.concealed();
        spurt.concealed += 1;
        let toc = concealment(spurt.toc);
        self.spurt = Some(spurt);
        Tick::Conceal(toc)
    }

    fn send_next(&mut self, now: Instant, mut waits: Waits) -> Tick<'_> {
        let Some(frame) = self.frames.try_pop() else {
            return Tick::Silence;
        };
        waits.note(now.saturating_duration_since(frame.arrived));
        self.guard = waits.guard();
        self.counters.sent();
        let toc = frame.opus().first().copied().unwrap_or_default();
        self.spurt = Some(Spurt {
            toc,
            silent: frame.silent,
            last_packet: now,
            concealed: 0,
            waits,
        });
        Tick::Packet(self.leaving.insert(frame).opus())
    }

    fn discard_stale(&mut self, now: Instant) {
        while self
            .frames
            .first()
            .is_some_and(|head| now.saturating_duration_since(head.arrived) > STALE)
        {
            self.drop_oldest(1);
        }
    }

    fn drop_oldest(&mut self, count: usize) {
        self.counters.trimmed(self.frames.skip(count));
    }
}

#[cfg(test)]
mod tests;
