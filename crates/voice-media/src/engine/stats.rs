//! What an engine counts.

/// Counters of an engine since it was made, and what it does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Packets that came in, keep-alives left out.
    pub received: u64,
    /// Packets decoded: to be mixed, or to find out how loud they are.
    pub decoded: u64,
    /// Packets handed to sinks as they came (split and merged ones included), counted for each sink.
    pub forwarded: u64,
    /// Mixed packets handed to sinks, counted for each sink.
    pub mixed: u64,
    /// Packets encoded for mixes: fewer than `mixed` where sinks share one.
    pub encoded: u64,
    /// Of those, packets in which somebody was turned down for one who has priority.
    pub ducked: u64,
    /// 20 ms frames that sources lost, as far as gaps in their sequences show it; one that comes late was lost first.
    pub lost: u64,
    /// Packets that came after one that belongs behind them.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that are not Opus.
    pub malformed: u64,
    /// 20 ms frames made up in a mix because their packet was not there.
    pub concealed: u64,
    /// 20 ms packets encoded anew because their source's packets could be neither split nor merged.
    pub transcoded: u64,
    /// Times that a sink began to hear a mix.
    pub mixes: u64,
    /// 20 ms of a mix that were left out because the engine's owner came too late.
    pub skipped: u64,
    /// Packets dropped because the engine's owner did not fetch them.
    pub refused: u64,
    /// Sources now.
    pub sources: u32,
    /// Sinks now.
    pub sinks: u32,
    /// Sources that speak now.
    pub speaking: u32,
    /// Sinks that hear a mix now.
    pub mixing: u32,
}

/// The part of [`Stats`] that only grows.
pub(super) type Counters = Stats;
