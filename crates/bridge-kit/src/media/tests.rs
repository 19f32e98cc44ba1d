//! Rooms on a thread that is led by hand, through time of its own, and on real threads. The packets need no encoder.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use super::doorbell::Doorbell;
use super::punctuality::{LATE, Punctuality};
use super::room::Room;
use super::worker::Worker;
use super::{Except, FRAME, InPacket, MediaPool, MediaSource, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec};

/// No test waits longer than this for a thread.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a source counts as speaking after its last packet.
const HANGOVER: Duration = Duration::from_millis(200);

/// A packet of the transform coder, whose bytes say which it is.
fn voice(number: u8) -> [u8; 40] {
    let mut opus = [number; 40];
    opus[0] = 0xF8;
    opus
}

fn push(source: &MediaSource, sequence: u64, opus: &[u8], received: Instant) {
    source.push(&InPacket {
        opus,
        sequence,
        media_time: None,
        level: Some(20),
        marks: None,
        received,
    });
}

/// What a sink got of the room.
struct Heard {
    opus: Vec<u8>,
    mixed: bool,
}

struct Mouthpiece(Sender<Heard>);

impl PacketSink for Mouthpiece {
    fn send(&mut self, packet: &OutPacket<'_>) {
        // Nobody listens any more where the test is over.
        let _ = self.0.send(Heard {
            opus: packet.opus.to_vec(),
            mixed: packet.source.is_none(),
        });
    }
}

/// The test's end of a sink.
struct Ear(Receiver<Heard>);

impl Ear {
    /// The next packet, whatever thread it comes from.
    fn next(&self) -> Heard {
        self.0.recv_timeout(PATIENCE).expect("a packet in time")
    }

    /// What has come and was not asked for yet.
    fn heard(&self) -> Vec<Heard> {
        self.0.try_iter().collect()
    }

    /// The room holds the sink no more, and nothing of it is left to hear.
    fn is_released(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }
}

fn sink() -> (Box<dyn PacketSink>, Ear) {
    let (sender, receiver) = channel();
    (Box::new(Mouthpiece(sender)), Ear(receiver))
}

struct Panics;

impl PacketSink for Panics {
    fn send(&mut self, _: &OutPacket<'_>) {
        panic!("a sink of a test");
    }
}

/// A room with one source and one sink.
fn pair(room: RoomMedia) -> (RoomMedia, MediaSource, Ear, super::MediaSink) {
    let source = room.add_source(SourceSpec::new("speaker"));
    let (packets, ear) = sink();
    let sink = room.add_sink(SinkSpec::new("listener"), packets);
    (room, source, ear, sink)
}

/// A worker that works when it is told to, at the time that it is told.
struct ByHand {
    doorbell: Arc<Doorbell<Room>>,
    worker: Worker,
    punctuality: Arc<Punctuality>,
    start: Instant,
    now: Instant,
    rooms: u64,
}

impl ByHand {
    fn new() -> Self {
        let doorbell = Arc::new(Doorbell::default());
        let start = Instant::now();
        let punctuality = Arc::new(Punctuality::new(start));
        Self {
            worker: Worker::new(Arc::clone(&doorbell), Arc::clone(&punctuality), start),
            punctuality,
            doorbell,
            start,
            now: start,
            rooms: 0,
        }
    }

    fn room(&mut self) -> RoomMedia {
        self.rooms += 1;
        self.doorbell.expect_room();
        RoomMedia::new(Arc::new(Room::new("a room", self.rooms, Arc::clone(&self.doorbell))))
    }

    /// Does what waits and what is due.
    fn work(&mut self) {
        let mut visitors = VecDeque::new();
        // A deadline that has passed already: nobody is waited for.
        self.doorbell.wait(Some(self.start), &mut visitors);
        let now = self.now;
        self.worker.serve(&mut visitors, || now);
    }

    /// Lets time pass, and wakes the rooms when they want to be woken.
    fn pass(&mut self, time: Duration) {
        self.work();
        let end = self.now + time;
        for _ in 0..10_000 {
            match self.worker.alarm() {
                Some(alarm) if alarm <= end => {
                    self.now = alarm;
                    self.work();
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("a room wants to be woken again and again");
    }
}

fn pool(threads: usize) -> MediaPool {
    MediaPool::new(NonZeroUsize::new(threads).expect("not zero")).expect("threads can be had")
}

#[test]
fn packets_reach_the_sink_untouched_and_in_order() {
    let mut by_hand = ByHand::new();
    let (room, source, ear, _sink) = pair(by_hand.room());
    for number in 0..20 {
        push(&source, u64::from(number), &voice(number), by_hand.now);
        by_hand.pass(FRAME);
    }
    let heard: Vec<_> = ear.heard().into_iter().map(|heard| heard.opus).collect();
    let sent: Vec<_> = (0..20).map(|number| voice(number).to_vec()).collect();
    assert_eq!(heard, sent);
    let stats = room.stats().engine;
    assert_eq!((stats.forwarded, stats.sources, stats.sinks), (20, 1, 1));

    assert!(source.is_speaking());
    by_hand.pass(HANGOVER);
    assert!(!source.is_speaking(), "the hangover ends without a packet");
}

#[test]
fn guards_remove_what_they_guard_and_the_last_one_ends_the_room() {
    let mut by_hand = ByHand::new();
    let (room, source, ear, guard) = pair(by_hand.room());
    let other = room.add_source(SourceSpec::new("another"));
    assert_ne!(other.id(), source.id());
    by_hand.work();
    assert_eq!(room.stats().engine.sources, 2);
    drop(other);
    by_hand.work();
    assert_eq!(room.stats().engine.sources, 1);
    drop(guard);
    by_hand.work();
    assert!(ear.is_released());

    let (packets, ear) = sink();
    let guard = room.add_sink(SinkSpec::new("listener").except(Except::Nobody), packets);
    drop(room);
    push(&source, 0, &voice(0), by_hand.now);
    by_hand.work();
    assert_eq!(ear.heard().len(), 1, "a source and a sink keep their room");
    assert_eq!(by_hand.doorbell.rooms(), 1);
    drop((source, guard));
    by_hand.work();
    assert!(ear.is_released());
    assert_eq!(by_hand.doorbell.rooms(), 0);
}

/// No thread is woken for what needs no codec, and none of it overtakes what is queued.
#[test]
fn what_goes_through_untouched_does_not_wait_for_the_room_s_thread() {
    let mut by_hand = ByHand::new();
    let (room, source, ear, guard) = pair(by_hand.room());
    let number = |ear: &Ear| ear.heard().into_iter().map(|heard| heard.opus[1]).collect::<Vec<_>>();
    push(&source, 0, &voice(0), by_hand.now);
    assert!(ear.heard().is_empty(), "the room has to be made first");
    by_hand.work();
    push(&source, 1, &voice(1), by_hand.now);
    assert_eq!(number(&ear), [0, 1]);
    assert!(source.is_speaking());

    guard.set_except(Except::Nobody);
    push(&source, 2, &voice(2), by_hand.now);
    assert!(ear.heard().is_empty(), "a change waits before it");
    by_hand.work();
    push(&source, 3, &voice(3), by_hand.now);
    assert_eq!(number(&ear), [2, 3]);
    assert_eq!(room.stats().engine.forwarded, 4);

    // The thread still ends the talk spurt.
    by_hand.pass(HANGOVER);
    assert!(!source.is_speaking());
    let other = room.add_source(SourceSpec::new("another"));
    by_hand.work();
    for source in [&source, &other] {
        push(source, 4, &voice(4), by_hand.now);
    }
    assert!(ear.heard().iter().all(|heard| heard.opus != voice(4)), "two are mixed");
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut by_hand = ByHand::new();
    let (room, source, _ear, _sink) = pair(by_hand.room());
    for sequence in 0..1_000 {
        push(&source, sequence, &voice(1), by_hand.now);
    }
    assert_eq!(room.stats().overflowed, 1_000 - 256);
    push(&source, 1_000, &vec![0; 100_000], by_hand.now);
    assert_eq!(room.stats().overflowed, 1_001 - 256);
    by_hand.work();
    assert_eq!(room.stats().engine.received, 256, "what fitted is worked off");
}

/// Three people in each of 20 rooms, two of whom speak at once for half a second: the third hears a mix.
#[test]
fn twenty_rooms_mix_at_once() {
    const SPEECH: u64 = 25;
    let mut by_hand = ByHand::new();
    let rooms: Vec<_> = (0..20)
        .map(|_| {
            let (room, one, ear, sink) = pair(by_hand.room());
            let two = room.add_source(SourceSpec::new("two"));
            (room, [one, two], ear, sink)
        })
        .collect();
    for sequence in 0..SPEECH {
        for (_, sources, ..) in &rooms {
            for source in sources {
                push(source, sequence, &voice(9), by_hand.now);
            }
        }
        by_hand.pass(FRAME);
    }
    by_hand.pass(Duration::from_secs(1));
    for (room, _, ear, _) in &rooms {
        let stats = room.stats();
        assert_eq!((stats.overflowed, stats.engine.received), (0, SPEECH * 2));
        assert_eq!((stats.engine.mixes, stats.engine.mixing), (1, 0), "it has ended");
        assert_eq!(stats.engine.skipped, 0, "nothing is late where time waits");
        let mixed = ear.heard().iter().filter(|heard| heard.mixed).count();
        assert!(mixed >= 24, "a frame for each 20 ms of two voices, and not {mixed}");
    }
}

/// While who has priority speaks, the others are turned down in the mix, and only then.
#[test]
fn priority_can_be_given_and_taken() {
    const SPEECH: u64 = 25;
    let mut by_hand = ByHand::new();
    let (room, one, _ear, _sink) = pair(by_hand.room());
    let two = room.add_source(SourceSpec::new("two"));
    let mut ducked = 0;
    for (round, priority) in (0..).zip([false, true, false]) {
        two.set_priority(priority);
        for sequence in round * SPEECH..(round + 1) * SPEECH {
            for source in [&one, &two] {
                push(source, sequence, &voice(9), by_hand.now);
            }
            by_hand.pass(FRAME);
        }
        by_hand.pass(Duration::from_secs(1));
        let now = room.stats().engine.ducked;
        assert_eq!(now - ducked > 20, priority, "{} packets in round {round}", now - ducked);
        ducked = now;
    }
}

/// B12: a thread that comes too late to its rooms knows it, and knows when that is over.
#[test]
fn lateness_is_measured_where_rooms_are_woken() {
    let mut by_hand = ByHand::new();
    let (room, one, _ear, _sink) = pair(by_hand.room());
    let two = room.add_source(SourceSpec::new("two"));
    // Two are mixed when the packets of the first come: that is no deadline that could be missed.
    let talk = |by_hand: &mut ByHand, behind: Duration, sequences: std::ops::Range<u64>| {
        for sequence in sequences {
            for source in [&one, &two] {
                push(source, sequence, &voice(9), by_hand.now);
            }
            // Whoever is on time is there whenever a room wants him; whoever is not comes when it suits him.
            if behind.is_zero() {
                by_hand.pass(FRAME);
            } else {
                by_hand.now += behind;
                by_hand.work();
                by_hand.now += FRAME.saturating_sub(behind);
            }
        }
        by_hand.punctuality.late_percent(by_hand.now)
    };
    assert_eq!(talk(&mut by_hand, Duration::ZERO, 0..300), 0);
    assert_eq!(room.stats().engine.mixing, 1);
    let bearable = talk(&mut by_hand, LATE, 300..500);
    assert_eq!(bearable, 0, "half a frame is no matter");
    let late = talk(&mut by_hand, LATE + Duration::from_millis(1), 500..700);
    assert!(late > 50, "{late} % late");
    assert_eq!(talk(&mut by_hand, Duration::ZERO, 700..1_000), 0);
}

/// A machine that gives a process no time takes its packets in late, so that they do not seem to have waited.
#[test]
fn a_thread_that_gets_no_time_knows_by_its_own_beat() {
    let mut by_hand = ByHand::new();
    let (_room, source, _ear, _sink) = pair(by_hand.room());
    for sequence in 0..200 {
        push(&source, sequence, &voice(1), by_hand.now);
        by_hand.work();
        let alarm = by_hand.worker.alarm().expect("it looks after itself");
        by_hand.now = alarm + LATE + Duration::from_millis(1);
    }
    let late = by_hand.punctuality.late_percent(by_hand.now);
    assert!(late > 90, "{late} % late");
    // Nobody speaks: the thread sleeps as long as it likes, and does not look.
    by_hand.pass(Duration::from_secs(2));
    assert_eq!(by_hand.worker.alarm(), None);
}

/// A packet that finds its thread at work waits as long as that takes, whoever made the work.
#[test]
fn the_packet_that_waits_longest_tells_how_late_a_thread_is() {
    let mut by_hand = ByHand::new();
    let (room, source, _ear, _sink) = pair(by_hand.room());
    let other = room.add_source(SourceSpec::new("another"));
    for sequence in 0..200 {
        push(&source, sequence, &voice(1), by_hand.now);
        by_hand.now += LATE + Duration::from_millis(1);
        push(&other, sequence, &voice(2), by_hand.now);
        by_hand.work();
    }
    let late = by_hand.punctuality.late_percent(by_hand.now);
    assert!(late > 90, "{late} % late");
}

#[test]
fn a_thread_is_woken_by_packets_and_by_its_clock() {
    let pool = pool(1);
    let (room, one, ear, _sink) = pair(pool.room("a room"));
    push(&one, 0, &voice(0), Instant::now());
    let forwarded = ear.next();
    assert_eq!((forwarded.opus, forwarded.mixed), (voice(0).to_vec(), false));

    // No packet wakes a mix: it comes when its time has come.
    let two = room.add_source(SourceSpec::new("two"));
    for sequence in 1..4 {
        push(&one, sequence, &voice(1), Instant::now());
        push(&two, sequence, &voice(2), Instant::now());
    }
    while !ear.next().mixed {}
}

#[tokio::test]
async fn a_panic_ends_one_room_and_is_told() {
    let pool = pool(1);
    let (room, source, ear, _sink) = pair(pool.room("a room"));
    let broken = pool.room("broken");
    let bad = broken.add_source(SourceSpec::new("speaker"));
    let _bad_sink = broken.add_sink(SinkSpec::new("listener"), Box::new(Panics));
    assert!(!broken.is_failed());
    push(&bad, 0, &voice(0), Instant::now());
    tokio::time::timeout(PATIENCE, broken.failed())
        .await
        .expect("it is told");
    assert!(broken.is_failed());
    push(&bad, 1, &voice(1), Instant::now());
    drop((bad, broken));

    push(&source, 0, &voice(7), Instant::now());
    assert_eq!(ear.next().opus, voice(7), "the other room on the same thread lives on");
    assert!(!room.is_failed());
}

/// Who brings a packet is not harmed by what becomes of it.
#[test]
fn a_panic_in_the_hands_of_whoever_brings_a_packet_ends_the_room_alone() {
    let mut by_hand = ByHand::new();
    let (room, source, _ear, _sink) = pair(by_hand.room());
    push(&source, 0, &voice(0), by_hand.now);
    by_hand.work();
    // A sink that has heard nothing yet panics at the next packet, which needs no thread any more.
    let _bad_sink = room.add_sink(SinkSpec::new("listener"), Box::new(Panics));
    by_hand.work();
    push(&source, 1, &voice(1), by_hand.now);
    assert!(!room.is_failed(), "its thread has not heard of it");
    push(&source, 2, &voice(2), by_hand.now);
    by_hand.work();
    assert!(room.is_failed());
    assert_eq!(by_hand.doorbell.rooms(), 0);
}

#[test]
fn shutdown_ends_all_threads_and_fails_what_is_left() {
    let pool = pool(3);
    let rooms: Vec<_> = (0..6).map(|_| pair(pool.room("a room"))).collect();
    for (_, source, ear, _) in &rooms {
        push(source, 0, &voice(0), Instant::now());
        ear.next();
    }
    // Returns only when every thread has ended.
    pool.shutdown();
    for (room, source, ear, _) in &rooms {
        assert!(room.is_failed() && ear.is_released());
        push(source, 1, &voice(1), Instant::now());
    }
    let late = pool.room("too late");
    let _source = late.add_source(SourceSpec::new("speaker"));
    assert!(late.is_failed(), "a room without a thread says so");
    drop((rooms, late, pool));
}
