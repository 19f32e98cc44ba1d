//! What was dropped, and why.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::Counter;
use vdp_proto::DecodeError;
use vdp_proto::sealed::OpenError;

use super::throttle::Throttle;
use crate::instruments;

/// Nothing more often than this is logged about dropped packets, since a stranger decides how many there are.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Received packets that an endpoint dropped, by reason, since it was bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Drops {
    /// No packet of either form.
    pub garbage: u64,
    /// Longer than a datagram may be.
    pub oversized: u64,
    /// From an address that was not negotiated for the port.
    pub unknown_sender: u64,
    /// From a negotiated address, but for a room that was not.
    pub wrong_room: u64,
    /// For a room whose channel is not open yet.
    pub not_open: u64,
    /// Received before.
    pub duplicate: u64,
    /// With an index too far behind or ahead.
    pub outside: u64,
    /// Sealed, for a channel that is not open.
    pub unknown_channel: u64,
    /// Sealed, but not with the channel's key.
    pub forged: u64,
    /// Sealed, with a counter that was opened before or is too far behind.
    pub replayed: u64,
}

/// Why a packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Garbage,
    Oversized,
    UnknownSender,
    WrongRoom,
    NotOpen,
    Duplicate,
    Outside,
    UnknownChannel,
    Forged,
    Replayed,
}

impl Reason {
    const fn label(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Oversized => "oversized",
            Self::UnknownSender => "unknown_sender",
            Self::WrongRoom => "wrong_room",
            Self::NotOpen => "not_open",
            Self::Duplicate => "duplicate",
            Self::Outside => "outside",
            Self::UnknownChannel => "unknown_channel",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
        }
    }
}

impl From<DecodeError> for Reason {
    fn from(error: DecodeError) -> Self {
        if matches!(error, DecodeError::TooLarge { .. }) {
            Self::Oversized
        } else {
            Self::Garbage
        }
    }
}

impl From<OpenError> for Reason {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::TooLarge { .. } => Self::Oversized,
            OpenError::NotSealed | OpenError::Version { .. } => Self::Garbage,
            OpenError::OtherChannel => Self::UnknownChannel,
            OpenError::Forged => Self::Forged,
            OpenError::Replayed { .. } | OpenError::TooOld { .. } => Self::Replayed,
            OpenError::Packet(error) => error.into(),
        }
    }
}

/// Counts dropped packets and logs that there are some, seldom.
#[derive(Debug)]
pub(super) struct DropCounts {
    garbage: Count,
    oversized: Count,
    unknown_sender: Count,
    wrong_room: Count,
    not_open: Count,
    duplicate: Count,
    outside: Count,
    unknown_channel: Count,
    forged: Count,
    replayed: Count,
    log: Throttle,
}

impl DropCounts {
    pub(super) fn new() -> Self {
        Self {
            garbage: Count::new(Reason::Garbage),
            oversized: Count::new(Reason::Oversized),
            unknown_sender: Count::new(Reason::UnknownSender),
            wrong_room: Count::new(Reason::WrongRoom),
            not_open: Count::new(Reason::NotOpen),
            duplicate: Count::new(Reason::Duplicate),
            outside: Count::new(Reason::Outside),
            unknown_channel: Count::new(Reason::UnknownChannel),
            forged: Count::new(Reason::Forged),
            replayed: Count::new(Reason::Replayed),
            log: Throttle::new(LOG_INTERVAL),
        }
    }

    /// Counts a packet. `detail` says more than the reason; it is formatted only if it is logged.
    pub(super) fn add(&self, reason: Reason, detail: &dyn Display, now: Instant) {
        self.count(reason).increment();
        if self.log.pass(now) {
            tracing::debug!(reason = reason.label(), %detail, totals = ?self.snapshot(), "dropping VDP packets");
        }
    }

    pub(super) fn snapshot(&self) -> Drops {
        Drops {
            garbage: self.garbage.value(),
            oversized: self.oversized.value(),
            unknown_sender: self.unknown_sender.value(),
            wrong_room: self.wrong_room.value(),
            not_open: self.not_open.value(),
            duplicate: self.duplicate.value(),
            outside: self.outside.value(),
            unknown_channel: self.unknown_channel.value(),
            forged: self.forged.value(),
            replayed: self.replayed.value(),
        }
    }

    const fn count(&self, reason: Reason) -> &Count {
        match reason {
            Reason::Garbage => &self.garbage,
            Reason::Oversized => &self.oversized,
            Reason::UnknownSender => &self.unknown_sender,
            Reason::WrongRoom => &self.wrong_room,
            Reason::NotOpen => &self.not_open,
            Reason::Duplicate => &self.duplicate,
            Reason::Outside => &self.outside,
            Reason::UnknownChannel => &self.unknown_channel,
            Reason::Forged => &self.forged,
            Reason::Replayed => &self.replayed,
        }
    }
}

/// A count that is readable here, beside the metric of the same.
struct Count {
    value: AtomicU64,
    metric: Counter,
}

impl Count {
    fn new(reason: Reason) -> Self {
        Self {
            value: AtomicU64::new(0),
            metric: instruments::PACKETS_DROPPED.with([reason.label()]),
        }
    }

    fn increment(&self) {
        self.value.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Count {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.value())
    }
}
