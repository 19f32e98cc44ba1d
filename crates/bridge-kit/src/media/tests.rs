//! The threads, with real time and packets that need no encoder.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Except, FRAME, InPacket, MediaPool, MediaSource, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A packet of the transform coder, whose bytes say which it is.
fn voice(number: u8) -> [u8; 40] {
    let mut opus = [number; 40];
    opus[0] = 0xF8;
    opus
}

fn push(source: &MediaSource, sequence: u64, opus: &[u8]) {
    source.push(&InPacket {
        opus,
        sequence,
        media_time: None,
        level: Some(20),
        received: Instant::now(),
    });
}

/// A sink that remembers what it got.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Heard>>>);

struct Heard {
    opus: Vec<u8>,
    mixed: bool,
}

impl Recorder {
    fn forwarded(&self) -> Vec<Vec<u8>> {
        let heard = self.0.lock().expect("no panic while it is held");
        heard
            .iter()
            .filter(|heard| !heard.mixed)
            .map(|heard| heard.opus.clone())
            .collect()
    }

    fn mixed(&self) -> usize {
        self.0
            .lock()
            .expect("no panic while it is held")
            .iter()
            .filter(|heard| heard.mixed)
            .count()
    }

    /// The room's thread holds no sink with this recorder any more.
    fn is_released(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl PacketSink for Recorder {
    fn send(&mut self, packet: &OutPacket<'_>) {
        let mut heard = self.0.lock().expect("no panic while it is held");
        heard.push(Heard {
            opus: packet.opus.to_vec(),
            mixed: packet.source.is_none(),
        });
    }
}

/// A sink that stops its thread until it is let go.
struct Gate {
    reached: Sender<()>,
    open: Receiver<()>,
}

impl PacketSink for Gate {
    fn send(&mut self, _: &OutPacket<'_>) {
        let _ = self.reached.send(());
        let _ = self.open.recv();
    }
}

struct Panics;

impl PacketSink for Panics {
    fn send(&mut self, _: &OutPacket<'_>) {
        panic!("a sink of a test");
    }
}

fn pool(threads: usize) -> MediaPool {
    MediaPool::new(NonZeroUsize::new(threads).expect("not zero")).expect("threads can be had")
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A room with one source and one sink that records.
fn pair(pool: &MediaPool) -> (RoomMedia, MediaSource, Recorder, super::MediaSink) {
    let room = pool.room("a room");
    let (source, recorder) = (room.add_source(SourceSpec::new("speaker")), Recorder::default());
    let sink = room.add_sink(SinkSpec::new("listener"), Box::new(recorder.clone()));
    (room, source, recorder, sink)
}

#[test]
fn packets_reach_the_sink_untouched_and_in_order() {
    let pool = pool(1);
    let (room, source, recorder, _sink) = pair(&pool);
    for number in 0..20 {
        push(&source, u64::from(number), &voice(number));
    }
    eventually("20 packets", || recorder.forwarded().len() == 20);
    assert!(source.is_speaking());
    let sent: Vec<_> = (0..20).map(|number| voice(number).to_vec()).collect();
    assert_eq!(recorder.forwarded(), sent);
    eventually("the hangover ends without a packet", || !source.is_speaking());
    eventually("the counters are there", || room.stats().engine.forwarded == 20);
    assert_eq!((room.stats().engine.sources, room.stats().engine.sinks), (1, 1));
}

#[test]
fn guards_remove_what_they_guard_and_the_last_one_ends_the_room() {
    let pool = pool(1);
    let (room, source, recorder, sink) = pair(&pool);
    let other = room.add_source(SourceSpec::new("another"));
    assert_ne!(other.id(), source.id());
    drop(other);
    eventually("one source is left", || room.stats().engine.sources == 1);
    drop(sink);
    eventually("the sink is given back", || recorder.is_released());

    let kept = room.add_sink(
        SinkSpec::new("listener").except(Except::Nobody),
        Box::new(recorder.clone()),
    );
    drop(room);
    push(&source, 0, &voice(0));
    eventually("a source and a sink keep their room", || {
        recorder.forwarded().len() == 1
    });
    drop((source, kept));
    eventually("the room has ended", || recorder.is_released());
}

#[tokio::test]
async fn a_panic_ends_one_room_and_is_told() {
    let pool = pool(1);
    let (room, source, recorder, _sink) = pair(&pool);
    let broken = pool.room("broken");
    let bad = broken.add_source(SourceSpec::new("speaker"));
    let _bad_sink = broken.add_sink(SinkSpec::new("listener"), Box::new(Panics));
    assert!(!broken.is_failed());
    push(&bad, 0, &voice(0));
    tokio::time::timeout(PATIENCE, broken.failed())
        .await
        .expect("it is told");
    assert!(broken.is_failed());
    push(&bad, 1, &voice(1));
    drop((bad, broken));

    push(&source, 0, &voice(7));
    eventually("the other room on the same thread lives on", || {
        recorder.forwarded().len() == 1
    });
    assert!(!room.is_failed());
}

#[test]
fn a_full_queue_drops_and_counts() {
    let pool = pool(1);
    let room = pool.room("a room");
    let source = room.add_source(SourceSpec::new("speaker"));
    let (reached, is_reached) = channel();
    let (let_go, open) = channel();
    let _sink = room.add_sink(SinkSpec::new("listener"), Box::new(Gate { reached, open }));
    push(&source, 0, &voice(0));
    is_reached.recv_timeout(PATIENCE).expect("the first packet arrives");
    for sequence in 1..=1_000 {
        push(&source, sequence, &voice(1));
    }
    assert_eq!(room.stats().overflowed, 1_000 - 256);
    push(&source, 1_001, &vec![0; 100_000]);
    assert_eq!(room.stats().overflowed, 1_001 - 256);
    drop(let_go);
    eventually("what fitted is worked off", || room.stats().engine.received == 257);
}

#[test]
fn shutdown_ends_all_threads_and_fails_what_is_left() {
    let pool = pool(3);
    let rooms: Vec<_> = (0..6).map(|_| pair(&pool)).collect();
    eventually("all rooms are up", || {
        rooms.iter().all(|(room, ..)| room.stats().engine.sinks == 1)
    });
    // Returns only when every thread has ended.
    pool.shutdown();
    for (room, source, recorder, _) in &rooms {
        assert!(room.is_failed() && recorder.is_released());
        push(source, 0, &voice(0));
    }
    let late = pool.room("too late");
    let _source = late.add_source(SourceSpec::new("speaker"));
    assert!(late.is_failed(), "a room without a thread says so");
    drop((rooms, late, pool));
}

/// Three people in each of 20 rooms, two of whom speak at once for half a second: the third hears a mix.
#[test]
fn twenty_rooms_mix_at_once() {
    const SPEECH: u64 = 25;
    let pool = pool(2);
    let rooms: Vec<_> = (0..20)
        .map(|number| {
            let room = pool.room(&format!("room {number}"));
            let sources = [
                room.add_source(SourceSpec::new("one")),
                room.add_source(SourceSpec::new("two")),
            ];
            let recorder = Recorder::default();
            let sink = room.add_sink(SinkSpec::new("three"), Box::new(recorder.clone()));
            (room, sources, recorder, sink)
        })
        .collect();
    let start = Instant::now();
    for (frame, sequence) in (0_u32..).zip(0..SPEECH) {
        // Packets come at the pace of speech, whatever else the machine does.
        let due = start + frame * FRAME;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        for (_, sources, ..) in &rooms {
            for source in sources {
                push(source, sequence, &voice(9));
            }
        }
    }
    eventually("all mixes have ended", || {
        rooms.iter().all(|(room, ..)| room.stats().engine.mixing == 0)
    });
    for (room, _, recorder, _) in &rooms {
        let stats = room.stats();
        assert_eq!((stats.overflowed, stats.engine.received), (0, SPEECH * 2));
        assert!(stats.engine.mixes >= 1 && !room.is_failed());
        assert!(
            stats.engine.mixed + stats.engine.skipped >= SPEECH - 2,
            "a frame for each 20 ms, or it is counted: {:?}",
            stats.engine
        );
        assert!(recorder.mixed() > 0);
    }
}
