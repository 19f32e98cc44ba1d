//! A room's engine, and whoever runs it at the moment.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use voice_media::{Engine, InPacket, SinkId, SourceId};

use super::inbox::{Batch, Command, State};
use super::measures::Meter;
use super::room::Room;
use super::{PacketSink, Reception};

/// What a panic left.
pub(super) type Panic = Box<dyn Any + Send>;

/// What a room wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To be woken then, or only by packets.
    Wake(Option<Instant>),
    /// Nothing more: nobody holds it.
    End,
}

/// What became of a packet that was to go through at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// It has been handed on.
    Done,
    /// It has been handed on, and the room's thread has to look after the room earlier than it means to.
    Ring,
    /// It needs the room's thread.
    Refused,
}

/// A room's engine with what it feeds.
#[derive(Default)]
pub(super) struct Hosted {
    /// When the room's thread will wake it, at the latest.
    pub(super) alarm: Option<Instant>,
    engine: Engine,
    sinks: HashMap<SinkId, Box<dyn PacketSink>>,
    speaking: HashMap<SourceId, Arc<AtomicBool>>,
    batch: Batch,
    meter: Meter,
    /// It panicked on another thread; the room's own thread ends it.
    broken: Option<Panic>,
}

impl Hosted {
    /// Lets the room's thread do something with it; fails if that panics, or something has before.
    pub(super) fn attend(&mut self, work: impl FnOnce(&mut Self) -> Next) -> Result<Next, Panic> {
        match self.broken.take() {
            Some(panic) => Err(panic),
            None => catch_unwind(AssertUnwindSafe(|| work(self))),
        }
    }

    /// Hands a packet on where that takes no codec, so that no thread has to be woken for it. Who brings it is not the
    /// room's thread.
    pub(super) fn pass(&mut self, room: &Room, source: SourceId, packet: &InPacket<'_>) -> AtOnce {
        let now = packet.received;
        if self.broken.is_some() || !self.engine.takes_untouched(now, source, packet) {
            return AtOnce::Refused;
        }
        let passed = catch_unwind(AssertUnwindSafe(|| {
            self.take(now, source, packet);
            self.publish(room, now);
        }));
        if let Err(panic) = passed {
            self.broken = Some(panic);
            return AtOnce::Ring;
        }
        let next = self.engine.poll_timeout();
        match next {
            Some(next) if self.alarm.is_none_or(|alarm| alarm > next) => AtOnce::Ring,
            _ => AtOnce::Done,
        }
    }

    /// Works off what is queued.
    pub(super) fn work(&mut self, room: &Room, now: Instant) -> Next {
        let state = {
            let mut inbox = room.inbox();
            inbox.announced = false;
            std::mem::swap(&mut inbox.batch, &mut self.batch);
            inbox.state
        };
        if state != State::Open {
            self.meter.flush(self.engine.stats());
            return Next::End;
        }
        for command in std::mem::take(&mut self.batch.commands) {
            self.obey(now, command);
        }
        let mut batch = std::mem::take(&mut self.batch);
        for (source, packet) in batch.packets() {
            self.take(now, source, &packet);
        }
        batch.clear();
        self.batch = batch;
        self.wake(room, now)
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, room: &Room, now: Instant) -> Next {
        self.engine.handle_timeout(now);
        self.deliver();
        self.publish(room, now);
        Next::Wake(self.engine.poll_timeout())
    }

    fn take(&mut self, now: Instant, source: SourceId, packet: &InPacket<'_>) {
        self.engine.handle_packet(now, source, packet);
        self.deliver();
    }

    /// Hands over what the engine has made.
    fn deliver(&mut self) {
        while let Some((id, packet)) = self.engine.poll_packet() {
            let Some(sink) = self.sinks.get_mut(&id) else { continue };
            sink.send(&packet);
            if let Some(Reception { channels, loss }) = sink.reception() {
                self.engine.set_channels(id, channels);
                self.engine.set_loss(id, loss);
            }
        }
    }

    fn obey(&mut self, now: Instant, command: Command) {
        let refused = match command {
            Command::AddSource(id, spec, speaking) => {
                self.speaking.insert(id, speaking);
                self.engine.add_source(id, spec).err()
            }
            Command::RemoveSource(id) => {
                if let Some(speaking) = self.speaking.remove(&id) {
                    speaking.store(false, Ordering::Relaxed);
                }
                self.engine.remove_source(now, id);
                None
            }
            Command::SetPriority(id, priority) => {
                self.engine.set_priority(id, priority);
                None
            }
            Command::SetGroups(id, groups) => {
                self.engine.set_groups(now, id, groups);
                None
            }
            Command::AddSink(id, spec, packets) => {
                self.sinks.insert(id, packets);
                self.engine.add_sink(now, id, spec).err()
            }
            Command::RemoveSink(id) => {
                self.sinks.remove(&id);
                self.engine.remove_sink(now, id);
                None
            }
            Command::SetBitrate(id, bits) => {
                self.engine.set_bitrate(id, bits);
                None
            }
            Command::SetExcept(id, except) => {
                self.engine.set_except(now, id, except);
                None
            }
        };
        if let Some(error) = refused {
            tracing::warn!(%error, "somebody is not in the audio of a room");
        }
    }

    fn publish(&mut self, room: &Room, now: Instant) {
        let stats = self.engine.stats();
        self.meter.report(now, stats);
        room.publish(stats);
        for (source, speaks) in self.engine.sources() {
            if let Some(speaking) = self.speaking.get(&source) {
                speaking.store(speaks, Ordering::Relaxed);
            }
        }
    }
}
