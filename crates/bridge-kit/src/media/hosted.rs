//! One room on its thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use voice_media::{Engine, SinkId, SourceId};

use super::PacketSink;
use super::inbox::{Batch, Command, State};
use super::measures::Meter;
use super::room::Room;

/// What a room wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To be woken then, or only by packets.
    Wake(Option<Instant>),
    /// Nothing more: nobody holds it.
    End,
}

/// A room's engine with what it feeds.
pub(super) struct Hosted {
    pub(super) room: Arc<Room>,
    /// When its thread will wake it, at the latest.
    pub(super) alarm: Option<Instant>,
    engine: Engine,
    sinks: HashMap<SinkId, Box<dyn PacketSink>>,
    speaking: HashMap<SourceId, Arc<AtomicBool>>,
    batch: Batch,
    meter: Meter,
}

impl Hosted {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            alarm: None,
            engine: Engine::new(),
            sinks: HashMap::new(),
            speaking: HashMap::new(),
            batch: Batch::default(),
            meter: Meter::default(),
        }
    }

    /// Works off what is queued.
    pub(super) fn work(&mut self, now: Instant) -> Next {
        let state = {
            let mut inbox = self.room.inbox();
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
        for (source, packet) in self.batch.packets() {
            self.engine.handle_packet(now, source, &packet);
            deliver(&mut self.engine, &mut self.sinks);
        }
        self.batch.clear();
        self.wake(now)
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Instant) -> Next {
        self.engine.handle_timeout(now);
        deliver(&mut self.engine, &mut self.sinks);
        self.publish(now);
        Next::Wake(self.engine.poll_timeout())
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
            Command::SetExcept(id, except) => {
                self.engine.set_except(now, id, except);
                None
            }
        };
        if let Some(error) = refused {
            tracing::warn!(%error, "somebody is not in the audio of a room");
        }
    }

    fn publish(&mut self, now: Instant) {
        let stats = self.engine.stats();
        self.meter.report(now, stats);
        self.room.publish(stats);
        for (source, speaks) in self.engine.sources() {
            if let Some(speaking) = self.speaking.get(&source) {
                speaking.store(speaks, Ordering::Relaxed);
            }
        }
    }
}

/// Hands over what the engine has made.
fn deliver(engine: &mut Engine, sinks: &mut HashMap<SinkId, Box<dyn PacketSink>>) {
    while let Some((sink, packet)) = engine.poll_packet() {
        if let Some(sink) = sinks.get_mut(&sink) {
            sink.send(&packet);
        }
    }
}
