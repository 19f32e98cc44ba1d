//! Speakers whose clocks are off by 300 ppm, for an hour.

use crate::room::speech::{ALICE, BOB, Voice, align, encode_celt};
use crate::room::{FRAME, Heard, Packet, Room, assert_monotonic};
use voice_media::opus::SILENCE;
use voice_media::{Channels, SinkClock, Waits};

/// Frames of an hour, less what the fastest of the clocks gains.
const HOUR: u64 = 179_900;

/// Seconds between two looks at how late a voice is, and how long a mix takes to settle.
const LOOK: u64 = 30;

/// What the coders of a speaker and of a mix look ahead, in samples.
const LOOK_AHEAD: usize = 240;

/// Somebody whose clock is fast, or slow, by this many millionths. What he says repeats itself every 10 s.
struct Drifter {
    source: u64,
    /// Microseconds from the room's opening to his first packet.
    start: u64,
    ppm: i64,
    pcm: Vec<f32>,
    opus: Vec<Vec<u8>>,
}

impl Drifter {
    /// Somebody who never pauses.
    fn new(source: u64, start: u64, ppm: i64, voice: Voice) -> Self {
        let pcm = voice.speak(10_000);
        let opus = encode_celt(&pcm);
        Self {
            source,
            start,
            ppm,
            pcm,
            opus,
        }
    }

    /// When his nth packet comes, in microseconds.
    fn at(&self, number: u64) -> u64 {
        let period = u64::try_from(20_000_000 - 20 * self.ppm).expect("positive");
        self.start + number * period / 1_000
    }

    fn packet(&self, number: u64, level: u8) -> Packet {
        let place = usize::try_from(number).expect("small") % self.opus.len();
        Packet {
            at: self.at(number),
            source: self.source,
            opus: self.opus[place].clone(),
            sequence: number,
            media_time: Some(number * 960),
            level: Some(level),
        }
    }

    /// What he says from this moment on, for half a second, where nothing is late.
    fn said(&self, micros: u64) -> Vec<f32> {
        let period = u64::try_from(20_000_000 - 20 * self.ppm).expect("positive");
        let sample = (micros - self.start) * 1_000 * 960 / period;
        let from = usize::try_from(sample).expect("small") % self.pcm.len();
        self.pcm.iter().cycle().skip(from).take(24_000).copied().collect()
    }

    /// How late a listener hears him in each half minute, in samples.
    fn delays(&self, heard: &[Heard]) -> Vec<usize> {
        let looks = (1..3_600 / LOOK).map(|look| look * LOOK * 1_000_000);
        let delay = |moment: u64| {
            let first = heard.partition_point(|heard| heard.at < moment);
            let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Mono).expect("libopus works");
            let mut recording = Vec::new();
            let mut frame = [0.0; FRAME];
            for (place, heard) in heard.iter().enumerate().take(first + 30).skip(first - 20) {
                decoder.decode_float(&heard.opus, &mut frame, false).expect("Opus");
                if place >= first {
                    recording.extend(frame);
                }
            }
            let (lag, alike) = align(&recording, &self.said(heard[first].at), 4_800);
            assert!(alike > 0.3, "he is heard after {moment} µs: {alike}");
            lag
        };
        looks.map(delay).collect()
    }
}

/// An hour in a room where nobody pauses.
fn an_hour(room: &mut Room, speakers: &[&Drifter]) {
    let mut numbers = vec![0; speakers.len()];
    for minute in 1..=60 {
        let mut packets = Vec::new();
        for (speaker, number) in speakers.iter().zip(&mut numbers) {
            while speaker.at(*number) < minute * 60_000_000 {
                packets.push(speaker.packet(*number, 20));
                *number += 1;
            }
        }
        room.run_without_end(packets);
    }
}

/// What a voice waits for a clock that is not its own, in a mix: from the guard to a frame more, and so half of one on average.
fn target() -> usize {
    usize::try_from(Waits::GUARD.as_millis()).expect("small") * 48 + FRAME / 2 + LOOK_AHEAD
}

fn assert_near_target(delays: &[usize]) {
    assert!(
        delays.iter().all(|delay| delay.abs_diff(target()) <= FRAME),
        "{delays:?} for {}",
        target()
    );
}

/// A music bot, towards Discord: once it has not paused for 20 s it is heard through a mix that keeps Discord's time.
fn an_hour_of_music_by_a_clock(ppm: i64) {
    let music = Drifter::new(0, 3_000, ppm, ALICE);
    let mut room = Room::new();
    room.source(0);
    room.sink(1, |spec| spec.channels(Channels::Mono).clock(SinkClock::Ticks));
    an_hour(&mut room, &[&music]);
    let heard = room.of_sink(1);
    assert_monotonic(heard);
    let mixed = heard.iter().position(|heard| heard.source.is_none());
    let mixed = mixed.expect("20 s without a pause");
    assert!((1_000..=1_001).contains(&mixed), "{mixed} ticks");
    let rest = &heard[mixed..];
    assert!(rest.iter().all(|heard| heard.source.is_none() && heard.opus != SILENCE));
    assert!(rest.windows(2).all(|pair| pair[1].at == pair[0].at + 20_000));
    assert_near_target(&music.delays(heard));
    assert!(room.engine.stats().concealed <= 1, "{:?}", room.engine.stats());
}

#[test]
fn an_hour_of_music_by_a_fast_clock_is_stretched_to_the_tick_b8() {
    an_hour_of_music_by_a_clock(300);
}

#[test]
fn an_hour_of_music_by_a_slow_clock_is_stretched_to_the_tick_b8() {
    an_hour_of_music_by_a_clock(-300);
}

/// Two who speak for an hour without a pause, to a listener without a clock: the mix keeps the time of the one who spoke first,
/// and the other is stretched to that.
fn an_hour_of_two(first: i64, second: i64) {
    let alice = Drifter::new(0, 0, first, ALICE);
    let bob = Drifter::new(1, 1_003_000, second, BOB);
    let mut room = Room::new();
    room.source(0);
    room.source(1);
    room.sink(2, |spec| spec.channels(Channels::Mono));
    an_hour(&mut room, &[&alice, &bob]);
    let heard = room.of_sink(2);
    assert_monotonic(heard);
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].media_time == pair[0].media_time + 960),
        "a frame for each of hers"
    );
    let hers = alice.delays(heard);
    let (least, most) = (hers.iter().min().expect("some"), hers.iter().max().expect("some"));
    assert!(most - least <= FRAME, "{hers:?}");
    assert_near_target(&bob.delays(heard));
    assert!(room.engine.stats().concealed <= 1, "{:?}", room.engine.stats());
}

#[test]
fn an_hour_of_a_mix_by_a_fast_speakers_packets_keeps_its_delay_b8() {
    an_hour_of_two(300, -300);
}

#[test]
fn an_hour_of_a_mix_by_a_slow_speakers_packets_keeps_its_delay_b8() {
    an_hour_of_two(-300, 300);
}

/// Who pauses now and then is forwarded for as long as he likes, by a clock of any kind: no frame is left out or put in, and what
/// is between words is said to be. Where he pauses for longer, time is taken from the wall again.
#[test]
fn an_hour_of_speech_is_forwarded_and_its_pauses_are_known_b8() {
    for ppm in [300, -300] {
        let speaker = Drifter::new(0, 3_000, ppm, ALICE);
        let mut room = Room::new();
        room.source(0);
        room.sink(1, |spec| spec.clock(SinkClock::Ticks));
        room.sink(2, |spec| spec);
        // Words for 18 s, then 100 ms without; every minute and a half, half a second.
        let quiet = |number: u64| number % 905 >= 900 || number % 4_525 >= 4_500;
        let level = |number: u64| if quiet(number) { 80 } else { 20 };
        room.run((0..HOUR).map(|number| speaker.packet(number, level(number))).collect());
        let stats = room.engine.stats();
        assert_eq!((stats.mixed, stats.lost), (0, 0));
        for sink in [1, 2] {
            let heard = room.of_sink(sink);
            assert_monotonic(heard);
            let mut pauses = 0;
            let forwarded = heard.iter().filter(|heard| heard.source.is_some());
            for heard in forwarded {
                // Nothing is held, so when a packet leaves tells which it is.
                let period = u64::try_from(20_000_000 - 20 * ppm).expect("positive");
                let number = ((heard.at - 3_000) * 1_000 + period / 2) / period;
                assert_eq!(heard.at, speaker.at(number));
                let third = number >= 2 && (number - 2..=number).all(quiet);
                assert_eq!(heard.pause, third, "packet {number}");
                pauses += u64::from(heard.pause);
                let late = (heard.at * 48 / 1_000).abs_diff(heard.media_time);
                assert!(late <= 2 * 960, "packet {number} is {late} samples off the wall");
            }
            assert!(pauses > 500, "{pauses}");
        }
    }
}
