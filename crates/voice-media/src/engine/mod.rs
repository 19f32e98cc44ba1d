//! Forward or mix: one engine for one room.

use std::time::Instant;

use crate::{InPacket, OutPacket, SinkId, SinkSpec, SourceId, SourceSpec};

/// Why a source or a sink was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine has as many sources or sinks as it takes.
    #[error("the room has as many sources or sinks as it can hold")]
    Full,
    /// The number is in use.
    #[error("the number of this source or sink is in use")]
    Taken,
}

/// Counters of an engine since it was made, and what it does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Packets that came in, keep-alives left out.
    pub received: u64,
    /// Packets handed to sinks as they came (split and merged ones included), counted for each sink.
    pub forwarded: u64,
    /// Mixed packets handed to sinks, counted for each sink.
    pub mixed: u64,
    /// Packets encoded for mixes: below `mixed` where sinks share one.
    pub encoded: u64,
    /// 20 ms frames that a source lost, as far as gaps in its sequence show them.
    pub lost: u64,
    /// Packets too late to be used.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that are not Opus, or larger than [`MAX_OPUS`](crate::MAX_OPUS).
    pub malformed: u64,
    /// 20 ms frames concealed in a mix because their packet was not there.
    pub concealed: u64,
    /// 20 ms packets encoded anew because their source's packets could be neither split nor merged.
    pub transcoded: u64,
    /// Times that a sink went from one speaker to a mix.
    pub mixes: u64,
    /// Sources now.
    pub sources: u32,
    /// Sinks now.
    pub sinks: u32,
    /// Sources that speak now.
    pub speaking: u32,
    /// Sinks that hear a mix now.
    pub mixing: u32,
}

/// Decides for each sink of a room whom it hears, forwards one speaker untouched and mixes several.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// An engine without sources and sinks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source.
    pub fn add_source(&mut self, now: Instant, id: SourceId, spec: SourceSpec) -> Result<(), EngineError> {
        unimplemented!("{now:?} {id:?} {spec:?}")
    }

    /// Removes a source; one that is not there is no error.
    pub fn remove_source(&mut self, now: Instant, id: SourceId) {
        unimplemented!("{now:?} {id:?}")
    }

    /// Adds a sink; its media time starts now.
    pub fn add_sink(&mut self, now: Instant, id: SinkId, spec: SinkSpec) -> Result<(), EngineError> {
        unimplemented!("{now:?} {id:?} {spec:?}")
    }

    /// Removes a sink; one that is not there is no error.
    pub fn remove_sink(&mut self, now: Instant, id: SinkId) {
        unimplemented!("{now:?} {id:?}")
    }

    /// Takes a packet of a source.
    pub fn handle_packet(&mut self, now: Instant, source: SourceId, packet: &InPacket<'_>) {
        unimplemented!("{now:?} {source:?} {packet:?}")
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!("{now:?}")
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next packet to hand over.
    pub fn poll_packet(&mut self) -> Option<(SinkId, OutPacket<'_>)> {
        None
    }

    /// Whether this source speaks at the moment (hangover included).
    pub fn is_speaking(&self, source: SourceId) -> bool {
        unimplemented!("{source:?}")
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }
}
