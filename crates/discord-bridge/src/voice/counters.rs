//! What a joined channel has carried, for `/status`, and for all channels together as metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::frame::Unfit;
use super::metrics;

/// Packets on the way to Discord.
#[derive(Debug, Default)]
pub(crate) struct SendCounters {
    sent: AtomicU64,
    concealed: AtomicU64,
    trimmed: AtomicU64,
    unfit: AtomicU64,
    overflowed: AtomicU64,
}

impl SendCounters {
    /// A packet was given to songbird.
    pub(super) fn sent(&self) {
        self.sent.fetch_add(1, Relaxed);
        metrics::sent();
    }

    /// A tick inside a spurt had no packet.
    pub(super) fn concealed(&self) {
        self.concealed.fetch_add(1, Relaxed);
        metrics::concealed();
    }

    /// Packets were dropped because they stood in the queue.
    pub(super) fn trimmed(&self, packets: usize) {
        if packets > 0 {
            self.trimmed.fetch_add(packets as u64, Relaxed);
            metrics::trimmed(packets as u64);
        }
    }

    /// A packet was not what a tick can send.
    pub(super) fn unfit(&self, unfit: Unfit) {
        self.unfit.fetch_add(1, Relaxed);
        metrics::unfit(unfit);
    }

    /// A packet found the queue full.
    pub(super) fn overflowed(&self) {
        self.overflowed.fetch_add(1, Relaxed);
        metrics::overflowed();
    }
}

/// Packets from Discord, by what became of them.
#[derive(Debug, Default)]
pub(crate) struct HearCounters {
    bridged: AtomicU64,
    ignored: AtomicU64,
    unknown: AtomicU64,
    decrypted: AtomicU64,
    unencrypted: AtomicU64,
}

impl HearCounters {
    /// A packet went on to the room.
    pub(super) fn bridged(&self) {
        self.bridged.fetch_add(1, Relaxed);
        metrics::received();
    }

    /// A packet came from a user who is not bridged.
    pub(super) fn ignored(&self) {
        self.ignored.fetch_add(1, Relaxed);
        metrics::ignored();
    }

    /// A packet came encrypted end to end.
    pub(super) fn decrypted(&self) {
        self.decrypted.fetch_add(1, Relaxed);
    }

    /// A packet was dropped because it came unencrypted into an encrypted call.
    pub(super) fn unencrypted(&self) {
        self.unencrypted.fetch_add(1, Relaxed);
        metrics::unencrypted();
    }

    /// Packets were dropped because nobody knew whose they were.
    pub(super) fn unknown(&self, packets: usize) {
        if packets > 0 {
            self.unknown.fetch_add(packets as u64, Relaxed);
            metrics::unknown(packets as u64);
        }
    }
}

/// What went through a voice channel since it was joined, in packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub(crate) struct VoiceStats {
    /// Streams (SSRCs) of people who are bridged.
    pub(crate) speakers: usize,
    /// From Discord to the room.
    pub(crate) received: u64,
    /// From users who are not bridged.
    pub(crate) ignored: u64,
    /// From nobody knows whom.
    pub(crate) unknown: u64,
    /// Came encrypted end to end.
    pub(crate) decrypted: u64,
    /// Dropped because they came unencrypted into an encrypted call.
    pub(crate) unencrypted: u64,
    /// From the room to Discord, concealment left out.
    pub(crate) sent: u64,
    /// Ticks inside a talk spurt for which the room had none.
    pub(crate) concealed: u64,
    /// Dropped because they stood in the queue.
    pub(crate) trimmed: u64,
    /// Dropped because they were not 20 ms of Opus.
    pub(crate) unfit: u64,
    /// Dropped because the queue was full.
    pub(crate) overflowed: u64,
}

impl VoiceStats {
    /// Reads both sets of counters.
    pub(super) fn read(speakers: usize, hear: &HearCounters, send: &SendCounters) -> Self {
        Self {
            speakers,
            received: hear.bridged.load(Relaxed),
            ignored: hear.ignored.load(Relaxed),
            unknown: hear.unknown.load(Relaxed),
            decrypted: hear.decrypted.load(Relaxed),
            unencrypted: hear.unencrypted.load(Relaxed),
            sent: send.sent.load(Relaxed),
            concealed: send.concealed.load(Relaxed),
            trimmed: send.trimmed.load(Relaxed),
            unfit: send.unfit.load(Relaxed),
            overflowed: send.overflowed.load(Relaxed),
        }
    }
}
