//! Whoever has priority turns the others down in the mixes that he is heard in, and nowhere else.

use crate::mix::mix_check;
use crate::room::speech::{ALICE, BOB, CAROL, encode_celt, silence};
use crate::room::{Room, Speaker, assert_monotonic, record};
use voice_media::{Channels, SourceId};

/// A chief who speaks from 1 s to 3 s, and two others who speak from the beginning until 5 s, as they sound by themselves:
/// so softly that the three together are not too loud, since what a limiter does would be measured too.
fn voices() -> [Vec<f32>; 3] {
    let chief = [silence(1_000), ALICE.speak(2_000), silence(2_000)].concat();
    [chief, BOB.speak(5_000), CAROL.speak(5_000)].map(|voice| voice.iter().map(|sample| sample * 0.4).collect())
}

/// The call as a listener hears it. Listeners 0, 1 and 2 speak themselves; 3 and 4 hear everybody, the latter in mono.
fn recording(listener: u64, priority: bool) -> Vec<f32> {
    let mut room = Room::of(3);
    room.sink(3, |spec| spec);
    room.sink(4, |spec| spec.channels(Channels::Mono));
    room.engine.set_priority(SourceId::new(0), priority);
    let mut packets = Vec::new();
    for (source, (voice, start)) in (0..).zip(voices().iter().zip([1_000, 0, 0])) {
        let said = &voice[start * 48..];
        let said = &said[..if source == 0 { 2_000 * 48 } else { said.len() }];
        packets.extend(Speaker::new(source, start as u64 * 1_000).send(said, &encode_celt(said)));
    }
    room.run(packets);
    assert_monotonic(room.of_sink(listener));
    assert_eq!(room.engine.stats().ducked > 0, priority);
    record(room.of_sink(listener))
}

/// What priority changes in how loud these voices are, in a part of the recordings, in dB.
fn change(recordings: &[Vec<f32>; 2], voices: &[Vec<f32>], from: usize, to: usize) -> Vec<f32> {
    let [with, without] = recordings
        .each_ref()
        .map(|recording| mix_check(recording, voices, from, to));
    with.iter()
        .zip(&without)
        .map(|(with, without)| with - without)
        .collect()
}

fn assert_about(changes: &[f32], expected: &[f32]) {
    for (change, expected) in changes.iter().zip(expected) {
        assert!((change - expected).abs() < 0.5, "{changes:?} dB for {expected:?}");
    }
}

#[test]
fn the_others_are_12_db_quieter_while_who_has_priority_speaks() {
    let voices = voices();
    for listener in [3, 4] {
        let recordings = [true, false].map(|priority| recording(listener, priority));
        assert_about(&change(&recordings, &voices[1..], 100, 900), &[0.0, 0.0]);
        assert_about(&change(&recordings, &voices, 1_200, 2_900), &[0.0, -12.0, -12.0]);
        assert_about(&change(&recordings, &voices[1..], 3_500, 4_800), &[0.0, 0.0]);
    }
}

#[test]
fn who_does_not_hear_him_hears_the_others_as_ever() {
    let [with, without] = [true, false].map(|priority| recording(0, priority));
    assert!(with.len() > 4 * 48_000, "{} samples", with.len());
    assert_eq!(with, without);
}

#[test]
fn alone_they_are_untouched() {
    let mut room = Room::of(3);
    room.engine.set_priority(SourceId::new(0), true);
    let packets = [(0, ALICE, 0), (1, BOB, 2_000_000)].map(|(source, voice, start)| {
        let pcm = voice.speak(1_000);
        Speaker::new(source, start).send(&pcm, &encode_celt(&pcm))
    });
    let sent = packets.concat();
    room.run(sent.clone());
    let stats = room.engine.stats();
    assert_eq!((stats.mixed, stats.ducked), (0, 0));
    let heard = room.of_sink(2).iter().filter(|heard| heard.source.is_some());
    assert!(heard.zip(&sent).filter(|(heard, sent)| heard.opus == sent.opus).count() > 90);
}
