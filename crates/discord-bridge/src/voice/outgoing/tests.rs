use std::time::Duration;

use super::*;
use crate::voice::counters::{HearCounters, VoiceStats};

/// A player that remembers what it was told.
#[derive(Clone, Default)]
struct Player(Arc<Mutex<Vec<&'static str>>>);

impl Playback for Player {
    fn play(&self) {
        self.0.lock().unwrap().push("play");
    }

    fn pause(&self) {
        self.0.lock().unwrap().push("pause");
    }
}

impl Player {
    fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Bench {
    sink: TrackSink,
    source: TrackSource,
    player: Player,
    counters: Arc<SendCounters>,
}

impl Bench {
    /// A track whose header has been read, as songbird does before it plays.
    fn new() -> Self {
        let counters = Arc::new(SendCounters::default());
        let (sink, mut source, control) = track(&counters);
        let player = Player::default();
        control.attach(Box::new(player.clone()));
        assert_eq!(read(&mut source, 1024), DCA_HEADER);
        Self {
            sink,
            source,
            player,
            counters,
        }
    }

    fn send(&mut self, opus: &[u8]) {
        self.sink.push(opus, 0, false);
    }

    fn stats(&self) -> VoiceStats {
        VoiceStats::read(0, &HearCounters::default(), &self.counters)
    }
}

fn read(source: &mut TrackSource, room: usize) -> Vec<u8> {
    let mut buffer = vec![0; room];
    let count = source.read(&mut buffer).unwrap();
    buffer.truncate(count);
    buffer
}

fn framed(opus: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(opus.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(opus);
    bytes
}

const VOICE: [u8; 4] = [31 << 3, 1, 2, 3];

#[test]
fn one_read_gives_one_packet_untouched() {
    let mut bench = Bench::new();
    bench.send(&VOICE);
    bench.send(&[VOICE[0], 9]);
    assert_eq!(read(&mut bench.source, 32_768), framed(&VOICE));
    assert_eq!(read(&mut bench.source, 32_768), framed(&[VOICE[0], 9]));
}

#[test]
fn a_read_at_the_edge_of_the_readers_buffer_gives_the_packet_in_two() {
    let mut bench = Bench::new();
    bench.send(&VOICE);
    bench.send(&VOICE);
    let mut bytes = read(&mut bench.source, 1);
    bytes.extend(read(&mut bench.source, 32_768));
    assert_eq!(bytes, framed(&VOICE));
    assert_eq!(bench.stats().sent, 1);
}

/// S11: the track plays while Matrix speaks, and only then.
#[test]
fn the_first_packet_resumes_the_track_and_the_others_do_not() {
    let mut bench = Bench::new();
    assert!(bench.player.told().is_empty());
    bench.send(&VOICE);
    bench.send(&VOICE);
    assert_eq!(bench.player.told(), ["play"]);
}

#[test]
fn a_track_with_nothing_to_say_pauses_itself() {
    let mut bench = Bench::new();
    bench.sink.switch.resume();
    assert_eq!(bench.player.told(), ["play"]);
    assert_eq!(read(&mut bench.source, 1024), framed(&SILENCE));
    assert_eq!(bench.player.told(), ["pause"]);
    bench.send(&VOICE);
    assert_eq!(bench.player.told(), ["play"]);
}

#[test]
fn a_packet_that_comes_while_the_track_pauses_is_not_left_waiting() {
    let mut bench = Bench::new();
    bench.sink.switch.resume();
    bench.player.told();
    // The packet is queued between the pacer's decision to pause and the moment when the pause is known.
    bench.source.pacer.get_mut().unwrap().tick(Instant::now());
    bench.send(&VOICE);
    assert!(
        bench.player.told().is_empty(),
        "the track plays as far as the sender knows"
    );
    settle_pause(&bench.source.switch, bench.source.pacer.get_mut().unwrap());
    assert_eq!(bench.player.told(), ["pause", "play"]);
}

#[test]
fn what_is_not_20_ms_never_reaches_songbird() {
    let mut bench = Bench::new();
    for unfit in [&[][..], &[30 << 3, 1], &[11 << 3, 1], &[31 << 3; 1276]] {
        bench.send(unfit);
    }
    assert_eq!(bench.stats().unfit, 4);
    assert!(bench.player.told().is_empty());
}

#[test]
fn a_full_queue_counts_what_it_cannot_take() {
    let mut bench = Bench::new();
    for _ in 0..CAPACITY + 3 {
        bench.send(&VOICE);
    }
    assert_eq!(bench.stats().overflowed, 3);
}

/// songbird's own reader takes the stream apart again, as it does in its mixer.
#[test]
fn songbird_reads_the_stream() {
    use songbird::input::codecs::{get_codec_registry, get_probe};
    use songbird::input::{AudioStream, LiveInput};

    let counters = Arc::new(SendCounters::default());
    let (mut sink, source, control) = track(&counters);
    control.attach(Box::new(Player::default()));
    let stream = LiveInput::Raw(AudioStream {
        input: Box::new(source) as _,
    });
    let LiveInput::Parsed(mut parsed) = stream.promote(get_codec_registry(), get_probe()).unwrap() else {
        panic!("a stream that was promoted is parsed");
    };
    assert_eq!(counters_of(&counters).sent, 0, "the probe reads nothing but the header");
    for n in 0..500_u16 {
        let [high, low] = n.to_be_bytes();
        // Long enough that the reader's ring buffer wraps several times.
        let mut opus = vec![31 << 3, high, low];
        opus.resize(200 + usize::from(n), 7);
        sink.push(&opus, 0, false);
        sink.push(&opus, 0, false);
        for _ in 0..2 {
            let packet = parsed.format.next_packet().unwrap();
            assert_eq!(&*packet.data, &*opus);
            assert_eq!(packet.dur, 960);
        }
    }
    assert_eq!(counters_of(&counters).sent, 1000);
}

fn counters_of(counters: &SendCounters) -> VoiceStats {
    VoiceStats::read(0, &HearCounters::default(), counters)
}

#[test]
fn a_pull_never_blocks() {
    let mut bench = Bench::new();
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(
            !read(&mut bench.source, 4096).is_empty(),
            "an empty read would end the track"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn b20_nothing_is_allocated_for_a_packet_on_its_way_to_songbird() {
    let mut bench = Bench::new();
    let mut buffer = [0; 1024];
    // With two in the queue the spurt begins at once, and goes on.
    bench.send(&VOICE);
    bench.send(&VOICE);
    assert!(bench.source.read(&mut buffer).unwrap() > 0);
    let allocated = allocation_counter::measure(|| {
        for _ in 0..100 {
            bench.send(&VOICE);
            assert!(bench.source.read(&mut buffer).unwrap() > 0);
        }
    });
    assert_eq!(allocated.count_total, 0);
    assert_eq!(bench.stats().sent, 101);
}
