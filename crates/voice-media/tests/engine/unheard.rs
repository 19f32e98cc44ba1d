//! What nobody hears costs nothing: it is neither decoded nor mixed, and is heard at once when somebody listens again.

use voice_media::{Except, SinkId};

use crate::room::speech::{ALICE, BOB, encode_celt};
use crate::room::{Room, Speaker, assert_monotonic};

/// Two people who speak at once, without levels, from `at` on.
fn both(room: &mut Room, at: u64) {
    let packets = [(0, ALICE), (1, BOB)].map(|(source, voice)| {
        let pcm = voice.speak(1_000);
        let mut packets = Speaker::new(source, at).send(&pcm, &encode_celt(&pcm));
        for packet in &mut packets {
            packet.sequence += at / 20_000;
        }
        packets
    });
    room.run(packets.concat());
}

#[test]
fn nothing_is_decoded_for_a_sink_without_ears() {
    let mut room = Room::new();
    room.source(0);
    room.source(1);
    let sink = room.sink(9, |spec| spec.except(Except::Everybody));
    both(&mut room, 0);
    let stats = room.engine.stats();
    assert_eq!((stats.received, stats.decoded, stats.mixes), (100, 0, 0), "{stats:?}");
    assert!(room.of_sink(9).is_empty());

    let now = room.at(1_900_000);
    room.engine.set_except(now, sink, Except::Nobody);
    both(&mut room, 2_000_000);
    let stats = room.engine.stats();
    assert!(stats.decoded > 100 && stats.mixes > 0, "{stats:?}");
    assert!(room.of_sink(9).len() > 40, "{} packets", room.of_sink(9).len());
}

/// Whoever stops to listen in the middle of a mix gets the silence that ends it, and nothing more is made for him.
#[test]
fn a_mix_ends_when_its_last_listener_goes_deaf() {
    let mut room = Room::new();
    room.source(0);
    room.source(1);
    let sink = room.sink(9, |spec| spec);
    both(&mut room, 0);
    let before = room.engine.stats();
    assert!(before.mixed > 0, "{before:?}");
    let now = room.at(1_900_000);
    room.engine.set_except(now, SinkId::new(9), Except::Everybody);
    let heard = room.of_sink(9).len();
    both(&mut room, 2_000_000);
    let after = room.engine.stats();
    assert_eq!(
        (after.decoded, after.encoded),
        (before.decoded, before.encoded),
        "{after:?}"
    );
    assert_eq!(after.mixing, 0);
    assert_eq!(room.of_sink(9).len(), heard, "the spurt had ended by itself");
    assert_monotonic(room.of_sink(9));
    let _ = sink;
}
