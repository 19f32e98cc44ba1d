//! What an engine knows of one source.

use std::time::{Duration, Instant};

use super::past::Past;
use super::stats::Counters;
use super::voice::Voice;
use crate::codec::{Decoder, PROBE_LEN};
use crate::framer::{Batch, Framer};
use crate::opus::Packet;
use crate::place::{Place, Placer};
use crate::ring::{Ring, Stored};
use crate::speech::{Evidence, SILENT_LEVEL, Speech, level_of};
use crate::timeline::{HELD_UP, SILENT};
use crate::{FRAME_SAMPLES, InPacket, MAX_OPUS, SinkClock, SourceId, SourceSpec};

const FRAME: u64 = FRAME_SAMPLES as u64;

/// Quiet frames in a row that make a pause, in which a listener can be moved between streams unheard.
const PAUSE: u32 = 3;

/// Who has not paused for this long gives a queue before a clock no chance to follow his own.
const LONG_SPEECH: Duration = Duration::from_secs(20);

/// The gain of a source that is as loud as it came.
const UNTOUCHED: f32 = 1.0;

/// The most that a source is made louder.
const MAX_GAIN: f32 = 4.0;

#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) spec: SourceSpec,
    pub(super) ring: Ring,
    /// There while the source takes part in a mix.
    pub(super) voice: Option<Voice>,
    pub(super) last_received: Option<Instant>,
    /// What it sounded like before it was mixed, kept for the tick in which encoders want to know.
    pub(super) past: Option<Past>,
    /// Whether the others are quieter while it speaks.
    pub(super) priority: bool,
    /// How loud it is in mixes, as a factor.
    pub(super) gain: f32,
    /// Bits that stand for it, or for those who speak in it.
    pub(super) marks: u64,
    /// Since when it speaks without a pause.
    unbroken: Option<Instant>,
    placer: Placer,
    framer: Framer,
    speech: Speech,
    probe: Option<Probe>,
    /// Place after all frames so far.
    next: u64,
    /// Frames lost and paused since the last one that was complete.
    gap: Gap,
    ended_by_silence: bool,
}

/// What lies before a frame, in frames.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    lost: u32,
    paused: u64,
}

/// Frames that a packet completed, the first at `index`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) index: u64,
    pub(super) lost: u32,
    pub(super) paused: u64,
    /// It belongs before frames that came earlier.
    pub(super) late: bool,
    /// It is the frame that ends a talk spurt.
    pub(super) silence: bool,
    /// Its speaker is between words.
    pub(super) pause: bool,
    /// How loud its sender says it is, −dBov (RFC 6464).
    pub(super) level: Option<u8>,
    /// How late it may come without a pause before it; none where the source's media time tells of pauses.
    pub(super) patience: Option<Duration>,
    pub(super) received: Instant,
}

impl Source {
    pub(super) fn new(id: SourceId, spec: SourceSpec) -> Self {
        Self {
            id,
            marks: spec.marks,
            spec,
            ring: Ring::new(),
            voice: None,
            last_received: None,
            past: None,
            priority: false,
            gain: UNTOUCHED,
            unbroken: None,
            placer: Placer::default(),
            framer: Framer::default(),
            speech: Speech::default(),
            probe: None,
            next: 0,
            gap: Gap::default(),
            ended_by_silence: false,
        }
    }

    /// Takes a packet; `batch` gets the frames that it completes. `None` where there is nothing to hand on. One that is not
    /// `heard` by any sink is not decoded.
    pub(super) fn take(
        &mut self,
        now: Instant,
        packet: &InPacket<'_>,
        heard: bool,
        batch: &mut Batch,
        counters: &mut Counters,
    ) -> Option<Arrival> {
        if packet.opus.is_empty() {
            self.placer.skip(packet.sequence);
            return None;
        }
        counters.received += 1;
        let Ok(opus) = Packet::parse(packet.opus) else {
            counters.malformed += 1;
            return None;
        };
        match self.placer.place(packet, opus.samples()) {
            Place::Next { position, lost } => {
                self.last_received = Some(packet.received);
                self.marks = packet.marks.unwrap_or(self.marks);
                let patience = self.patience(packet);
                let evidence = self.evidence(&opus, packet.level, heard, counters);
                self.hear(now, evidence);
                let gap = self.advance(position, lost);
                counters.lost += u64::from(gap.lost);
                if !heard && !self.framer.needs_no_decoder(&opus) {
                    self.framer.restart();
                    return None;
                }
                self.complete(packet, &opus, patience, batch, counters)
            }
            Place::Late { position } => self.take_late(packet, &opus, position / FRAME, batch, counters),
            Place::Old => {
                counters.late += 1;
                None
            }
        }
    }

    /// Whether a packet goes on as it is, in the course of a talk spurt, to sinks with this clock.
    pub(super) fn takes_untouched(&self, now: Instant, clock: SinkClock, packet: &InPacket<'_>) -> bool {
        let tells_speech = self.spec.gated || packet.level.is_some();
        tells_speech
            && self.is_active()
            && self.can_be_forwarded(now, clock)
            && Packet::parse(packet.opus).is_ok_and(|opus| self.framer.passes(&opus))
    }

    pub(super) fn refresh(&mut self, now: Instant) -> bool {
        let active = self.speech.refresh(now);
        if !active || self.is_pausing() {
            self.unbroken = None;
        } else {
            self.unbroken.get_or_insert(now);
        }
        active
    }

    /// Whether a sink with this clock can hear its packets as they are.
    pub(super) fn can_be_forwarded(&self, now: Instant, clock: SinkClock) -> bool {
        let is_long = |since: Instant| now.saturating_duration_since(since) >= LONG_SPEECH;
        let drifts = clock == SinkClock::Ticks && self.unbroken.is_some_and(is_long);
        !drifts && (self.gain - UNTOUCHED).abs() < f32::EPSILON
    }

    /// Makes it louder or quieter; what is no number changes nothing.
    pub(super) fn set_gain(&mut self, gain: f32) {
        if !gain.is_nan() {
            self.gain = gain.clamp(0.0, MAX_GAIN);
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.speech.is_active()
    }

    /// What it sounded like until this tick of the mix; for the encoders that begin in it, heard once for all of them.
    pub(super) fn past(&mut self) -> Option<&Past> {
        if self.past.is_none() {
            self.past = self.voice.as_ref()?.past(&self.ring).ok();
        }
        self.past.as_ref()
    }

    /// Whether it speaks, and has priority.
    pub(super) fn leads(&self) -> bool {
        self.priority && self.is_active()
    }

    /// When it stops to be active, if nothing more comes.
    pub(super) fn active_until(&self) -> Option<Instant> {
        self.speech.until()
    }

    /// Whether it is between words: by what its packets say, or by how it sounds in a mix.
    pub(super) fn is_pausing(&self) -> bool {
        let heard = self.voice.as_ref().map_or(0, Voice::quiet);
        self.speech.quiet().max(heard) >= PAUSE
    }

    /// Whether its last packet was the silence that ends a talk spurt.
    pub(super) fn ended_by_silence(&self) -> bool {
        self.ended_by_silence
    }

    /// Place of the newest frame, or of the first one to come.
    pub(super) fn newest(&self) -> u64 {
        self.ring.newest().unwrap_or(self.next)
    }

    /// How late a packet may come without a pause before it.
    fn patience(&self, packet: &InPacket<'_>) -> Option<Duration> {
        let in_speech = self.speech.quiet() == 0;
        let limit = if in_speech { HELD_UP } else { SILENT };
        packet.media_time.is_none().then_some(limit)
    }

    /// Judges whether the packet is speech. A new talk spurt is a chance to forward again what had to be transcoded.
    fn hear(&mut self, now: Instant, evidence: Evidence) {
        let was_active = self.speech.refresh(now);
        self.ended_by_silence = evidence == Evidence::EndOfSpurt;
        self.speech.observe(now, evidence);
        if !was_active && self.speech.is_active() {
            self.framer.restart();
        }
    }

    fn evidence(&mut self, opus: &Packet<'_>, level: Option<u8>, heard: bool, counters: &mut Counters) -> Evidence {
        if opus.is_silence() {
            return Evidence::EndOfSpurt;
        }
        if opus.is_dtx() {
            return Evidence::Nothing;
        }
        if self.spec.gated {
            return Evidence::Speech;
        }
        if let Some(level) = level {
            return Evidence::Level(level);
        }
        if !heard {
            return Evidence::Nothing;
        }
        // CELT has no voice activity bit, and that of SILK takes a new noise for speech at first: so the packet is measured,
        // and the bit only says what is none. Where libopus fails (no memory), silence is the answer that does no harm.
        counters.decoded += 1;
        let level = Probe::of(&mut self.probe).and_then(|probe| probe.level(opus.bytes()));
        let level = level.unwrap_or(SILENT_LEVEL);
        match opus.vad() {
            Some(false) => Evidence::NoVoice(level),
            _ => Evidence::Level(level),
        }
    }

    /// Moves on to the packet at `position`, in samples, `lost` samples after the one before it.
    fn advance(&mut self, position: u64, lost: u64) -> Gap {
        if lost > 0 {
            self.framer.flush();
        }
        if self.framer.is_partial() {
            return Gap::default();
        }
        let index = position.div_ceil(FRAME).max(self.next);
        let missing = index - self.next;
        let lost_frames = if lost > 0 { missing.min(lost.div_ceil(FRAME)) } else { 0 };
        let gap = Gap {
            lost: u32::try_from(lost_frames).unwrap_or(u32::MAX),
            paused: missing - lost_frames,
        };
        self.next = index;
        self.gap.lost = self.gap.lost.saturating_add(gap.lost);
        self.gap.paused += gap.paused;
        gap
    }

    fn complete(
        &mut self,
        packet: &InPacket<'_>,
        opus: &Packet<'_>,
        patience: Option<Duration>,
        batch: &mut Batch,
        counters: &mut Counters,
    ) -> Option<Arrival> {
        if self.framer.push(opus, batch).is_err() {
            counters.malformed += 1;
            self.framer.restart();
        }
        counters.transcoded += u64::from(batch.transcoded);
        let index = self.next;
        for frame in batch.iter() {
            self.ring.insert(self.next, frame, packet.received);
            self.next += 1;
        }
        if self.next == index {
            return None;
        }
        let gap = std::mem::take(&mut self.gap);
        Some(Arrival {
            index,
            lost: gap.lost,
            paused: gap.paused,
            late: false,
            silence: opus.is_silence(),
            pause: self.is_pausing(),
            level: said_level(packet, opus),
            patience,
            received: packet.received,
        })
    }

    /// A packet that came late is of use where it is one frame; splitting and merging happen in order.
    fn take_late(
        &mut self,
        packet: &InPacket<'_>,
        opus: &Packet<'_>,
        index: u64,
        batch: &mut Batch,
        counters: &mut Counters,
    ) -> Option<Arrival> {
        if self.ring.at(index).is_some() {
            counters.duplicates += 1;
            return None;
        }
        counters.late += 1;
        if opus.samples() != FRAME_SAMPLES || opus.bytes().len() > MAX_OPUS {
            return None;
        }
        if self.ring.insert(index, opus.bytes(), packet.received) != Stored::New {
            return None;
        }
        batch.push(opus.bytes());
        Some(Arrival {
            index,
            lost: 0,
            paused: 0,
            late: true,
            silence: false,
            pause: false,
            level: said_level(packet, opus),
            patience: None,
            received: packet.received,
        })
    }
}

/// The level that came with a packet; one of digital silence needs none to be known.
fn said_level(packet: &InPacket<'_>, opus: &Packet<'_>) -> Option<u8> {
    let silence = opus.is_silence().then_some(SILENT_LEVEL);
    packet.level.map(|level| level.min(SILENT_LEVEL)).or(silence)
}

/// Measures how loud packets are that say nothing of it themselves.
#[derive(Debug)]
struct Probe {
    decoder: Decoder,
    samples: Vec<f32>,
}

impl Probe {
    /// The probe in `slot`, made if there is none yet.
    fn of(slot: &mut Option<Self>) -> Option<&mut Self> {
        if slot.is_none() {
            *slot = Decoder::probe().ok().map(|decoder| Self {
                decoder,
                samples: vec![0.0; PROBE_LEN],
            });
        }
        slot.as_mut()
    }

    fn level(&mut self, opus: &[u8]) -> Option<u8> {
        let length = self.decoder.decode(opus, &mut self.samples).ok()?;
        self.samples.get(..length).map(level_of)
    }
}
