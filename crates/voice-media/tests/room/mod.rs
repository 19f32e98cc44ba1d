//! A room in virtual time: people who speak, a network, and listeners who record what an engine sends them.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

pub mod speech;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use voice_media::{Engine, InPacket, SinkId, SinkSpec, SourceId, SourceSpec};

pub const FRAME: usize = 960;

/// One packet on its way into the engine.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Microseconds since the room opened.
    pub at: u64,
    pub source: u64,
    pub opus: Vec<u8>,
    pub sequence: u64,
    pub media_time: Option<u64>,
    pub level: Option<u8>,
}

/// One packet that a listener got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Microseconds since the room opened.
    pub at: u64,
    pub opus: Vec<u8>,
    pub media_time: u64,
    pub sequence: u64,
    pub marker: bool,
    pub lost_before: u32,
    pub late: bool,
    pub source: Option<SourceId>,
}

pub struct Room {
    pub engine: Engine,
    pub start: Instant,
    pub heard: BTreeMap<SinkId, Vec<Heard>>,
    /// Times that the engine asked to be woken.
    pub wakeups: u64,
}

impl Room {
    pub fn new() -> Self {
        Self {
            engine: Engine::new(),
            start: Instant::now(),
            heard: BTreeMap::new(),
            wakeups: 0,
        }
    }

    pub fn source(&mut self, id: u64) -> SourceId {
        self.source_with(id, SourceSpec::new(format!("source {id}")))
    }

    pub fn source_with(&mut self, id: u64, spec: SourceSpec) -> SourceId {
        self.engine.add_source(SourceId::new(id), spec).expect("there is room");
        SourceId::new(id)
    }

    pub fn sink(&mut self, id: u64, edit: impl FnOnce(SinkSpec) -> SinkSpec) -> SinkId {
        let spec = edit(SinkSpec::new(format!("sink {id}")));
        self.engine
            .add_sink(self.start, SinkId::new(id), spec)
            .expect("there is room");
        self.heard.entry(SinkId::new(id)).or_default();
        SinkId::new(id)
    }

    /// Everybody in a room of `people`, each with a sink that does not hear himself.
    pub fn of(people: u64) -> Self {
        let mut room = Self::new();
        for id in 0..people {
            let source = room.source(id);
            room.sink(id, |spec| spec.except(source));
        }
        room
    }

    /// Runs the packets in the order of their arrival, then the time until half a second after the last.
    pub fn run(&mut self, packets: Vec<Packet>) {
        let end = packets.iter().map(|packet| packet.at).max().unwrap_or(0) + 500_000;
        self.run_without_end(packets);
        self.pass_time(end);
    }

    /// Runs the packets in the order of their arrival.
    pub fn run_without_end(&mut self, mut packets: Vec<Packet>) {
        packets.sort_by_key(|packet| packet.at);
        for packet in &packets {
            self.pass_time(packet.at);
            let now = self.at(packet.at);
            let input = InPacket {
                opus: &packet.opus,
                sequence: packet.sequence,
                media_time: packet.media_time,
                level: packet.level,
                received: now,
            };
            self.engine.handle_packet(now, SourceId::new(packet.source), &input);
            self.drain(packet.at);
        }
    }

    pub fn of_sink(&self, id: u64) -> &[Heard] {
        self.heard.get(&SinkId::new(id)).map_or(&[], Vec::as_slice)
    }

    pub fn at(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn pass_time(&mut self, until: u64) {
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= self.at(until)) {
            self.wakeups += 1;
            self.engine.handle_timeout(due);
            let micros = due.saturating_duration_since(self.start).as_micros();
            self.drain(u64::try_from(micros).expect("small"));
        }
    }

    fn drain(&mut self, at: u64) {
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
                source: packet.source,
            });
        }
    }
}

/// How a person's packets are made and sent.
#[derive(Debug, Clone, Copy)]
pub struct Speaker {
    pub source: u64,
    /// Microseconds from the room's opening to his first packet.
    pub start: u64,
    /// Whether packets carry a media time and a level, as WebRTC's do.
    pub webrtc: bool,
}

impl Speaker {
    pub fn new(source: u64, start: u64) -> Self {
        Self {
            source,
            start,
            webrtc: false,
        }
    }

    pub fn webrtc(source: u64, start: u64) -> Self {
        Self {
            source,
            start,
            webrtc: true,
        }
    }

    /// One packet for each 20 ms of `pcm`, on time.
    pub fn send(self, pcm: &[f32], packets: &[Vec<u8>]) -> Vec<Packet> {
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
pub fn record(heard: &[Heard]) -> Vec<f32> {
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
pub fn assert_monotonic(heard: &[Heard]) {
    for pair in heard.windows(2) {
        let [before, after] = pair else { continue };
        assert!(after.media_time >= before.media_time + 960, "{before:?} then {after:?}");
        assert_eq!(after.sequence, before.sequence + 1 + u64::from(after.lost_before));
        assert_eq!(after.media_time % 960, 0);
    }
}
