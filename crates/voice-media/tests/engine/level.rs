//! Each packet says how loud it is, as far as anybody knows.

use crate::room::speech::{ALICE, BOB, decibels, encode_celt, encode_voip, power};
use crate::room::{FRAME, Heard, Room, Speaker, record};
use voice_media::opus::SILENCE;

fn is_mixed(heard: &Heard) -> bool {
    heard.source.is_none() && heard.opus != SILENCE
}

#[test]
fn a_forwarded_packet_has_the_level_it_came_with() {
    for webrtc in [true, false] {
        let mut room = Room::of(2);
        let pcm = ALICE.speak(600);
        let speaker = Speaker {
            source: 0,
            start: 0,
            webrtc,
        };
        let packets = speaker.send(&pcm, &encode_voip(&pcm));
        room.run(packets.clone());
        let forwarded: Vec<_> = room.of_sink(1).iter().filter(|heard| heard.source.is_some()).collect();
        assert!(forwarded.len() >= 28, "{} packets", forwarded.len());
        for heard in forwarded {
            let sent = packets.iter().find(|packet| packet.opus == heard.opus);
            assert_eq!(heard.level, sent.expect("untouched").level, "webrtc {webrtc}");
            assert_eq!(heard.level.is_some(), webrtc);
        }
    }
}

#[test]
fn silence_says_that_it_is_silent() {
    for source_ends_it in [true, false] {
        let mut room = Room::of(2);
        let pcm = ALICE.speak(400);
        let mut opus = encode_celt(&pcm);
        if source_ends_it {
            opus.truncate(15);
            opus.extend(std::iter::repeat_n(SILENCE.to_vec(), 5));
        }
        room.run(Speaker::new(0, 0).send(&pcm, &opus));
        let tail: Vec<_> = room.of_sink(1).iter().filter(|heard| heard.opus == SILENCE).collect();
        assert_eq!(tail.len(), 5);
        assert!(
            tail.iter().all(|heard| heard.level == Some(127)),
            "by its source: {source_ends_it}"
        );
    }
}

#[test]
fn a_mix_has_the_level_that_is_heard() {
    let mut room = Room::of(3);
    let (alice, bob) = (ALICE.speak(2_000), BOB.speak(2_000));
    let mut packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    packets.extend(Speaker::new(1, 4_000).send(&bob, &encode_celt(&bob)));
    room.run(packets);
    let recording = record(room.of_sink(2));
    let mixed: Vec<_> = room.of_sink(2).iter().filter(|heard| is_mixed(heard)).collect();
    assert!(mixed.len() > 90, "{} packets", mixed.len());
    let mut away = Vec::new();
    // Without the ends, where voices are made up and fade.
    for heard in &mixed[5..mixed.len() - 20] {
        let start = usize::try_from(heard.media_time).expect("small");
        let level = -decibels(power(&recording[start..start + FRAME]));
        away.push((f32::from(heard.level.expect("measured")) - level).abs());
    }
    away.sort_by(f32::total_cmp);
    let (median, most) = (away[away.len() / 2], away[away.len() - 1]);
    assert!(median < 1.0 && most < 3.0, "{median} dB away, {most} dB at most");
}
