//! Forward or mix: one engine for one room.

mod ducking;
mod group;
mod mask;
mod mixer;
mod outbox;
mod past;
mod sink;
mod source;
mod stats;
mod voice;

use std::time::Instant;

use self::mask::{MAX_SOURCES, Mask, Slot};
use self::mixer::{Floor, Leader, Mixer};
use self::outbox::{Content, Outbox};
use self::sink::Sink;
use self::source::{Arrival, Source};
use self::stats::Counters;
pub use self::stats::Stats;
use self::voice::Voice;
use crate::framer::Batch;
use crate::{Channels, Except, Groups, InPacket, OutPacket, SinkClock, SinkId, SinkSpec, SourceId, SourceSpec};

/// Most sinks of an engine.
const MAX_SINKS: usize = 128;

/// Why a source or a sink was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine has as many sources or sinks as it takes: 128 of each.
    #[error("the room has as many sources or sinks as it can hold")]
    Full,
    /// The number is in use.
    #[error("the number of this source or sink is in use")]
    Taken,
}

/// Decides for each sink of a room whom it hears, forwards one speaker untouched and mixes several.
#[derive(Debug, Default)]
pub struct Engine {
    sources: Vec<Option<Source>>,
    sinks: Vec<Sink>,
    /// There while some sink hears a mix.
    mixer: Option<Mixer>,
    outbox: Outbox,
    counters: Counters,
    /// Scratch memory of one call.
    batch: Batch,
}

impl Engine {
    /// An engine without sources and sinks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source.
    pub fn add_source(&mut self, id: SourceId, spec: SourceSpec) -> Result<(), EngineError> {
        if self.slot_of(id).is_some() {
            return Err(EngineError::Taken);
        }
        let slot = self.free_slot().ok_or(EngineError::Full)?;
        for sink in self.sinks.iter_mut().filter(|sink| sink.may_hear(id, spec.groups)) {
            sink.hears.insert(slot);
        }
        if let Some(place) = self.sources.get_mut(slot) {
            *place = Some(Source::new(id, spec));
        }
        Ok(())
    }

    /// Removes a source; one that is not there is no error.
    pub fn remove_source(&mut self, now: Instant, id: SourceId) {
        let Some(slot) = self.slot_of(id) else {
            return;
        };
        if let Some(place) = self.sources.get_mut(slot) {
            *place = None;
        }
        for sink in &mut self.sinks {
            sink.forget(now, slot);
        }
        self.decide(now);
    }

    /// Says whether a source has priority: while it speaks, all others are 12 dB quieter in every mix that it is heard
    /// in. One that is not there is ignored.
    pub fn set_priority(&mut self, id: SourceId, priority: bool) {
        if let Some(source) = self.sources.iter_mut().flatten().find(|source| source.id == id) {
            source.priority = priority;
        }
    }

    /// Has a source be heard `gain` times as loud as it speaks, from 0 to 4. Any but 1 has to go through a mix. One that is
    /// not there is ignored.
    pub fn set_gain(&mut self, now: Instant, id: SourceId, gain: f32) {
        if let Some(source) = self.sources.iter_mut().flatten().find(|source| source.id == id) {
            source.set_gain(gain);
            self.decide(now);
        }
    }

    /// Has mixes for a sink have at most this many bits a second, or as many as usual. One that is not there is ignored.
    pub fn set_bitrate(&mut self, id: SinkId, bits: Option<u32>) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.id == id) {
            sink.spec.bitrate = bits;
        }
    }

    /// Says how many of the packets for a sink get lost on their way, in percent. From 2 % on its mixes repeat each frame in
    /// the next one (in-band FEC). One that is not there is ignored.
    pub fn set_loss(&mut self, id: SinkId, percent: u8) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.id == id) {
            sink.set_loss(percent);
        }
    }

    /// Has mixes for a sink be in mono or in stereo. One that is not there is ignored.
    pub fn set_channels(&mut self, id: SinkId, channels: Channels) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.id == id) {
            sink.spec.channels = channels;
        }
    }

    /// Puts a source into other groups, so that sinks which leave one of them out hear it from now on, or do not. One that
    /// is not there is ignored.
    pub fn set_groups(&mut self, now: Instant, id: SourceId, groups: Groups) {
        if let Some(source) = self.sources.iter_mut().flatten().find(|source| source.id == id) {
            source.spec.groups = groups;
            self.listen_anew(now);
        }
    }

    /// Has a sink hear everybody but `except` from now on. One that is not there is ignored.
    pub fn set_except(&mut self, now: Instant, id: SinkId, except: Except) {
        if let Some(sink) = self.sinks.iter_mut().find(|sink| sink.id == id) {
            sink.spec.except = except;
            self.listen_anew(now);
        }
    }

    /// Finds out anew which sink may hear which source.
    fn listen_anew(&mut self, now: Instant) {
        for sink in &mut self.sinks {
            for (slot, source) in present(&self.sources) {
                if sink.may_hear(source.id, source.spec.groups) {
                    sink.hears.insert(slot);
                } else {
                    sink.forget(now, slot);
                }
            }
        }
        self.decide(now);
    }

    /// Adds a sink; its media time starts at `now`.
    pub fn add_sink(&mut self, now: Instant, id: SinkId, spec: SinkSpec) -> Result<(), EngineError> {
        if self.sinks.iter().any(|sink| sink.id == id) {
            return Err(EngineError::Taken);
        }
        if self.sinks.len() == MAX_SINKS {
            return Err(EngineError::Full);
        }
        let mut sink = Sink::new(now, id, spec);
        for (slot, source) in present(&self.sources) {
            if sink.may_hear(source.id, source.spec.groups) {
                sink.hears.insert(slot);
            }
        }
        self.sinks.push(sink);
        self.decide(now);
        Ok(())
    }

    /// Removes a sink and what waits for it; one that is not there is no error.
    pub fn remove_sink(&mut self, now: Instant, id: SinkId) {
        self.sinks.retain(|sink| sink.id != id);
        self.outbox.forget(id);
        self.decide(now);
    }

    /// Whether [`handle_packet`](Self::handle_packet) would only hand this packet on as it is: nothing is mixed or begins to
    /// be, and nothing has to be decoded to know who speaks. It may say no where that is not sure.
    pub fn takes_untouched(&self, now: Instant, source: SourceId, packet: &InPacket<'_>) -> bool {
        let ticks = self.sinks.iter().any(|sink| sink.spec.clock == SinkClock::Ticks);
        let clock = if ticks { SinkClock::Ticks } else { SinkClock::Packets };
        let (mut known, mut alone) = (false, self.mixer.is_none());
        for (_, one) in present(&self.sources) {
            if one.id == source {
                known = one.takes_untouched(now, clock, packet);
            } else {
                alone &= !one.is_active();
            }
        }
        known && alone
    }

    /// Takes a packet of a source; one of a source that is not there is ignored.
    pub fn handle_packet(&mut self, now: Instant, source: SourceId, packet: &InPacket<'_>) {
        let Some(slot) = self.slot_of(source) else {
            return;
        };
        self.batch.clear();
        let heard = self.sinks.iter().any(|sink| sink.hears.contains(slot));
        let Some(from) = self.sources.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        let arrival = from.take(now, packet, heard, &mut self.batch, &mut self.counters);
        self.decide(now);
        let Some(arrival) = arrival else {
            return;
        };
        self.forward(now, slot, source, &arrival);
        self.mix_with(now, slot);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.decide(now);
        if let Some(mixer) = &mut self.mixer {
            let mut room = Floor {
                sources: &mut self.sources,
                sinks: &mut self.sinks,
                out: &mut self.outbox,
                counters: &mut self.counters,
            };
            mixer.run(now, &mut room);
        }
        self.send_tails(now);
    }

    /// Makes what a mix can make now that a source's packet has come.
    fn mix_with(&mut self, now: Instant, slot: Slot) {
        if let Some(mixer) = &mut self.mixer {
            let mut room = Floor {
                sources: &mut self.sources,
                sinks: &mut self.sinks,
                out: &mut self.outbox,
                counters: &mut self.counters,
            };
            mixer.run_with(now, slot, &mut room);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pauses = present(&self.sources).filter_map(|(_, source)| source.active_until());
        let tails = self.sinks.iter().filter_map(Sink::tail_due);
        let mix = self.mixer.as_ref().map(Mixer::due);
        pauses.chain(tails).chain(mix).min()
    }

    /// The next packet to hand over.
    pub fn poll_packet(&mut self) -> Option<(SinkId, OutPacket<'_>)> {
        self.outbox.pop()
    }

    /// The sources, and whether each speaks (with a hangover of 200 ms), as of the last call that took the time.
    pub fn sources(&self) -> impl Iterator<Item = (SourceId, bool)> {
        present(&self.sources).map(|(_, source)| (source.id, source.is_active()))
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats {
            refused: self.outbox.refused(),
            sources: count(present(&self.sources)),
            sinks: count(self.sinks.iter()),
            speaking: count(present(&self.sources).filter(|(_, source)| source.is_active())),
            mixing: count(self.sinks.iter().filter(|sink| sink.is_mixing())),
            ..self.counters
        }
    }

    /// Decides anew who hears what, and starts or ends the mixer accordingly.
    fn decide(&mut self, now: Instant) {
        let active: Mask = present_mut(&mut self.sources)
            .filter_map(|(slot, source)| source.refresh(now).then_some(slot))
            .collect();
        let leader = self.sinks.iter().find_map(Sink::forwarded);
        for sink in &mut self.sinks {
            let begins = sink.decide(now, active, &self.sources);
            self.counters.mixes += u64::from(begins);
        }
        if self.sinks.iter().any(Sink::is_mixing) {
            self.keep_mixing(now, leader);
        } else if self.mixer.take().is_some() {
            for (_, source) in present_mut(&mut self.sources) {
                source.voice = None;
            }
        }
    }

    /// Sees to it that there is a mixer, and a voice in it for each active source that a mixing sink hears.
    fn keep_mixing(&mut self, now: Instant, leader: Option<(Slot, u64)>) {
        let sinks = &self.sinks;
        for (slot, source) in present_mut(&mut self.sources) {
            let wanted = source.is_active() && sinks.iter().any(|sink| sink.is_mixing() && sink.hears.contains(slot));
            if !wanted || source.voice.is_some() {
                continue;
            }
            let live = leader.filter(|&(leader, _)| self.mixer.is_none() && leader == slot);
            let next = live.map_or(source.newest(), |(_, last)| last + 1);
            let Ok((voice, past)) = Voice::new(&source.ring, next, live.is_some()) else {
                continue;
            };
            (source.voice, source.past) = (Some(voice), Some(past));
        }
        let sources = &self.sources;
        let leader = leader.and_then(|(slot, last)| {
            let received = sources.get(slot)?.as_ref()?.last_received?;
            Some(Leader { slot, last, received })
        });
        let mixer = self.mixer.get_or_insert_with(|| Mixer::new(now, leader));
        let ticks = |sink: &Sink| sink.is_mixing() && sink.spec.clock == SinkClock::Ticks;
        if self.sinks.iter().any(ticks) {
            mixer.keep_time();
        }
    }

    /// Hands the frames that just came to the sinks that hear their source alone.
    fn forward(&mut self, now: Instant, slot: Slot, id: SourceId, arrival: &Arrival) {
        for sink in &mut self.sinks {
            if let Some(stamp) = sink.lead_in(slot, arrival) {
                let silence = Content::silence(&mut self.outbox);
                self.outbox.push(sink.recipient(), stamp, &silence);
            }
        }
        for (offset, frame) in (0..).zip(self.batch.iter()) {
            let content = Content {
                bytes: self.outbox.store(frame),
                source: Some(id),
                level: arrival.level,
                late: arrival.late,
                pause: arrival.pause,
            };
            for sink in &mut self.sinks {
                let Some(stamp) = sink.forward_frame(now, slot, arrival, offset) else {
                    continue;
                };
                self.counters.forwarded += 1;
                self.outbox.push(sink.recipient(), stamp, &content);
            }
        }
    }

    fn send_tails(&mut self, now: Instant) {
        for sink in &mut self.sinks {
            while let Some(stamp) = sink.tail_frame(now) {
                let silence = Content::silence(&mut self.outbox);
                self.outbox.push(sink.recipient(), stamp, &silence);
            }
        }
    }

    fn slot_of(&self, id: SourceId) -> Option<Slot> {
        present(&self.sources).find_map(|(slot, source)| (source.id == id).then_some(slot))
    }

    /// A slot for one more source.
    fn free_slot(&mut self) -> Option<Slot> {
        if let Some(slot) = self.sources.iter().position(Option::is_none) {
            return Some(slot);
        }
        (self.sources.len() < MAX_SOURCES).then(|| {
            self.sources.push(None);
            self.sources.len() - 1
        })
    }
}

fn present(sources: &[Option<Source>]) -> impl Iterator<Item = (Slot, &Source)> {
    sources
        .iter()
        .enumerate()
        .filter_map(|(slot, source)| Some((slot, source.as_ref()?)))
}

fn present_mut(sources: &mut [Option<Source>]) -> impl Iterator<Item = (Slot, &mut Source)> {
    sources
        .iter_mut()
        .enumerate()
        .filter_map(|(slot, source)| Some((slot, source.as_mut()?)))
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    items.map(|_| 1).sum()
}
