use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A room that remembers what it heard, and what it was told of priority.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<Heard>>>, Arc<Mutex<Vec<bool>>>);

/// Sequence, media time and Opus.
type Heard = (u64, u64, Vec<u8>);

impl Voice for Room {
    fn hear(&self, speech: Speech<'_>) {
        self.0
            .lock()
            .unwrap()
            .push((speech.sequence, speech.media_time, speech.opus.to_vec()));
    }

    fn set_priority(&self, priority: bool) {
        self.1.lock().unwrap().push(priority);
    }
}

impl Room {
    fn heard(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().iter().map(|(_, _, opus)| opus.clone()).collect()
    }
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

/// An ordinary speaker.
fn by(ssrc: u32, id: u64) -> Speaking {
    Speaking {
        ssrc,
        user: user(id),
        priority: false,
    }
}

fn packet(ssrc: u32, sequence: u16, opus: &[u8], received: Instant) -> RtpPacket<'_> {
    RtpPacket {
        ssrc,
        sequence,
        timestamp: u32::from(sequence) * 960,
        opus,
        received,
    }
}

#[test]
fn a_known_speaker_is_heard_and_an_ignored_one_is_not() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    speakers.speaking(by(1, 10), || Some(room.clone()), now);
    speakers.speaking(by(2, 20), || None, now);
    assert_eq!(speakers.packet(packet(1, 0, b"alice", now)), Fate::Bridged);
    assert_eq!(speakers.packet(packet(2, 0, b"our own bot", now)), Fate::Ignored);
    assert_eq!(room.heard(), [b"alice".to_vec()]);
    assert_eq!(speakers.bridged(), 1);
}

#[test]
fn the_first_packets_of_a_speaker_who_is_named_late_are_not_lost() {
    let start = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    for n in 0..5_u16 {
        let at = start + Duration::from_millis(u64::from(n) * 20);
        assert_eq!(
            speakers.packet(packet(1, n, &[b'a' + u8::try_from(n).unwrap()], at)),
            Fate::Held
        );
    }
    let dropped = speakers.speaking(by(1, 10), || Some(room.clone()), start + Duration::from_millis(230));
    assert_eq!(dropped, 2, "what is older than 200 ms would come as a burst");
    assert_eq!(room.heard(), [b"c".to_vec(), b"d".to_vec(), b"e".to_vec()]);
}

#[test]
fn packets_held_for_an_ignored_user_are_never_heard() {
    let now = Instant::now();
    let mut speakers = Speakers::<Room>::new();
    speakers.packet(packet(1, 0, b"bridge", now));
    speakers.speaking(by(1, 10), || None, now);
    let room = Room::default();
    speakers.speaking(by(2, 20), || Some(room.clone()), now);
    assert!(room.heard().is_empty());
    assert!(speakers.held.is_empty());
}

#[test]
fn what_is_held_is_bounded() {
    let now = Instant::now();
    let mut speakers = Speakers::<Room>::new();
    let fates: Vec<Fate> = (0..100).map(|n| speakers.packet(packet(n, 0, b"x", now))).collect();
    assert_eq!(
        fates.iter().filter(|fate| **fate == Fate::Dropped).count(),
        100 - MAX_HELD
    );
    assert_eq!(speakers.held.len(), MAX_HELD);
}

#[test]
fn speakers_are_bounded() {
    let now = Instant::now();
    let mut speakers = Speakers::<Room>::new();
    for ssrc in 0..2000 {
        speakers.speaking(by(ssrc, u64::from(ssrc) + 1), || None, now);
    }
    assert_eq!(speakers.by_ssrc.len(), MAX_SPEAKERS);
}

#[test]
fn a_user_who_left_or_came_back_leaves_no_old_ssrc() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    speakers.speaking(by(1, 10), || Some(room.clone()), now);
    speakers.speaking(by(2, 10), || Some(room.clone()), now);
    assert_eq!(speakers.bridged(), 1);
    assert_eq!(speakers.packet(packet(1, 0, b"old", now)), Fate::Held);
    speakers.gone(user(10));
    assert_eq!(speakers.bridged(), 0);
    assert_eq!(speakers.packet(packet(2, 0, b"gone", now)), Fate::Held);
    assert!(room.heard().is_empty());
}

/// A stream that is somebody else's now must not be taken for his who had it.
#[test]
fn an_ssrc_that_changes_hands_is_judged_anew() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    speakers.speaking(by(1, 10), || Some(room.clone()), now);
    speakers.speaking(by(1, 20), || None, now);
    assert_eq!(speakers.packet(packet(1, 0, b"our own bot", now)), Fate::Ignored);
    assert!(room.heard().is_empty());
}

#[test]
fn the_room_is_told_of_priority_when_it_changes() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    for priority in [true, true, false, false, true] {
        let speaking = Speaking { priority, ..by(1, 10) };
        speakers.speaking(speaking, || Some(room.clone()), now);
    }
    // He connects again, and speaks without.
    speakers.speaking(by(2, 10), || Some(room.clone()), now);
    assert_eq!(*room.1.lock().unwrap(), [true, false, true]);
}

#[test]
fn after_a_lost_line_nobody_is_known() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    speakers.speaking(by(1, 10), || Some(room.clone()), now);
    speakers.packet(packet(2, 0, b"held", now));
    speakers.forget_all();
    assert_eq!(speakers.bridged(), 0);
    assert_eq!(speakers.packet(packet(1, 0, b"whose?", now)), Fate::Held);
    speakers.speaking(by(2, 20), || Some(room.clone()), now);
    assert!(room.heard().is_empty(), "what was held is of another line");
}

#[test]
fn sequence_and_time_go_on_past_their_wraps() {
    let now = Instant::now();
    let room = Room::default();
    let mut speakers = Speakers::new();
    speakers.speaking(by(1, 10), || Some(room.clone()), now);
    for (sequence, timestamp) in [(65_534, u32::MAX - 1919), (65_535, u32::MAX - 959), (1, 961), (0, 1)] {
        speakers.packet(RtpPacket {
            ssrc: 1,
            sequence,
            timestamp,
            opus: b"x",
            received: now,
        });
    }
    let heard = room.0.lock().unwrap();
    let first = heard[0].clone();
    let steps: Vec<(u64, u64)> = heard.iter().map(|(s, t, _)| (s - first.0, t - first.1)).collect();
    assert_eq!(steps, [(0, 0), (1, 960), (3, 2881), (2, 1921)]);
}

proptest! {
    /// Steps of less than half the range, forwards or backwards, are followed exactly.
    #[test]
    fn extension_follows_any_walk(start in any::<u16>(), steps in prop::collection::vec(-1000_i64..1000, 1..200)) {
        let mut extended = Extended::default();
        let first = extended.extend(u32::from(start), 16);
        let mut highest = i64::try_from(first).unwrap();
        for step in steps {
            let truth = highest + step;
            let value = u32::try_from(truth.rem_euclid(65_536)).unwrap();
            prop_assert_eq!(extended.extend(value, 16), u64::try_from(truth).unwrap());
            highest = highest.max(truth);
        }
    }
}
