//! Decodes, mixes and encodes every 20 ms while some sink hears several speakers.

use std::time::{Duration, Instant};

use opus2::Error;

use super::ducking::{Depth, Ducking};
use super::group::{Group, GroupId, Key};
use super::mask::{Mask, Slot};
use super::outbox::{Content, Outbox};
use super::past::REHEARSED;
use super::sink::Sink;
use super::source::Source;
use super::stats::Counters;
use super::voice::{Played, STEREO_LEN, Tick, Voice};
use crate::codec::FRAME_LEN;
use crate::speech::level_of;
use crate::{Channels, FRAME, MAX_OPUS};

/// A frame that waits for the packet of whoever clocks the mix is made this long after that was expected, without it.
const MARGIN: Duration = Duration::from_millis(10);

/// An owner that comes later than this has left ticks out.
const TOO_LATE: Duration = Duration::from_millis(100);

/// The clock, the encoders and the buffers of a room's mixes.
///
/// Where a speaker was forwarded when the mix began, his packets go on to be its clock: each makes a frame when it comes, so
/// that he is heard no later than before, and one that is missing is made up for after [`MARGIN`]. The others' packets wait
/// for his. Where there is no such speaker, or a listener has a clock of his own, there is a frame every 20 ms.
#[derive(Debug)]
pub(super) struct Mixer {
    next: Instant,
    leader: Option<Leader>,
    groups: Vec<Group>,
    next_group: GroupId,
    /// Memory of one frame of one mix, and of what a voice is made of.
    samples: Vec<f32>,
    pcm: Vec<f32>,
    packet: Box<[u8; MAX_OPUS]>,
}

/// Who clocks a mix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leader {
    pub(super) slot: Slot,
    /// Place of the newest of his frames that there was a frame for.
    pub(super) last: u64,
    /// When that came.
    pub(super) received: Instant,
}

/// Whose voices are mixed, for whom.
pub(super) struct Floor<'a> {
    pub(super) sources: &'a mut [Option<Source>],
    pub(super) sinks: &'a mut [Sink],
    pub(super) out: &'a mut Outbox,
    pub(super) counters: &'a mut Counters,
}

impl Mixer {
    /// A mixer whose first frame follows the one of `leader` that was forwarded last.
    pub(super) fn new(now: Instant, leader: Option<Leader>) -> Self {
        let mut next = leader.map_or(now, |leader| leader.received + FRAME) + MARGIN;
        while next < now {
            next += FRAME;
        }
        Self {
            next,
            leader,
            groups: Vec::new(),
            next_group: 0,
            samples: Vec::with_capacity(STEREO_LEN),
            pcm: Vec::with_capacity(STEREO_LEN * 3),
            packet: Box::new([0; MAX_OPUS]),
        }
    }

    /// When the next frame is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Makes a frame every 20 ms from now on, whatever comes.
    pub(super) fn keep_time(&mut self) {
        self.leader = None;
    }

    /// Makes the frames that are due at `now`.
    pub(super) fn run(&mut self, now: Instant, floor: &mut Floor<'_>) {
        while now.saturating_duration_since(self.next) > TOO_LATE {
            self.next += FRAME;
            floor.counters.skipped += 1;
        }
        while self.next <= now {
            let due = self.next;
            self.next += FRAME;
            if let Some(leader) = &mut self.leader {
                leader.last += 1;
            }
            self.tick(due, floor);
        }
    }

    /// Makes the frames for which a packet has come from `slot`, if they wait for that.
    pub(super) fn run_with(&mut self, now: Instant, slot: Slot, floor: &mut Floor<'_>) {
        while let Some(leader) = self.leader.as_mut().filter(|leader| leader.slot == slot) {
            let source = floor.sources.get(slot).and_then(Option::as_ref);
            if source.is_none_or(|source| source.ring.at(leader.last + 1).is_none()) {
                return;
            }
            leader.last += 1;
            self.next = now + FRAME + MARGIN;
            self.tick(now, floor);
        }
    }

    fn tick(&mut self, now: Instant, floor: &mut Floor<'_>) {
        self.play_voices(now, floor.sources, floor.counters);
        self.serve(now, floor);
        for source in floor.sources.iter_mut().flatten() {
            source.past = None;
            // The decoders of those who stopped and have been faded out.
            if !source.is_active() && source.voice.as_ref().is_some_and(Voice::is_silent) {
                source.voice = None;
            }
        }
        let active = |leader: &Leader| {
            let source = floor.sources.get(leader.slot).and_then(Option::as_ref);
            source.is_some_and(Source::is_active)
        };
        self.leader = self.leader.filter(active);
        self.groups.retain_mut(Group::end_tick);
    }

    /// Moves the voice of each source in the mix on by one frame.
    fn play_voices(&mut self, now: Instant, sources: &mut [Option<Source>], counters: &mut Counters) {
        let leader = self.leader.map(|leader| leader.slot);
        for (slot, source) in sources.iter_mut().enumerate() {
            let Some(source) = source else { continue };
            let wanted = source.is_active();
            let tick = Tick {
                now,
                waits_for_it: leader == Some(slot),
            };
            let Some(voice) = &mut source.voice else { continue };
            match voice.tick(tick, &source.ring, wanted, source.gain, &mut self.pcm) {
                Played::Frame => counters.decoded += 1,
                Played::Concealed => counters.concealed += 1,
                Played::Nothing => {}
            }
        }
    }

    /// Hands each mixing sink its frame, encoded once for all who hear the same.
    fn serve(&mut self, tick: Instant, floor: &mut Floor<'_>) {
        let voices = voices(floor.sources);
        for sink in floor.sinks.iter_mut() {
            sink.expect_mix(voices, floor.sources);
            if let Some(stamp) = sink.take_silence(tick) {
                let silence = Content::silence(floor.out);
                floor.out.push(sink.recipient(), stamp, &silence);
            }
        }
        while let Some(key) = floor.sinks.iter().find_map(Sink::due) {
            let (id, changed) = self.choose_group(key, floor.sinks);
            let encoded = self.encode(key, id, changed, floor.sources, floor.counters);
            floor.counters.encoded += 1;
            let (opus, level) = encoded.unwrap_or_default();
            let content = Content {
                bytes: floor.out.store(opus),
                source: None,
                level: Some(level),
                late: false,
                pause: false,
            };
            for sink in floor.sinks.iter_mut().filter(|sink| sink.due() == Some(key)) {
                let stamp = sink.take_mix(tick, id);
                floor.counters.mixed += 1;
                floor.out.push(sink.recipient(), stamp, &content);
            }
        }
    }

    /// The group for the sinks that are due for this mix: one that some of them heard last, else a new one. Also
    /// whether any of them heard another.
    fn choose_group(&self, key: Key, sinks: &[Sink]) -> (GroupId, bool) {
        let members = || sinks.iter().filter(|sink| sink.due() == Some(key)).map(Sink::group);
        let free = |id: &GroupId| {
            let mut groups = self.groups.iter();
            groups.any(|group| group.id == *id && group.is_free() && group.coding == key.coding)
        };
        let id = members().flatten().find(free).unwrap_or(self.next_group);
        (id, members().any(|group| group != Some(id)))
    }

    /// Encodes this tick's frame of a mix, and says how loud it is. Where its listeners `changed`, the frame stands for itself, since some of
    /// their decoders heard other frames before.
    fn encode(
        &mut self,
        key: Key,
        id: GroupId,
        changed: bool,
        sources: &mut [Option<Source>],
        counters: &mut Counters,
    ) -> Result<(&[u8], u8), Error> {
        let Self {
            groups,
            samples,
            packet,
            ..
        } = self;
        let group = if let Some(position) = groups.iter().position(|group| group.id == id) {
            groups.get_mut(position)
        } else {
            self.next_group += 1;
            let mut group = Group::new(id, key.coding)?;
            rehearse(&mut group, key, sources, samples, packet)?;
            groups.push(group);
            groups.last_mut()
        };
        let Some(group) = group else {
            return Ok(Default::default());
        };
        counters.ducked += u64::from(group.ducking.advance(key.heard, leaders(key, sources)));
        sum(key, sources, &group.ducking, samples);
        let length = group.encode(samples, changed, packet)?;
        Ok((packet.get(..length).unwrap_or_default(), level_of(samples)))
    }
}

/// Has an encoder hear what its mix sounded like until now, so that it begins in the middle of it.
fn rehearse(
    group: &mut Group,
    key: Key,
    sources: &mut [Option<Source>],
    samples: &mut Vec<f32>,
    packet: &mut [u8; MAX_OPUS],
) -> Result<(), Error> {
    let channels = key.coding.channels.count();
    for number in 0..REHEARSED {
        samples.clear();
        samples.resize(FRAME_LEN * channels, 0.0);
        let sources = sources.iter_mut().enumerate();
        for (_, source) in sources.filter(|(slot, _)| key.heard.contains(*slot)) {
            if let Some(past) = source.as_mut().and_then(Source::past) {
                past.add(number, channels, samples);
            }
        }
        group.encode(samples, false, packet)?;
    }
    Ok(())
}

/// The sources that have a voice in the mix.
fn voices(sources: &[Option<Source>]) -> Mask {
    let slots = sources.iter().enumerate();
    slots
        .filter(|(_, source)| source.as_ref().is_some_and(|source| source.voice.is_some()))
        .map(|(slot, _)| slot)
        .collect()
}

/// The sources in a mix that have priority and speak.
fn leaders(key: Key, sources: &[Option<Source>]) -> Mask {
    let slots = sources.iter().enumerate();
    slots
        .filter(|(slot, source)| key.heard.contains(*slot) && source.as_ref().is_some_and(Source::leads))
        .map(|(slot, _)| slot)
        .collect()
}

/// Adds up what `key` hears.
fn sum(key: Key, sources: &[Option<Source>], ducking: &Ducking, samples: &mut Vec<f32>) {
    samples.clear();
    samples.resize(FRAME_LEN * key.coding.channels.count(), 0.0);
    for (slot, source) in sources.iter().enumerate().filter(|(slot, _)| key.heard.contains(*slot)) {
        let Some(voice) = source.as_ref().and_then(|source| source.voice.as_ref()) else {
            continue;
        };
        let depth = ducking.depth(slot);
        match key.coding.channels {
            Channels::Stereo => add_stereo(samples, voice.frame(), depth),
            Channels::Mono => add_mono(samples, voice.frame(), depth),
        }
    }
}

fn add_stereo(samples: &mut [f32], voice: &[f32], depth: Depth) {
    let pairs = samples.chunks_exact_mut(2).zip(voice.chunks_exact(2));
    for ((samples, pair), gain) in pairs.zip(depth.gains()) {
        for (sample, voice) in samples.iter_mut().zip(pair) {
            *sample += voice * gain;
        }
    }
}

fn add_mono(samples: &mut [f32], voice: &[f32], depth: Depth) {
    let pairs = samples.iter_mut().zip(voice.chunks_exact(2));
    for ((sample, pair), gain) in pairs.zip(depth.gains()) {
        *sample += pair.iter().sum::<f32>() / 2.0 * gain;
    }
}
