//! What one sink hears, and when that changes.

use std::time::{Duration, Instant};

use super::group::{GroupId, Key};
use super::mask::{Mask, Slot};
use super::outbox::Recipient;
use super::source::{Arrival, Source};
use super::voice::Voice;
use crate::codec::Coding;
use crate::timeline::{Stamp, Timeline};
use crate::{Except, FRAME, Groups, SinkId, SinkSpec, SourceId};

/// Frames of silence after a talk spurt, as Discord's own clients send them.
const TAIL: u8 = 5;

/// Frames of silence between a mix and the speaker who is forwarded after it: they bring a decoder to where a new talk spurt
/// would find it.
const BETWEEN: u8 = 2;

/// Loss is known in steps of this many percent, up to a limit beyond which nothing helps.
const LOSS_STEP: u8 = 5;
const MOST_LOSS: u8 = 30;

/// Below this loss, in percent, concealment is enough.
const LEAST_LOSS: u8 = 2;

/// A source that ends its spurt with frames of silence of its own may be late with the next by this much.
const TAIL_PATIENCE: Duration = Duration::from_millis(30);

#[derive(Debug)]
pub(super) struct Sink {
    pub(super) id: SinkId,
    pub(super) spec: SinkSpec,
    /// The sources that it may hear.
    pub(super) hears: Mask,
    pub(super) timeline: Timeline,
    pub(super) mode: Mode,
    /// Bits of those who speak, of all whom it hears.
    marks: u64,
    /// Share of its packets that get lost on their way, in percent, in steps of [`LOSS_STEP`].
    loss: u8,
}

#[derive(Debug)]
pub(super) enum Mode {
    /// Nobody speaks.
    Idle {
        /// Silence still to be sent after the last spurt.
        tail: Option<Tail>,
    },
    /// One speaks and is heard untouched.
    Forward {
        source: Slot,
        /// Place of the newest frame of his that was handed over.
        last: Option<u64>,
        /// Something else was heard until now, so that a frame of silence goes before his first.
        follows: bool,
    },
    /// Several speak, or did until the last pause.
    Mix(Mixed),
}

/// A sink in a mix.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    /// Whose packets it got last.
    pub(super) group: Option<GroupId>,
    /// A source and the newest frame of his that was forwarded to it: the mix begins after that one.
    pub(super) heard: Option<(Slot, u64)>,
    /// The mix that this tick still owes it.
    pub(super) due: Option<Key>,
    /// Frames of silence that it got instead, since the only one who still speaks has paused.
    pub(super) silences: Option<u8>,
}

/// The silence that ends a spurt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) left: u8,
    pub(super) due: Instant,
    /// Who may send it himself.
    pub(super) source: Option<Slot>,
}

impl Tail {
    /// The rest after one frame of it went out, the next by `due`.
    pub(super) fn rest(self, due: Instant) -> Option<Self> {
        (self.left > 1).then_some(Self {
            left: self.left - 1,
            due,
            ..self
        })
    }

    /// The rest after its source's own frame came at `now`.
    pub(super) fn rest_of_source(self, now: Instant) -> Option<Self> {
        self.rest(now + TAIL_PATIENCE)
    }

    /// The rest after the engine's own frame.
    pub(super) fn rest_of_own(self, now: Instant) -> Option<Self> {
        self.rest((self.due + FRAME).max(now))
    }
}

impl Sink {
    pub(super) fn new(now: Instant, id: SinkId, spec: SinkSpec) -> Self {
        Self {
            id,
            spec,
            hears: Mask::default(),
            timeline: Timeline::new(now),
            mode: Mode::Idle { tail: None },
            marks: 0,
            loss: 0,
        }
    }

    /// Takes what is known of packets lost on the way to it, in percent.
    pub(super) fn set_loss(&mut self, percent: u8) {
        // Small changes would cost an encoder each.
        self.loss = match percent {
            ..LEAST_LOSS => 0,
            _ => percent.min(MOST_LOSS).next_multiple_of(LOSS_STEP),
        };
    }

    /// Whether it may hear a source.
    pub(super) fn may_hear(&self, id: SourceId, groups: Groups) -> bool {
        match self.spec.except {
            Except::Nobody => true,
            Except::Source(except) => except != id,
            Except::Group(except) => !groups.contains(&except),
            Except::Everybody => false,
        }
    }

    pub(super) fn is_mixing(&self) -> bool {
        matches!(self.mode, Mode::Mix(_))
    }

    /// Decides anew what it hears while `active` speak. Returns whether a mix begins for it.
    pub(super) fn decide(&mut self, now: Instant, active: Mask, sources: &[Option<Source>]) -> bool {
        let heard = self.hears.and(active);
        let source = |slot: Slot| sources.get(slot).and_then(Option::as_ref);
        let marks = heard.slots().filter_map(source).map(|source| source.marks);
        self.marks = marks.fold(0, |all, marks| all | marks);
        let clock = self.spec.clock;
        let untouched = |slot: &Slot| source(*slot).is_some_and(|source| source.can_be_forwarded(now, clock));
        match (&self.mode, heard.only().filter(untouched)) {
            (Mode::Idle { .. }, _) if heard.is_empty() => {}
            (&Mode::Forward { source: slot, .. }, Some(only)) if slot == only => {}
            (&Mode::Forward { source: slot, .. }, _) if heard.is_empty() => {
                let by_silence = source(slot).is_some_and(Source::ended_by_silence);
                self.rest(now, by_silence.then_some(slot));
            }
            (Mode::Mix(_), _) if heard.is_empty() => self.rest(now, None),
            (Mode::Mix(_), Some(only)) if source(only).is_some_and(Source::is_pausing) => self.leave_mix(only),
            (Mode::Mix(_), _) => self.stay_in_mix(),
            (_, Some(only)) => self.forward(only),
            (&Mode::Forward { source, last, .. }, None) => return self.mix(last.map(|last| (source, last))),
            (Mode::Idle { .. }, None) => return self.mix(None),
        }
        false
    }

    /// Whom its packets go to, and what they are marked with now.
    pub(super) fn recipient(&self) -> Recipient {
        Recipient {
            sink: self.id,
            marks: self.marks,
        }
    }

    /// Whom it hears untouched, and the newest frame of his that it got.
    pub(super) fn forwarded(&self) -> Option<(Slot, u64)> {
        match self.mode {
            Mode::Forward { source, last, .. } => Some((source, last?)),
            _ => None,
        }
    }

    /// Stamps a frame of a source, if this sink is to have it as it came.
    pub(super) fn forward_frame(&mut self, now: Instant, slot: Slot, arrival: &Arrival, offset: u64) -> Option<Stamp> {
        let index = arrival.index + offset;
        match &mut self.mode {
            Mode::Forward { source, .. } if *source == slot && arrival.late => {
                self.spec.late_packets.then(|| self.timeline.late(index)).flatten()
            }
            Mode::Forward { source, last, .. } if *source == slot => {
                *last = Some(index);
                let (lost, paused) = if offset == 0 {
                    (arrival.lost, arrival.paused)
                } else {
                    (0, 0)
                };
                Some(
                    self.timeline
                        .follow(arrival.received, index, lost, paused, arrival.patience),
                )
            }
            Mode::Idle { tail: Some(tail) } if arrival.silence && tail.source == Some(slot) => {
                let rest = tail.rest_of_source(now);
                self.mode = Mode::Idle { tail: rest };
                Some(self.timeline.silence(arrival.received))
            }
            _ => None,
        }
    }

    /// Stamps the frame of silence that goes before the first one of a source, if there is to be one.
    pub(super) fn lead_in(&mut self, slot: Slot, arrival: &Arrival) -> Option<Stamp> {
        match &mut self.mode {
            Mode::Forward { source, follows, .. } if *source == slot && !arrival.late => {
                std::mem::take(follows).then(|| self.timeline.silence(arrival.received))
            }
            _ => None,
        }
    }

    /// When the next frame of silence is due.
    pub(super) fn tail_due(&self) -> Option<Instant> {
        match &self.mode {
            Mode::Idle { tail } => tail.map(|tail| tail.due),
            _ => None,
        }
    }

    /// Stamps a frame of silence, if one is due.
    pub(super) fn tail_frame(&mut self, now: Instant) -> Option<Stamp> {
        let Mode::Idle { tail: Some(tail) } = self.mode else {
            return None;
        };
        if tail.due > now {
            return None;
        }
        self.mode = Mode::Idle {
            tail: tail.rest_of_own(now),
        };
        Some(self.timeline.silence(tail.due))
    }

    /// Says that a tick made a frame of these voices. What was forwarded to this sink before is not repeated in a mix.
    pub(super) fn expect_mix(&mut self, voices: Mask, sources: &[Option<Source>]) {
        let Mode::Mix(mixed) = &mut self.mode else {
            return;
        };
        let played_to = |slot: Slot| sources.get(slot)?.as_ref()?.voice.as_ref().map(Voice::played_to);
        mixed.heard = mixed
            .heard
            .filter(|&(slot, last)| played_to(slot).is_some_and(|next| next <= last + 1));
        let hears_it = mixed.heard.is_none() && mixed.silences.is_none();
        mixed.due = hears_it.then_some(Key {
            heard: self.hears.and(voices),
            coding: Coding {
                channels: self.spec.channels,
                limit: self.spec.bitrate,
                loss: self.loss,
            },
        });
    }

    /// The mix that this tick still owes it.
    pub(super) fn due(&self) -> Option<Key> {
        match &self.mode {
            Mode::Mix(mixed) => mixed.due,
            _ => None,
        }
    }

    /// Whose packets it got last.
    pub(super) fn group(&self) -> Option<GroupId> {
        match &self.mode {
            Mode::Mix(mixed) => mixed.group,
            _ => None,
        }
    }

    /// Stamps this tick's packet, made by `group`.
    pub(super) fn take_mix(&mut self, tick: Instant, group: GroupId) -> Stamp {
        if let Mode::Mix(mixed) = &mut self.mode {
            mixed.due = None;
            mixed.group = Some(group);
        }
        self.timeline.mixed(tick)
    }

    /// Stamps this tick's frame of silence, if it is leaving the mix.
    pub(super) fn take_silence(&mut self, tick: Instant) -> Option<Stamp> {
        let Mode::Mix(mixed) = &mut self.mode else {
            return None;
        };
        let silences = mixed.silences.as_mut()?;
        *silences = silences.saturating_add(1);
        Some(self.timeline.mixed(tick))
    }

    /// Forgets a source that is gone.
    pub(super) fn forget(&mut self, now: Instant, slot: Slot) {
        self.hears = self.hears.without(slot);
        match &mut self.mode {
            Mode::Forward { source, .. } if *source == slot => self.rest(now, None),
            Mode::Mix(mixed) => mixed.heard = mixed.heard.filter(|(source, _)| *source != slot),
            Mode::Idle { tail: Some(tail) } => tail.source = tail.source.filter(|source| *source != slot),
            _ => {}
        }
    }

    fn rest(&mut self, now: Instant, source: Option<Slot>) {
        let due = if source.is_some() { now + TAIL_PATIENCE } else { now };
        let tail = Tail {
            left: TAIL,
            due,
            source,
        };
        self.mode = Mode::Idle { tail: Some(tail) };
        self.timeline.pause();
    }

    fn forward(&mut self, source: Slot) {
        let follows = match &self.mode {
            Mode::Idle { tail } => tail.is_some_and(|tail| tail.left == TAIL),
            Mode::Forward { .. } => true,
            Mode::Mix(_) => false,
        };
        self.mode = Mode::Forward {
            source,
            last: None,
            follows,
        };
        self.timeline.pause();
    }

    /// Goes on to forwarding the only one who still speaks, and who has paused, after some silence.
    fn leave_mix(&mut self, only: Slot) {
        let Mode::Mix(mixed) = &mut self.mode else {
            return;
        };
        if *mixed.silences.get_or_insert(0) >= BETWEEN {
            self.forward(only);
        }
    }

    fn stay_in_mix(&mut self) {
        if let Mode::Mix(mixed) = &mut self.mode
            && mixed.silences.take().is_some_and(|silences| silences > 0)
        {
            // Its decoder has to find into the mix again.
            mixed.group = None;
        }
    }

    fn mix(&mut self, heard: Option<(Slot, u64)>) -> bool {
        self.mode = Mode::Mix(Mixed {
            heard,
            ..Mixed::default()
        });
        true
    }
}
