//! Packets say who speaks in them (S11).

use crate::room::speech::{ALICE, BOB, encode_celt};
use crate::room::{Heard, Room, Speaker};
use voice_media::opus::SILENCE;
use voice_media::{InPacket, SourceId, SourceSpec};

const OF_ALICE: u64 = 0b01;
const OF_BOB: u64 = 0b10;

/// Alice and Bob, who send nothing while they are silent, and somebody who listens.
fn room() -> Room {
    let mut room = Room::new();
    for (id, bits) in [(0, OF_ALICE), (1, OF_BOB)] {
        room.source_with(id, SourceSpec::new("speaker").gated().marks(bits));
    }
    room.sink(2, |spec| spec);
    room
}

/// The marks of what came between two moments, in milliseconds.
fn marks(heard: &[Heard], from: u64, to: u64) -> Vec<u64> {
    let between = heard.iter().filter(|heard| (from..to).contains(&(heard.at / 1_000)));
    between.map(|heard| heard.marks).collect()
}

#[test]
fn s11_one_alone_is_marked_to_his_last_packet_and_silence_is_nobody() {
    for source_ends_it in [true, false] {
        let mut room = room();
        let pcm = ALICE.speak(400);
        let mut opus = encode_celt(&pcm);
        if source_ends_it {
            opus.truncate(15);
            opus.extend(std::iter::repeat_n(SILENCE.to_vec(), 5));
        }
        room.run(Speaker::new(0, 0).send(&pcm, &opus));
        let heard = room.of_sink(2);
        assert!(heard.len() > 18, "{} packets", heard.len());
        for packet in heard {
            let expected = if packet.opus == SILENCE { 0 } else { OF_ALICE };
            assert_eq!(
                packet.marks, expected,
                "{packet:?}, ended by its source: {source_ends_it}"
            );
        }
    }
}

/// Bob from 400 ms on, for a second; Alice until 1 s: the silence of a client ends her turn.
#[test]
fn s11_in_a_mix_all_are_marked_who_speak() {
    let mut room = room();
    let (alice, bob) = (ALICE.speak(1_000), BOB.speak(1_000));
    let mut of_alice = encode_celt(&alice);
    let length = of_alice.len();
    of_alice[length - 5..].fill(SILENCE.to_vec());
    let mut packets = Speaker::new(0, 0).send(&alice, &of_alice);
    packets.extend(Speaker::new(1, 400_000).send(&bob, &encode_celt(&bob)));
    room.run(packets);
    let heard = room.of_sink(2);
    assert!(marks(heard, 20, 380).iter().all(|&marks| marks == OF_ALICE));
    let both = marks(heard, 440, 880);
    assert!(
        both.len() > 18 && both.iter().all(|&marks| marks == OF_ALICE | OF_BOB),
        "{both:?}"
    );
    let of_bob = marks(heard, 920, 1_380);
    assert!(
        of_bob.len() > 18 && of_bob.iter().all(|&marks| marks == OF_BOB),
        "{of_bob:?}"
    );
    assert_eq!(heard.last().map(|heard| heard.marks), Some(0));
}

#[test]
fn s11_marks_that_came_with_a_packet_go_on_with_it() {
    let mut room = Room::new();
    room.source_with(0, SourceSpec::new("far side").gated());
    room.sink(2, |spec| spec);
    let opus = encode_celt(&ALICE.speak(200));
    for (sequence, marks) in [Some(1), Some(3), None, Some(2), None].into_iter().enumerate() {
        let at = sequence as u64 * 20_000;
        let now = room.at(at);
        let packet = InPacket {
            opus: &opus[sequence],
            sequence: sequence as u64,
            media_time: None,
            level: None,
            marks,
            received: now,
        };
        room.engine.handle_packet(now, SourceId::new(0), &packet);
        room.drain(at);
    }
    let marks: Vec<_> = room.of_sink(2).iter().map(|heard| heard.marks).collect();
    assert_eq!(marks, [1, 3, 3, 2, 2], "what says nothing changes nothing");
}

#[test]
fn s11_a_listener_is_told_of_those_whom_he_hears() {
    let mut room = room();
    room.sink(3, |spec| spec.except(SourceId::new(0)));
    let (alice, bob) = (ALICE.speak(400), BOB.speak(400));
    let mut packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    packets.extend(Speaker::new(1, 0).send(&bob, &encode_celt(&bob)));
    room.run(packets);
    assert!(marks(room.of_sink(3), 20, 380).iter().all(|&marks| marks == OF_BOB));
    assert!(
        marks(room.of_sink(2), 60, 380)
            .iter()
            .all(|&marks| marks == OF_ALICE | OF_BOB)
    );
}
