//! What the voice side counts, for all channels together.

use std::sync::LazyLock;

use bridge_kit::telemetry::instrument::CounterHandle;

use super::frame::Unfit;
use crate::instruments;

/// The counters of dropped packets, looked up once: what happens for a packet allocates nothing.
static DROPPED: LazyLock<Dropped> = LazyLock::new(Dropped::new);

struct Dropped {
    ignored_user: CounterHandle,
    unknown_ssrc: CounterHandle,
    unencrypted: CounterHandle,
    queue_full: CounterHandle,
    too_long: CounterHandle,
    not_one_tick: CounterHandle,
}

impl Dropped {
    fn new() -> Self {
        let counter = |reason| instruments::DROPPED.with([reason]);
        Self {
            ignored_user: counter("ignored_user"),
            unknown_ssrc: counter("unknown_ssrc"),
            unencrypted: counter("unencrypted"),
            queue_full: counter("queue_full"),
            too_long: counter("too_long"),
            not_one_tick: counter("not_20_ms"),
        }
    }
}

pub(super) fn line_lost() {
    instruments::LINES_LOST.get().increment(1);
}

pub(super) fn received() {
    instruments::RECEIVED.get().increment(1);
}

pub(super) fn ignored() {
    DROPPED.ignored_user.increment(1);
}

pub(super) fn unknown(packets: u64) {
    DROPPED.unknown_ssrc.increment(packets);
}

pub(super) fn unencrypted() {
    DROPPED.unencrypted.increment(1);
}

pub(super) fn sent() {
    instruments::SENT.get().increment(1);
}

pub(super) fn concealed() {
    instruments::CONCEALED.get().increment(1);
}

pub(super) fn trimmed(packets: u64) {
    instruments::TRIMMED.get().increment(packets);
}

pub(super) fn overflowed() {
    DROPPED.queue_full.increment(1);
}

pub(super) fn unfit(unfit: Unfit) {
    let counter = match unfit {
        Unfit::TooLong => &DROPPED.too_long,
        Unfit::NotOneTick => &DROPPED.not_one_tick,
    };
    counter.increment(1);
}
