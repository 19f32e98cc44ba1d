//! A room in virtual time: people who speak, a network, and listeners who record what an engine sends them.

pub(crate) mod speech;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use voice_media::{Engine, InPacket, SinkId, SinkSpec, SourceId, SourceSpec, Stats};

pub(crate) const FRAME: usize = 960;

/// One packet on its way into the engine.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Microseconds since the room opened.
    pub(crate) at: u64,
    pub(crate) source: u64,
    pub(crate) opus: Vec<u8>,
    pub(crate) sequence: u64,
    pub(crate) media_time: Option<u64>,
    pub(crate) level: Option<u8>,
}

/// One packet that a listener got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Microseconds since the room opened.
    pub(crate) at: u64,
    pub(crate) opus: Vec<u8>,
    pub(crate) media_time: u64,
    pub(crate) sequence: u64,
    pub(crate) marker: bool,
    pub(crate) lost_before: u32,
    pub(crate) late: bool,
    pub(crate) level: Option<u8>,
    pub(crate) pause: bool,
    pub(crate) marks: u64,
    pub(crate) source: Option<SourceId>,
}

pub(crate) struct Room {
    pub(crate) engine: Engine,
    pub(crate) start: Instant,
    pub(crate) heard: BTreeMap<SinkId, Vec<Heard>>,
    /// Packets that the engine said beforehand it would only hand on.
    pub(crate) untouched: usize,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            engine: Engine::new(),
            start: Instant::now(),
            heard: BTreeMap::new(),
            untouched: 0,
        }
    }

    pub(crate) fn source(&mut self, id: u64) -> SourceId {
        self.source_with(id, SourceSpec::new(format!("source {id}")))
    }

    pub(crate) fn source_with(&mut self, id: u64, spec: SourceSpec) -> SourceId {
        self.engine.add_source(SourceId::new(id), spec).expect("there is room");
        SourceId::new(id)
    }

    pub(crate) fn sink(&mut self, id: u64, edit: impl FnOnce(SinkSpec) -> SinkSpec) -> SinkId {
        let spec = edit(SinkSpec::new(format!("sink {id}")));
        self.engine
            .add_sink(self.start, SinkId::new(id), spec)
            .expect("there is room");
        self.heard.entry(SinkId::new(id)).or_default();
        SinkId::new(id)
    }

    /// Everybody in a room of `people`, each with a sink that does not hear himself.
    pub(crate) fn of(people: u64) -> Self {
        let mut room = Self::new();
        for id in 0..people {
            let source = room.source(id);
            room.sink(id, |spec| spec.except(source));
        }
        room
    }

    /// Runs the packets in the order of their arrival, then the time until half a second after the last.
    pub(crate) fn run(&mut self, packets: Vec<Packet>) {
        let end = packets.iter().map(|packet| packet.at).max().unwrap_or(0) + 500_000;
        self.run_without_end(packets);
        self.pass_time(end);
    }

    /// Runs the packets in the order of their arrival.
    pub(crate) fn run_without_end(&mut self, mut packets: Vec<Packet>) {
        packets.sort_by_key(|packet| packet.at);
        for packet in &packets {
            self.pass_time(packet.at);
            let now = self.at(packet.at);
            let input = InPacket {
                opus: &packet.opus,
                sequence: packet.sequence,
                media_time: packet.media_time,
                level: packet.level,
                marks: None,
                received: now,
            };
            let source = SourceId::new(packet.source);
            let untouched = self.engine.takes_untouched(now, source, &input);
            let before = self.engine.stats();
            self.engine.handle_packet(now, source, &input);
            if untouched {
                let after = self.engine.stats();
                let work = |of: Stats| (of.mixes, of.mixing, of.mixed, of.decoded, of.encoded, of.transcoded);
                assert_eq!(
                    work(before),
                    work(after),
                    "a packet that was to be handed on was worked on"
                );
                self.untouched += 1;
            }
            self.drain(packet.at);
        }
    }

    pub(crate) fn of_sink(&self, id: u64) -> &[Heard] {
        self.heard.get(&SinkId::new(id)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn at(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn pass_time(&mut self, until: u64) {
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= self.at(until)) {
            self.engine.handle_timeout(due);
            let micros = due.saturating_duration_since(self.start).as_micros();
            self.drain(u64::try_from(micros).expect("small"));
        }
    }

    pub(crate) fn drain(&mut self, at: u64) {
        while let Some((sink, packet)) = self.engine.poll_packet() {
            assert_eq!(packet.samples, 960);
            self.heard.entry(sink).or_default().push(Heard {
                at,
                opus: packet.opus.to_vec(),
                media_time: packet.media_time,
                sequence: packet.sequence,
                marker: packet.marker,
                lost_before: packet.lost_before,
                late: packet.late,
                level: packet.level,
                pause: packet.pause,
                marks: packet.marks,
                source: packet.source,
            });
        }
    }
}

/// How a person's packets are made and sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker {
    pub(crate) source: u64,
    /// Microseconds from the room's opening to his first packet.
    pub(crate) start: u64,
    /// Whether packets carry a media time and a level, as WebRTC's do.
    pub(crate) webrtc: bool,
}

impl Speaker {
    pub(crate) fn new(source: u64, start: u64) -> Self {
        Self {
            source,
            start,
            webrtc: false,
        }
    }

    pub(crate) fn webrtc(source: u64, start: u64) -> Self {
        Self {
            source,
            start,
            webrtc: true,
        }
    }

    /// One packet for each 20 ms of `pcm`, on time.
    pub(crate) fn send(self, pcm: &[f32], packets: &[Vec<u8>]) -> Vec<Packet> {
        let frames = (0_u64..).zip(packets.iter().zip(pcm.chunks(FRAME)));
        frames
            .map(|(index, (opus, samples))| Packet {
                at: self.start + index * 20_000,
                source: self.source,
                opus: opus.clone(),
                sequence: 1_000 + index,
                media_time: self.webrtc.then_some(77_777 + index * 960),
                level: self.webrtc.then(|| speech::level(samples)),
            })
            .collect()
    }
}

/// Decodes what a listener got into one recording in which each packet stands at its media time; what is missing is
/// concealed where a loss was announced and silent elsewhere.
pub(crate) fn record(heard: &[Heard]) -> Vec<f32> {
    let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Mono).expect("libopus works");
    let mut recording = Vec::new();
    let mut frame = [0.0; FRAME];
    for packet in heard {
        let start = usize::try_from(packet.media_time).expect("small");
        for _ in 0..packet.lost_before {
            decoder.decode_float(&[], &mut frame, false).expect("concealment works");
            recording.extend(frame);
        }
        if recording.len() < start {
            recording.resize(start, 0.0);
        }
        assert_eq!(recording.len(), start, "packets overlap");
        let length = decoder.decode_float(&packet.opus, &mut frame, false).expect("Opus");
        assert_eq!(length, FRAME);
        recording.extend(frame);
    }
    recording
}

/// Media time only grows, packets never overlap and numbers never repeat, whatever the source.
pub(crate) fn assert_monotonic(heard: &[Heard]) {
    for pair in heard.windows(2) {
        let [before, after] = pair else { continue };
        assert!(after.media_time >= before.media_time + 960, "{before:?} then {after:?}");
        assert_eq!(after.sequence, before.sequence + 1 + u64::from(after.lost_before));
        assert_eq!(after.media_time % 960, 0);
    }
}
