//! What a room costs in memory, and that a packet costs none.

#![expect(clippy::disallowed_methods, reason = "virtual time needs an instant to count from")]

use std::time::{Duration, Instant};

use allocation_counter::measure;
use opus2::{Application, Bitrate, Signal};
use voice_media::{Engine, InPacket, SinkId, SinkSpec, SourceId, SourceSpec};

const KIB: u64 = 1_024;

/// Bytes of libopus 1.5's states, which no Rust allocator sees: `opus_decoder_get_size` of one and of two channels, and
/// `opus_encoder_get_size` of two.
const PROBE: u64 = 18_260;
const DECODER: u64 = 27_028;
const ENCODER: u64 = 48_492;

/// A voice that never pauses, in packets of one kind.
struct Voice {
    opus: Vec<Vec<u8>>,
    /// Samples of each.
    samples: u32,
    /// Whether packets come with a level, as WebRTC's do.
    level: Option<u8>,
}

impl Voice {
    /// A tone that wavers, in packets of this many samples.
    fn of(application: Application, bits: i32, samples: u16, level: Option<u8>) -> Self {
        let mut encoder = opus2::Encoder::new(48_000, opus2::Channels::Mono, application).expect("libopus works");
        encoder.set_bitrate(Bitrate::Bits(bits)).expect("a valid rate");
        encoder.set_signal(Signal::Voice).expect("a valid signal");
        let mut phase = 0.0_f32;
        let opus = (0..50_u16).map(|packet| {
            let pitch = 200.0 + 4.0 * f32::from(packet % 25);
            let pcm: Vec<f32> = (0..samples)
                .map(|_| {
                    phase = (phase + pitch / 48_000.0).fract();
                    0.3 * phase
                })
                .collect();
            encoder.encode_vec_float(&pcm, 1_275).expect("it encodes")
        });
        Self {
            opus: opus.collect(),
            samples: samples.into(),
            level,
        }
    }

    /// As Discord's users send it.
    fn celt(level: Option<u8>) -> Self {
        Self::of(Application::LowDelay, 64_000, 960, level)
    }
}

/// A room in which each hears everybody but himself.
struct Room {
    engine: Engine,
    now: Instant,
    /// Packets that each has sent.
    sent: u64,
}

impl Room {
    fn of(people: u64) -> Self {
        let (mut engine, now) = (Engine::new(), Instant::now());
        for id in 0..people {
            let (source, sink) = (SourceSpec::new("speaker"), SinkSpec::new("listener"));
            engine.add_source(SourceId::new(id), source).expect("there is room");
            let sink = sink.except(SourceId::new(id)).late_packets();
            engine.add_sink(now, SinkId::new(id), sink).expect("there is room");
        }
        Self { engine, now, sent: 0 }
    }

    /// Has the first `speakers` speak at once for this long. Says how many packets were handed over.
    fn speak(&mut self, voice: &Voice, speakers: u64, time: Duration) -> u64 {
        let end = self.now + time;
        let mut handed = 0;
        while self.now < end {
            for speaker in 0..speakers {
                let place = usize::try_from(self.sent).expect("small") % voice.opus.len();
                let opus = voice.opus.get(place).expect("a packet");
                self.hear(voice, speaker, self.sent, opus);
            }
            self.sent += 1;
            handed += self.pass(Duration::from_micros(u64::from(voice.samples) * 1_000 / 48));
        }
        handed
    }

    fn hear(&mut self, voice: &Voice, speaker: u64, sequence: u64, opus: &[u8]) {
        let packet = InPacket {
            opus,
            sequence,
            media_time: Some(sequence * u64::from(voice.samples)),
            level: voice.level,
            marks: None,
            received: self.now,
        };
        self.engine.handle_packet(self.now, SourceId::new(speaker), &packet);
    }

    fn pass(&mut self, time: Duration) -> u64 {
        let mut handed = self.drain();
        let end = self.now + time;
        while let Some(due) = self.engine.poll_timeout().filter(|&due| due <= end) {
            self.engine.handle_timeout(due);
            handed += self.drain();
        }
        self.now = end;
        handed
    }

    fn drain(&mut self) -> u64 {
        let mut handed = 0;
        while self.engine.poll_packet().is_some() {
            handed += 1;
        }
        handed
    }
}

/// Bytes that a room of three or more holds while this many of them have been speaking for 10 s, libopus' states not counted.
fn held(people: u64, voice: &Voice, speakers: u64) -> u64 {
    let mut room = None;
    let info = measure(|| {
        let room = room.insert(Room::of(people));
        room.speak(voice, speakers, Duration::from_secs(10));
    });
    u64::try_from(info.bytes_current).expect("a room is made of something")
}

#[test]
fn a_room_that_forwards_holds_no_more_than_64_kib() {
    for level in [Some(20), None] {
        let probe = if level.is_none() { PROBE } else { 0 };
        let bytes = held(3, &Voice::celt(level), 1) + probe;
        assert!(bytes <= 64 * KIB, "{bytes} bytes with the level {level:?}");
        assert!(bytes > 4 * KIB, "{bytes} bytes do not hold the last packets");
    }
}

#[test]
fn a_room_that_mixes_holds_no_more_than_40_kib_a_decoder_and_56_an_encoder_besides() {
    // Two of three: one hears both. Five of five: each hears four others.
    for (people, speakers, encoders) in [(3, 2, 1), (5, 5, 5), (12, 5, 6)] {
        let bytes = held(people, &Voice::celt(Some(20)), speakers) + speakers * DECODER + encoders * ENCODER;
        let most = 64 + 40 * speakers + 56 * encoders;
        assert!(
            bytes <= most * KIB,
            "{bytes} bytes for {speakers} of {people}, and not {}",
            most * KIB
        );
    }
}

/// Says how often a room allocates while this is done to it 500 times, after it has been done often enough: a mix that stretches
/// has done so once by then.
fn allocations(room: &mut Room, mut work: impl FnMut(&mut Room)) -> u64 {
    (0..300).for_each(|_| work(room));
    measure(|| (0..500).for_each(|_| work(room))).count_total
}

#[test]
fn the_counter_counts() {
    let mut room = Room::of(1);
    let made = |room: &mut Room| *room = Room::of(1);
    assert!(allocations(&mut room, made) >= 500);
}

#[test]
fn a_packet_that_is_forwarded_split_merged_or_transcoded_allocates_nothing() {
    let kinds = [
        ("as it is", Voice::celt(Some(20)), 0),
        ("measured", Voice::celt(None), 0),
        ("split", Voice::of(Application::LowDelay, 48_000, 2_880, Some(20)), 0),
        ("merged", Voice::of(Application::LowDelay, 64_000, 480, Some(20)), 0),
        (
            "transcoded",
            Voice::of(Application::Voip, 12_000, 2_880, Some(20)),
            1_500,
        ),
    ];
    for (kind, voice, transcoded) in kinds {
        let mut room = Room::of(3);
        let mut handed = 0;
        let frame = Duration::from_micros(u64::from(voice.samples) * 1_000 / 48);
        let count = allocations(&mut room, |room| handed += room.speak(&voice, 1, frame));
        assert_eq!(count, 0, "{kind}");
        assert!(handed > 500, "{kind}: {handed}");
        let stats = room.engine.stats();
        assert_eq!((stats.mixed, stats.malformed), (0, 0), "{kind}");
        assert!(stats.transcoded >= transcoded, "{kind}: {stats:?}");
    }
}

/// What begins a mix allocates, so nobody pauses here.
#[test]
fn a_packet_that_is_mixed_allocates_nothing() {
    for voice in [
        Voice::celt(Some(20)),
        Voice::of(Application::Voip, 24_000, 960, Some(20)),
    ] {
        let mut room = Room::of(4);
        let count = allocations(&mut room, |room| {
            room.speak(&voice, 3, Duration::from_millis(20));
        });
        assert_eq!(count, 0);
        let stats = room.engine.stats();
        assert!(stats.mixed > 4 * 500 && stats.mixes == 4, "{stats:?}");
    }
}

/// One clock is half a percent fast, so that the mix stretches all the time; packets get lost, come twice, late or broken.
#[test]
fn bad_networks_and_bad_packets_make_a_mix_allocate_nothing() {
    let voice = Voice::celt(Some(20));
    let mut room = Room::of(3);
    let mut turn = 0;
    let count = allocations(&mut room, |room| {
        turn += 1;
        for (speaker, number) in [(0, turn), (1, turn + turn / 200)] {
            let opus = &voice.opus[usize::try_from(number).expect("small") % voice.opus.len()];
            match number % 50 {
                10 => {}
                20 => room.hear(&voice, speaker, number, &[0xFF, 0xFF]),
                30 => (0..2).for_each(|_| room.hear(&voice, speaker, number, opus)),
                40 => room.hear(&voice, speaker, number - 5, opus),
                _ => room.hear(&voice, speaker, number, opus),
            }
        }
        room.pass(Duration::from_millis(20));
    });
    assert_eq!(count, 0);
    let stats = room.engine.stats();
    assert!(
        stats.malformed > 10 && stats.duplicates > 10 && stats.concealed > 10 && stats.mixed > 500,
        "{stats:?}"
    );
}
