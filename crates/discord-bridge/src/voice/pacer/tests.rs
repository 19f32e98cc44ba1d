use opus2::{Application, Channels, Decoder, Encoder};
use proptest::prelude::*;
use ringbuf::traits::{Producer, Split};
use ringbuf::{HeapProd, HeapRb};

use voice_media::FRAME;
use voice_media::opus::SILENCE;

use super::*;
use crate::voice::counters::{HearCounters, VoiceStats};
use crate::voice::frame;

/// What a tick sent, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Packet(Vec<u8>),
    Conceal(u8),
    Silence,
    Pause,
}

/// A queue and its pacer in virtual time: ticks at 20 ms, 40 ms, …
struct Bench {
    start: Instant,
    frames: HeapProd<Frame>,
    pacer: Pacer,
    counters: Arc<SendCounters>,
    ticks: u32,
}

impl Bench {
    fn new() -> Self {
        let (frames, consumer) = HeapRb::new(CAPACITY).split();
        let counters = Arc::new(SendCounters::default());
        Self {
            start: Instant::now(),
            frames,
            pacer: Pacer::new(consumer, Arc::clone(&counters)),
            counters,
            ticks: 0,
        }
    }

    fn push(&mut self, at_ms: u64, lost_before: u32, opus: &[u8]) {
        let packet = frame::check(opus).expect("a packet of 20 ms");
        let frame = Frame::new(&packet, lost_before, self.start + Duration::from_millis(at_ms));
        self.frames.try_push(frame).expect("the queue has room");
    }

    fn tick(&mut self) -> Sent {
        self.ticks += 1;
        match self.pacer.tick(self.start + FRAME * self.ticks) {
            Tick::Packet(opus) => Sent::Packet(opus.to_vec()),
            Tick::Conceal(toc) => Sent::Conceal(toc),
            Tick::Silence => Sent::Silence,
            Tick::Pause => Sent::Pause,
        }
    }

    /// Delivers packet n (its number in its second byte) at the given milliseconds and ticks until all are through.
    fn run(&mut self, arrivals: &[u64]) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut next = 0;
        let end = arrivals.last().map_or(0, |last| last / 20 + 20);
        for tick in 1..=end {
            while arrivals.get(next).is_some_and(|at| *at <= tick * 20) {
                self.push(arrivals[next], 0, &packet(next));
                next += 1;
            }
            sent.push(self.tick());
        }
        sent
    }

    fn stats(&self) -> VoiceStats {
        VoiceStats::read(0, &HearCounters::default(), &self.counters)
    }

    fn concealed(&self) -> u64 {
        self.stats().concealed
    }

    fn trimmed(&self) -> u64 {
        self.stats().trimmed
    }
}

/// A CELT packet of 20 ms with a number in it.
fn packet(number: usize) -> Vec<u8> {
    vec![31 << 3 | 0b100, u8::try_from(number % 256).unwrap()]
}

fn packets_of(sent: &[Sent]) -> Vec<u8> {
    sent.iter()
        .filter_map(|tick| {
            if let Sent::Packet(opus) = tick {
                Some(opus[1])
            } else {
                None
            }
        })
        .collect()
}

/// Ticks between the first and the last packet that sent none.
fn holes(sent: &[Sent]) -> usize {
    let is_packet = |tick: &Sent| matches!(tick, Sent::Packet(_));
    let first = sent.iter().position(is_packet).unwrap();
    let last = sent.iter().rposition(is_packet).unwrap();
    sent[first..=last].iter().filter(|tick| !is_packet(tick)).count()
}

#[test]
fn regular_packets_leave_untouched_one_a_tick_at_any_phase() {
    for phase in 0..20 {
        let mut bench = Bench::new();
        let arrivals: Vec<u64> = (0..200).map(|n| n * 20 + phase).collect();
        let sent = bench.run(&arrivals);
        assert_eq!(packets_of(&sent), (0..200).collect::<Vec<u8>>(), "phase {phase}");
        assert_eq!(holes(&sent), 0, "phase {phase}");
        assert_eq!((bench.trimmed(), bench.stats().sent), (0, 200), "phase {phase}");
    }
}

#[test]
fn a_spurt_waits_for_room_for_jitter_and_no_longer() {
    for (first_ms, expected) in [
        (5, Sent::Packet(packet(0))),
        (18, Sent::Packet(packet(0))),
        (19, Sent::Silence),
    ] {
        let mut bench = Bench::new();
        bench.push(first_ms, 0, &packet(0));
        assert_eq!(bench.tick(), expected, "first packet at {first_ms} ms");
        if expected == Sent::Silence {
            assert_eq!(bench.tick(), Sent::Packet(packet(0)));
        }
    }
}

#[test]
fn jitter_below_the_guard_is_not_heard_once_it_is_known() {
    for phase in 0..20 {
        let mut bench = Bench::new();
        // The first packet of a spurt is on time, every second one after it late by 9 ms.
        let spurt = |begin: u64| (0..100).map(move |n| begin + n * 20 + phase + if n % 2 == 1 { 9 } else { 0 });
        let arrivals: Vec<u64> = spurt(0).chain(spurt(4_000)).collect();
        let sent = bench.run(&arrivals);
        assert_eq!(packets_of(&sent).len(), 200);
        let (first, second) = sent.split_at(150);
        assert!(holes(first) <= 1, "{} at phase {phase}", holes(first));
        assert_eq!(holes(second), 0, "phase {phase}");
    }
}

#[test]
fn a_late_packet_is_concealed_once_and_still_played() {
    let mut bench = Bench::new();
    let mut arrivals: Vec<u64> = (0..40).map(|n| n * 20 + 5).collect();
    arrivals[20] += 30;
    arrivals.sort_unstable();
    let sent = bench.run(&arrivals);
    assert_eq!(packets_of(&sent), (0..40).collect::<Vec<u8>>());
    assert_eq!(holes(&sent), 1);
    assert!(
        sent.contains(&Sent::Conceal(31 << 3 | 0b100)),
        "the hole carries the last packet's mode"
    );
}

#[test]
fn a_backlog_never_stands() {
    let mut bench = Bench::new();
    // The network stalls for 160 ms, then delivers what it held at once, and is perfect afterwards.
    let arrivals: Vec<u64> = (0..200)
        .map(|n| if (50..58).contains(&n) { 58 * 20 } else { n * 20 + 5 })
        .collect();
    let sent = bench.run(&arrivals);
    let last_sent = sent.iter().rposition(|tick| matches!(tick, Sent::Packet(_))).unwrap() as u64;
    let due = arrivals.last().unwrap() / 20;
    assert!(
        last_sent - due <= 2,
        "the last packet left {} ticks after it came",
        last_sent - due
    );
    assert!((6..=8).contains(&bench.trimmed()), "{} dropped", bench.trimmed());
}

#[test]
fn a_large_backlog_is_gone_within_half_a_second() {
    let mut bench = Bench::new();
    // As before: a stall of 160 ms, which ends with the 58th tick.
    let arrivals: Vec<u64> = (0..200)
        .map(|n| if (50..58).contains(&n) { 58 * 20 } else { n * 20 + 5 })
        .collect();
    let sent = bench.run(&arrivals);
    let late = sent.iter().zip(1_u64..).skip(58 + 25).filter_map(|(sent, tick)| {
        let [number] = packets_of(std::slice::from_ref(sent))[..] else {
            return None;
        };
        Some(tick - u64::from(number))
    });
    let latest = late.max().expect("packets leave");
    assert!(latest <= 3, "a packet leaves {latest} ticks after it was due");
}

#[test]
fn a_fast_sender_is_followed() {
    let mut bench = Bench::new();
    // 0.5 % fast for two minutes: 30 packets too many.
    let arrivals: Vec<u64> = (0..6000_u64).map(|n| n * 1990 / 100 + 5).collect();
    let sent = bench.run(&arrivals);
    let last_sent = sent.iter().rposition(|tick| matches!(tick, Sent::Packet(_))).unwrap() as u64;
    assert!(last_sent - arrivals.last().unwrap() / 20 <= 3);
    assert!((27..=32).contains(&bench.trimmed()), "{} dropped", bench.trimmed());
    assert_eq!(bench.concealed(), SPURT_CONCEALED);
}

/// Ticks that are concealed between the last packet of a spurt and its end.
const SPURT_CONCEALED: u64 = 14;

#[test]
fn a_slow_sender_is_followed_with_one_hole_for_each_packet_missing() {
    let mut bench = Bench::new();
    let arrivals: Vec<u64> = (0..6000_u64).map(|n| n * 2010 / 100 + 5).collect();
    let sent = bench.run(&arrivals);
    assert_eq!(packets_of(&sent).len(), 6000);
    assert!((29..=31).contains(&holes(&sent)), "{} holes", holes(&sent));
    assert_eq!(bench.trimmed(), 0);
}

/// B8: a clock that is off by 300 ppm, for an hour in which the speaker pauses for 100 ms every 18 s. Only what is between words
/// is dropped or made up for, and no packet waits more than a frame longer or shorter than a spurt's packets do on average.
#[test]
fn an_hour_of_drift_is_followed_in_pauses_alone() {
    const HOUR: u64 = 180_000;
    let target = Waits::CALM + FRAME / 2;
    for ppm in [300_i64, -300] {
        let mut bench = Bench::new();
        let period = u64::try_from(20_000_000 - 20 * ppm).unwrap();
        let arrival = |n: u64| Duration::from_millis(3) + Duration::from_nanos(n * period);
        let is_pause = |n: u64| n % 900 >= 895;
        let (mut next, mut expected, mut made_up) = (0, 0, 0);
        let mut between_words = 0;
        while expected < HOUR {
            while next < HOUR && arrival(next) <= FRAME * (bench.ticks + 1) {
                let opus = [&[31 << 3][..], &next.to_be_bytes()].concat();
                let packet = frame::check(&opus).unwrap();
                let frame = Frame::new(&packet, 0, bench.start + arrival(next)).in_pause(is_pause(next));
                bench.frames.try_push(frame).expect("the queue has room");
                next += 1;
            }
            match bench.tick() {
                Sent::Packet(opus) => {
                    let number = u64::from_be_bytes(opus[1..].try_into().unwrap());
                    assert!(
                        (expected..number).all(is_pause),
                        "a word lost before {number}, at {ppm} ppm"
                    );
                    assert!(made_up == 0 || is_pause(number), "a hole before {number}, at {ppm} ppm");
                    between_words += number - expected + made_up;
                    (expected, made_up) = (number + 1, 0);
                    let waited = (FRAME * bench.ticks).saturating_sub(arrival(number));
                    assert!(waited.abs_diff(target) <= FRAME, "{number} waited {waited:?}");
                }
                Sent::Conceal(_) => made_up += 1,
                Sent::Silence => assert_eq!(expected, 0, "only before the first packet"),
                Sent::Pause => panic!("the spurt goes on"),
            }
        }
        assert!(
            (52..=55).contains(&between_words),
            "1.08 s: {between_words} at {ppm} ppm"
        );
    }
}

#[test]
fn the_pieces_of_a_long_packet_are_no_backlog() {
    let mut bench = Bench::new();
    let arrivals: Vec<u64> = (0..120).map(|n| n / 6 * 120 + 3).collect();
    let sent = bench.run(&arrivals);
    assert_eq!(packets_of(&sent), (0..120).collect::<Vec<u8>>());
    assert_eq!((bench.trimmed(), holes(&sent)), (0, 0));
}

#[test]
fn what_the_source_lost_keeps_its_place_in_time() {
    let mut bench = Bench::new();
    // A queue that holds one packet more than the tick needs, so that a loss does not empty it.
    bench.push(0, 0, &packet(0));
    bench.push(0, 0, &packet(1));
    assert_eq!(bench.tick(), Sent::Packet(packet(0)));
    bench.push(20, 2, &packet(4));
    let sent: Vec<Sent> = (0..4).map(|_| bench.tick()).collect();
    let hole = Sent::Conceal(31 << 3 | 0b100);
    assert_eq!(
        sent,
        [Sent::Packet(packet(1)), hole.clone(), hole, Sent::Packet(packet(4))]
    );
}

#[test]
fn a_long_loss_is_concealed_for_100_ms_and_no_longer() {
    let mut bench = Bench::new();
    bench.push(0, 0, &packet(0));
    bench.push(0, 0, &packet(1));
    assert_eq!(bench.tick(), Sent::Packet(packet(0)));
    bench.push(20, 50, &packet(52));
    assert_eq!(bench.tick(), Sent::Packet(packet(1)));
    for _ in 0..5 {
        assert!(matches!(bench.tick(), Sent::Conceal(_)));
    }
    assert_eq!(bench.tick(), Sent::Packet(packet(52)));
}

#[test]
fn a_loss_that_was_concealed_already_is_not_concealed_again() {
    let mut bench = Bench::new();
    bench.push(5, 0, &packet(0));
    assert!(matches!(bench.tick(), Sent::Packet(_)));
    assert!(matches!(bench.tick(), Sent::Conceal(_)));
    bench.push(45, 1, &packet(2));
    assert_eq!(bench.tick(), Sent::Packet(packet(2)));
}

#[test]
fn the_track_pauses_300_ms_after_the_last_packet() {
    let mut bench = Bench::new();
    bench.push(5, 0, &packet(0));
    assert!(matches!(bench.tick(), Sent::Packet(_)));
    for tick in 1..15 {
        assert!(matches!(bench.tick(), Sent::Conceal(_)), "{} ms after", tick * 20);
    }
    assert_eq!(bench.tick(), Sent::Pause);
    assert_eq!(bench.concealed(), SPURT_CONCEALED);
    assert_eq!(bench.tick(), Sent::Pause, "still nothing to send");
}

#[test]
fn the_end_of_a_spurt_that_the_room_announced_is_silence_and_no_hole() {
    let mut bench = Bench::new();
    bench.push(5, 0, &packet(0));
    bench.push(25, 0, &SILENCE);
    assert!(matches!(bench.tick(), Sent::Packet(_)));
    assert_eq!(bench.tick(), Sent::Packet(SILENCE.to_vec()));
    for _ in 1..15 {
        assert_eq!(bench.tick(), Sent::Silence);
    }
    assert_eq!(bench.tick(), Sent::Pause);
    assert_eq!(bench.concealed(), 0);
}

#[test]
fn what_waited_through_an_outage_is_dropped() {
    let mut bench = Bench::new();
    for n in 0..CAPACITY {
        bench.push(n as u64 * 20, 0, &packet(n));
    }
    bench.ticks = 100;
    assert_eq!(bench.tick(), Sent::Pause, "two seconds old: nothing is left to send");
    assert_eq!(bench.trimmed(), CAPACITY as u64);
}

#[test]
fn a_listener_hears_no_step_in_a_tone_when_packets_are_late() {
    let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
    let mut bench = Bench::new();
    let mut decoder = Decoder::new(48_000, Channels::Mono).unwrap();
    let mut heard: Vec<f32> = Vec::new();
    let mut pcm = vec![0_f32; 5760];
    for n in 0..150_u64 {
        let tone: Vec<f32> = (0..960).map(|i| sine(n * 960 + i)).collect();
        // One packet in 25 misses its tick and comes with the next one.
        let late = if n % 25 == 24 { 18 } else { 0 };
        bench.push(n * 20 + 5 + late, 0, &encoder.encode_vec_float(&tone, 1275).unwrap());
        let sent = if late > 0 {
            vec![bench_tick_without_last(&mut bench), bench.tick()]
        } else {
            vec![bench.tick()]
        };
        for tick in sent {
            let opus = match tick {
                Sent::Packet(opus) => opus,
                Sent::Conceal(toc) => vec![toc],
                Sent::Silence | Sent::Pause => continue,
            };
            let samples = decoder.decode_float(&opus, &mut pcm, false).unwrap();
            assert_eq!(samples, 960, "every tick is 20 ms to the listener");
            heard.extend(&pcm[..samples]);
        }
    }
    assert!(bench.concealed() >= 4, "{} concealed", bench.concealed());
    // Past the encoder's start, no 20 ms of the tone falls below half of its level: concealment leaves no hole.
    let quietest = heard.chunks(960).skip(10).map(rms).fold(f32::MAX, f32::min);
    assert!(quietest > 0.5 * 0.354, "quietest 20 ms: {quietest}");
}

/// Ticks as if the packet pushed last had not come yet.
fn bench_tick_without_last(bench: &mut Bench) -> Sent {
    use ringbuf::traits::Observer;
    let waiting = bench.frames.occupied_len();
    if waiting > 1 {
        bench.tick()
    } else {
        conceal_before_arrival(bench)
    }
}

fn conceal_before_arrival(bench: &mut Bench) -> Sent {
    let frame = bench.pacer.frames.try_pop();
    let sent = bench.tick();
    if let Some(frame) = frame {
        bench.frames.try_push(frame).unwrap();
    }
    sent
}

fn sine(sample: u64) -> f32 {
    let phase = f64::from(u32::try_from(sample).unwrap()) * 440.0 * std::f64::consts::TAU / 48_000.0;
    #[expect(clippy::cast_possible_truncation, reason = "audio samples are f32")]
    let value = (phase.sin() * 0.5) as f32;
    value
}

fn rms(samples: &[f32]) -> f32 {
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    (energy / 960.0).sqrt()
}

proptest! {
    /// Whatever the network does, packets keep their order, none is sent twice, and the queue's delay stays bounded.
    #[test]
    fn order_is_kept_and_delay_bounded(jitters in prop::collection::vec(0_u64..150, 50..300)) {
        let mut bench = Bench::new();
        let mut arrivals: Vec<u64> = jitters.iter().enumerate().map(|(n, jitter)| n as u64 * 20 + jitter).collect();
        arrivals.sort_unstable();
        let mut next = 0;
        let mut last = None;
        for tick in 1..=(arrivals.len() as u64 + 40) {
            while arrivals.get(next).is_some_and(|at| *at <= tick * 20) {
                let [.., high, low] = next.to_be_bytes();
                let opus = [31 << 3, high, low];
                bench.push(arrivals[next], 0, &opus);
                next += 1;
            }
            if let Sent::Packet(opus) = bench.tick() {
                let number = usize::from(opus[1]) * 256 + usize::from(opus[2]);
                prop_assert!(last.is_none_or(|last| last < number));
                prop_assert!(tick * 20 - arrivals[number] <= 200);
                last = Some(number);
            }
        }
        let counted = bench.stats().sent + bench.trimmed();
        prop_assert_eq!(counted, arrivals.len() as u64);
    }
}
