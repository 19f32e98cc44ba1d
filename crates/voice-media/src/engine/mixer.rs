//! Decodes, mixes and encodes every 20 ms while some sink hears several speakers.

use std::time::{Duration, Instant};

use opus2::Error;

use super::ducking::{Depth, Ducking};
use super::group::{Group, GroupId, Key};
use super::mask::Mask;
use super::outbox::{Content, Outbox};
use super::sink::Sink;
use super::source::Source;
use super::stats::Counters;
use super::voice::{Played, STEREO_LEN, Voice};
use crate::codec::FRAME_LEN;
use crate::speech::level_of;
use crate::{Channels, FRAME, MAX_OPUS};

/// The first tick comes this long after the forwarded speaker's next packet is expected: the jitter that costs nothing.
const MARGIN: Duration = Duration::from_millis(10);

/// An owner that comes later than this has left ticks out.
const TOO_LATE: Duration = Duration::from_millis(100);

/// The clock, the encoders and the buffers of a room's mixes.
#[derive(Debug)]
pub(super) struct Mixer {
    next: Instant,
    groups: Vec<Group>,
    next_group: GroupId,
    samples: Vec<f32>,
    packet: Box<[u8; MAX_OPUS]>,
}

impl Mixer {
    /// A mixer whose first tick follows the packet that `leader`, who was forwarded until now, sent last at that time.
    pub(super) fn new(now: Instant, leader: Option<Instant>) -> Self {
        let mut next = leader.map_or(now, |last| last + FRAME) + MARGIN;
        while next < now {
            next += FRAME;
        }
        Self {
            next,
            groups: Vec::new(),
            next_group: 0,
            samples: Vec::with_capacity(STEREO_LEN),
            packet: Box::new([0; MAX_OPUS]),
        }
    }

    /// When the next frame is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Makes the frames that are due at `now`.
    pub(super) fn run(
        &mut self,
        now: Instant,
        sources: &mut [Option<Source>],
        sinks: &mut [Sink],
        out: &mut Outbox,
        counters: &mut Counters,
    ) {
        while now.saturating_duration_since(self.next) > TOO_LATE {
            self.next += FRAME;
            counters.skipped += 1;
        }
        while self.next <= now {
            let tick = self.next;
            self.next += FRAME;
            play_voices(tick, sources, counters);
            self.serve(tick, sources, sinks, out, counters);
            drop_voices(sources);
            self.drop_groups();
        }
    }

    /// Hands each mixing sink its frame, encoded once for all who hear the same.
    fn serve(
        &mut self,
        tick: Instant,
        sources: &[Option<Source>],
        sinks: &mut [Sink],
        out: &mut Outbox,
        counters: &mut Counters,
    ) {
        let voices = voices(sources);
        for sink in sinks.iter_mut() {
            sink.expect_mix(voices, sources);
        }
        while let Some(key) = sinks.iter().find_map(Sink::due) {
            let (id, changed) = self.choose_group(key, sinks);
            let encoded = self.encode(key, id, changed, sources, counters);
            counters.encoded += 1;
            let (opus, level) = encoded.unwrap_or_default();
            let content = Content {
                bytes: out.store(opus),
                source: None,
                level: Some(level),
                late: false,
            };
            for sink in sinks.iter_mut().filter(|sink| sink.due() == Some(key)) {
                let stamp = sink.take_mix(tick, id);
                counters.mixed += 1;
                out.push(sink.id, stamp, &content);
            }
        }
    }

    /// The group for the sinks that are due for this mix: one that some of them heard last, else a new one. Also
    /// whether any of them heard another.
    fn choose_group(&self, key: Key, sinks: &[Sink]) -> (GroupId, bool) {
        let members = || sinks.iter().filter(|sink| sink.due() == Some(key)).map(Sink::group);
        let free = |id: &GroupId| {
            let mut groups = self.groups.iter();
            groups.any(|group| group.id == *id && group.is_free() && group.channels == key.channels)
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
        sources: &[Option<Source>],
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
            let mut group = Group::new(id, key.channels)?;
            sum(key, sources, &group.ducking, Voice::previous, samples);
            group.encode(samples, false, packet)?;
            groups.push(group);
            groups.last_mut()
        };
        let Some(group) = group else {
            return Ok(Default::default());
        };
        counters.ducked += u64::from(group.ducking.advance(key.heard, leaders(key, sources)));
        sum(key, sources, &group.ducking, Voice::frame, samples);
        let length = group.encode(samples, changed, packet)?;
        Ok((packet.get(..length).unwrap_or_default(), level_of(samples)))
    }

    fn drop_groups(&mut self) {
        self.groups.retain_mut(Group::end_tick);
    }
}

/// Moves the voice of each source in the mix on by one frame.
fn play_voices(tick: Instant, sources: &mut [Option<Source>], counters: &mut Counters) {
    for source in sources.iter_mut().flatten() {
        let wanted = source.is_active();
        if let Some(voice) = &mut source.voice
            && voice.tick(tick, &source.ring, wanted) == Played::Concealed
        {
            counters.concealed += 1;
        }
    }
}

/// Gives the decoders of those back who stopped and have been faded out.
fn drop_voices(sources: &mut [Option<Source>]) {
    for source in sources.iter_mut().flatten() {
        if !source.is_active() && source.voice.as_ref().is_some_and(Voice::is_silent) {
            source.voice = None;
        }
    }
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

/// Adds up what `key` hears, of each voice the frame that `frame` picks.
fn sum(
    key: Key,
    sources: &[Option<Source>],
    ducking: &Ducking,
    frame: impl Fn(&Voice) -> &[f32],
    samples: &mut Vec<f32>,
) {
    samples.clear();
    samples.resize(FRAME_LEN * key.channels.count(), 0.0);
    for (slot, source) in sources.iter().enumerate().filter(|(slot, _)| key.heard.contains(*slot)) {
        let Some(voice) = source.as_ref().and_then(|source| source.voice.as_ref()) else {
            continue;
        };
        let (voice, depth) = (frame(voice), ducking.depth(slot));
        match key.channels {
            Channels::Stereo => add_stereo(samples, voice, depth),
            Channels::Mono => add_mono(samples, voice, depth),
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
