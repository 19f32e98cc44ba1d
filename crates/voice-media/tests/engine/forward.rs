//! One speaker is forwarded untouched, and at the right time.

use crate::room::speech::{ALICE, BOB, Encode, encode_celt, encode_voip, noise, silence};
use crate::room::{self, Packet, Room, Speaker, assert_monotonic};
use voice_media::opus::SILENCE;
use voice_media::{Channels, Except, SinkId, SourceId, SourceSpec};

/// What a sink heard untouched, as bytes.
fn forwarded(room: &Room, sink: u64) -> Vec<&[u8]> {
    let heard = room.of_sink(sink).iter().filter(|heard| heard.source.is_some());
    heard.map(|heard| heard.opus.as_slice()).collect()
}

#[test]
fn one_speaker_is_untouched_and_not_held_s2_b7() {
    for encode in [encode_voip, encode_celt] {
        let mut room = Room::of(3);
        let pcm = ALICE.speak(2_000);
        let packets = Speaker::new(0, 7_300).send(&pcm, &encode(&pcm));
        room.run(packets.clone());
        for sink in [1, 2] {
            // A detector may need a frame or two of an onset; from then on nothing is missing.
            let heard = forwarded(&room, sink);
            assert!(heard.len() >= packets.len() - 2, "{} of {}", heard.len(), packets.len());
            let sent: Vec<&[u8]> = packets.iter().map(|packet| packet.opus.as_slice()).collect();
            assert!(sent.ends_with(&heard), "the very bytes, in order");
            for (packet, heard) in packets
                .iter()
                .rev()
                .zip(room.of_sink(sink).iter().filter(|h| h.source.is_some()).rev())
            {
                assert_eq!(heard.at, packet.at, "handed over in the call that brought it");
                assert_eq!(heard.source, Some(SourceId::new(0)));
            }
            assert_monotonic(room.of_sink(sink));
        }
        assert_eq!(room.of_sink(0), [], "nobody hears himself");
        let stats = room.engine.stats();
        assert_eq!(
            (stats.mixed, stats.encoded, stats.transcoded, stats.mixes),
            (0, 0, 0, 0)
        );
    }
}

/// Whoever brings such a packet hands it on without the room's thread: so it has to be said before, and of almost all.
#[test]
fn one_speaker_s_packets_are_known_to_need_no_codec() {
    let pcm = ALICE.speak(2_000);
    let opus = encode_celt(&pcm);
    let mut room = Room::new();
    room.source_with(0, SourceSpec::new("gated").gated());
    room.sink(1, |spec| spec);
    room.run(Speaker::new(0, 0).send(&pcm, &opus));
    assert_eq!(
        room.untouched,
        opus.len() - 1,
        "all but the first, which begins the spurt"
    );

    let mut room = Room::of(2);
    room.run(Speaker::new(0, 0).send(&pcm, &opus));
    assert_eq!(room.untouched, 0, "who speaks is known by decoding alone");
}

#[test]
fn a_spurt_ends_with_five_frames_of_silence() {
    let mut room = Room::of(2);
    let pcm = ALICE.speak(400);
    room.run(Speaker::webrtc(0, 0).send(&pcm, &encode_voip(&pcm)));
    let heard = room.of_sink(1);
    let tail: Vec<_> = heard.iter().skip_while(|heard| heard.source.is_some()).collect();
    assert_eq!(tail.len(), 5);
    assert!(tail.iter().all(|heard| heard.opus == SILENCE && heard.source.is_none()));
    assert_eq!(tail[0].at, 380_000 + 200_000, "after the hangover");
    assert!(
        tail.windows(2).all(|pair| pair[1].at - pair[0].at == 20_000),
        "never in a burst"
    );
    assert_monotonic(heard);
}

#[test]
fn discords_own_silence_ends_the_spurt_and_is_passed_on() {
    let mut room = Room::of(2);
    let pcm = ALICE.speak(400);
    let mut opus = encode_celt(&pcm);
    opus.extend(std::iter::repeat_n(SILENCE.to_vec(), 5));
    let packets = Speaker::new(0, 0).send(&[pcm, silence(100)].concat(), &opus);
    room.run(packets);
    let heard = room.of_sink(1);
    assert_eq!(
        heard.iter().filter(|heard| heard.opus == SILENCE).count(),
        5,
        "and no more are added"
    );
    assert!(heard.iter().all(|heard| heard.source == Some(SourceId::new(0))));
    assert_eq!(room.engine.stats().speaking, 0);
}

/// Chromium without DTX sends 50 packets a second whatever its microphone hears.
#[test]
fn an_open_microphone_neither_mixes_nor_is_forwarded() {
    let still = [silence(4_000), noise(4_000, 0.003, 9)];
    for (webrtc, encode) in [
        (true, encode_voip as Encode),
        (false, encode_voip),
        (false, encode_celt),
    ] {
        for pcm in &still {
            let mut room = Room::of(3);
            let speech = ALICE.speak(2_000);
            let mut alice = Speaker::webrtc(0, 1_000_000);
            let mut bob = Speaker::new(1, 3_000);
            (alice.webrtc, bob.webrtc) = (webrtc, webrtc);
            let mut packets = bob.send(pcm, &encode(pcm));
            packets.extend(alice.send(&speech, &encode(&speech)));
            room.run(packets);
            let stats = room.engine.stats();
            assert_eq!((stats.mixes, stats.mixed), (0, 0), "webrtc {webrtc}");
            assert!(
                forwarded(&room, 2).len() >= 98,
                "the talker is untouched: {}",
                forwarded(&room, 2).len()
            );
            assert!(
                room.of_sink(0).iter().filter(|heard| heard.source.is_some()).count() <= 15,
                "the open microphone is not forwarded (webrtc {webrtc}): {}",
                room.of_sink(0).len()
            );
        }
    }
}

#[test]
fn what_a_gated_source_sends_is_speech_however_quiet() {
    for gated in [true, false] {
        let mut room = Room::new();
        let spec = SourceSpec::new("on Discord");
        room.source_with(0, if gated { spec.gated() } else { spec });
        room.sink(1, |spec| spec);
        let pcm = noise(400, 0.001, 6);
        let packets = Speaker::new(0, 0).send(&pcm, &encode_celt(&pcm));
        room.run(packets);
        assert_eq!(forwarded(&room, 1).len(), if gated { 20 } else { 0 }, "gated: {gated}");
    }
}

#[test]
fn loss_and_order_are_passed_on_b8() {
    let mut room = Room::new();
    room.source(0);
    room.sink(0, |spec| spec);
    room.sink(1, voice_media::SinkSpec::late_packets);
    let pcm = ALICE.speak(400);
    let mut packets = Speaker::webrtc(0, 0).send(&pcm, &encode_voip(&pcm));
    packets[11].at += 25_000; // behind its successor
    let again = packets[5].clone();
    packets.push(Packet {
        at: again.at + 1,
        ..again
    });
    packets.remove(8); // lost
    room.run(packets.clone());

    let plain: Vec<_> = room.of_sink(0).iter().filter(|heard| heard.source.is_some()).collect();
    assert_eq!(plain.len(), 18, "20 less one lost and one late");
    let losses: Vec<_> = plain.iter().map(|heard| heard.lost_before).collect();
    assert_eq!((losses[8], losses[10], losses.iter().sum::<u32>()), (1, 1, 2));
    assert_monotonic(room.of_sink(0));

    let late: Vec<_> = room.of_sink(1).iter().filter(|heard| heard.late).collect();
    assert_eq!(late.len(), 1, "a sink that asked for it gets what came late");
    assert_eq!(
        (late[0].sequence, late[0].media_time),
        (11, 11 * 960),
        "under the number reserved for it"
    );
    assert_eq!(
        late[0].opus,
        packets
            .iter()
            .find(|packet| packet.sequence == 1_011)
            .expect("sent")
            .opus
    );
    let stats = room.engine.stats();
    assert_eq!((stats.lost, stats.late, stats.duplicates), (2, 1, 1));
}

/// What a network, or a machine, that stands still for a moment does to a stream without media time.
#[test]
fn speech_that_was_held_up_keeps_its_place_in_time_b8() {
    let mut room = Room::of(2);
    let pcm = ALICE.speak(1_000);
    let mut packets = Speaker::new(0, 0).send(&pcm, &encode_celt(&pcm));
    for packet in &mut packets {
        if (500_000..650_000).contains(&packet.at) {
            packet.at = 650_000;
        }
    }
    let source = room.source_with(9, SourceSpec::new("gated").gated());
    for packet in &mut packets {
        packet.source = 9;
    }
    room.run(packets);
    assert_eq!(source, SourceId::new(9));
    let heard: Vec<_> = room.of_sink(1).iter().filter(|heard| heard.source.is_some()).collect();
    assert_eq!(heard.iter().filter(|heard| heard.marker).count(), 1, "one spurt");
    assert!(
        heard
            .windows(2)
            .all(|pair| pair[1].media_time == pair[0].media_time + 960),
        "and no hole in it"
    );
}

/// The fault that makes the delay of other bridges grow: a media time that stands still while nobody speaks.
#[test]
fn ten_minutes_of_speech_and_silence_do_not_change_the_delay_b8() {
    for webrtc in [true, false] {
        let mut room = Room::of(2);
        let pcm = ALICE.speak(1_000);
        let opus = encode_voip(&pcm);
        let mut packets = Vec::new();
        let mut at = 0;
        let mut sequence = 0;
        while at < 600_000_000 {
            let speaker = Speaker {
                source: 0,
                start: at,
                webrtc,
            };
            // Who has no media time, as Discord's users, says by five frames of silence that he stops.
            let silences = if webrtc { 0 } else { 5 };
            let said = [&opus[..opus.len() - silences], &vec![SILENCE.to_vec(); silences]].concat();
            packets.extend(speaker.send(&pcm, &said).into_iter().map(|packet| {
                sequence += 1;
                Packet {
                    sequence,
                    media_time: packet.media_time.map(|time| time + at / 20_000 * 960),
                    ..packet
                }
            }));
            at += 1_000_000 + (at / 7) % 3_000_000;
        }
        room.run(packets);
        let heard = room.of_sink(1);
        assert!(heard.len() > 10_000);
        assert_monotonic(heard);
        let lag = |heard: &room::Heard| {
            i64::try_from(heard.at * 48 / 1_000).expect("small") - i64::try_from(heard.media_time).expect("small")
        };
        let lags: Vec<_> = heard.iter().map(lag).collect();
        let (least, most) = (lags.iter().min().expect("some"), lags.iter().max().expect("some"));
        assert!(
            *least >= -960 && *most <= 960,
            "webrtc {webrtc}: {least} to {most} samples"
        );
        assert!(
            heard.iter().filter(|heard| heard.marker).count() > 200,
            "each spurt has its marker"
        );
    }
}

#[test]
fn packets_of_other_durations_leave_as_twenty_milliseconds() {
    let pcm = ALICE.speak(1_200);
    for (samples, application, bits, transcoded) in [
        (480, opus2::Application::LowDelay, 48_000, false),
        (480, opus2::Application::Voip, 24_000, false),
        (120, opus2::Application::LowDelay, 64_000, false),
        (1_920, opus2::Application::LowDelay, 48_000, false),
        (2_880, opus2::Application::LowDelay, 48_000, false),
        (2_880, opus2::Application::Voip, 12_000, true),
        (1_920, opus2::Application::Voip, 12_000, true),
    ] {
        let mut room = Room::of(2);
        let packets = room::speech::encode(&pcm, application, bits, samples);
        let step = u64::try_from(samples).expect("small");
        let packets = (0_u64..).zip(packets).map(|(index, opus)| Packet {
            at: index * step * 1_000 / 48,
            source: 0,
            opus,
            sequence: index,
            media_time: Some(index * step),
            level: Some(20),
        });
        room.run(packets.collect());
        let heard = room.of_sink(1);
        let speech = heard.iter().filter(|heard| heard.source.is_some()).count();
        assert_eq!(speech, 60, "{samples} samples a packet");
        assert_monotonic(heard);
        assert_eq!(
            room.engine.stats().transcoded > 0,
            transcoded,
            "{samples} samples a packet"
        );
        let recording = room::record(heard);
        let (lag, alike) = room::speech::align(&recording[4_800..48_000], &pcm[4_800..38_400], 2_400);
        assert!(alike > 0.9, "{samples} samples a packet: {alike} at {lag}");
    }
}

#[test]
fn a_new_spurt_is_forwarded_again_after_one_that_was_transcoded() {
    let mut room = Room::of(2);
    let pcm = ALICE.speak(600);
    let long = room::speech::encode(&pcm, opus2::Application::Voip, 12_000, 2_880);
    let mut packets: Vec<_> = (0_u64..)
        .zip(long)
        .map(|(index, opus)| Packet {
            at: index * 60_000,
            source: 0,
            opus,
            sequence: index,
            media_time: None,
            level: Some(20),
        })
        .collect();
    let short = Speaker::new(0, 1_000_000).send(&pcm, &encode_voip(&pcm));
    packets.extend(short.iter().cloned().map(|packet| Packet {
        level: Some(20),
        ..packet
    }));
    room.run(packets);
    assert_eq!(room.engine.stats().transcoded, 30);
    let sent: Vec<&[u8]> = short.iter().map(|packet| packet.opus.as_slice()).collect();
    assert!(forwarded(&room, 1).ends_with(&sent), "the second spurt is untouched");
}

#[test]
fn groups_are_left_out_as_a_whole() {
    let mut room = Room::new();
    for id in [0, 1] {
        room.source_with(id, SourceSpec::new("on Discord").groups(&["discord"]));
    }
    let vdp = room.source(2);
    room.sink(0, |spec| {
        spec.except(Except::Group("discord")).channels(Channels::Stereo)
    });
    room.sink(1, |spec| spec.except(vdp));
    let (alice, bob) = (ALICE.speak(400), BOB.speak(400));
    let mut packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    packets.extend(Speaker::new(2, 5_000).send(&bob, &encode_voip(&bob)));
    room.source_with(3, SourceSpec::new("comes later").groups(&["discord"]));
    packets.extend(Speaker::new(3, 5_000).send(&alice, &encode_celt(&alice)));
    room.run(packets);
    assert!(
        room.of_sink(0)
            .iter()
            .all(|heard| heard.source.is_none_or(|source| source == vdp))
    );
    assert!(room.of_sink(1).iter().all(|heard| heard.source != Some(vdp)));
    assert!(
        room.of_sink(1).iter().filter(|heard| heard.source.is_none()).count() > 10,
        "two of them are mixed"
    );
    assert_eq!(room.engine.stats().mixing, 0);
}

/// Source and sink 0 are the far side, 1 is on both sides at first, 2 on this one.
#[test]
fn who_is_on_both_sides_crosses_neither_way_until_he_leaves_one() {
    const FAR: &str = "far";
    let mut room = Room::new();
    room.source_with(0, SourceSpec::new("far").groups(&[FAR]));
    room.sink(0, |spec| spec.except(Except::Group(FAR)));
    for id in [1, 2] {
        let source = room.source(id);
        room.sink(id, |spec| spec.except(source));
    }
    let (both, now) = (SourceId::new(1), room.start);
    room.engine.set_groups(now, both, &[FAR]);
    room.engine.set_except(now, SinkId::new(1), Except::Group(FAR));

    let turn = |room: &mut Room, source: u64, at: u64| {
        let before = [0, 1, 2].map(|sink| forwarded(room, sink).len());
        let pcm = ALICE.speak(400);
        let mut packets = Speaker::new(source, at).send(&pcm, &encode_celt(&pcm));
        // Each turn goes on counting.
        for packet in &mut packets {
            packet.sequence += at / 20_000;
        }
        room.run(packets);
        let after = [0, 1, 2].map(|sink| forwarded(room, sink).len());
        [0, 1, 2].map(|sink| after[sink] > before[sink])
    };
    assert_eq!(turn(&mut room, 0, 0), [false, false, true], "the far side speaks");
    assert_eq!(turn(&mut room, 1, 2_000_000), [false, false, true], "he speaks");
    assert_eq!(
        turn(&mut room, 2, 4_000_000),
        [true, true, false],
        "who is only here speaks"
    );

    let now = room.at(5_900_000);
    room.engine.set_groups(now, both, &[]);
    room.engine.set_except(now, SinkId::new(1), both.into());
    assert_eq!(turn(&mut room, 0, 6_000_000), [false, true, true], "the far side again");
    assert_eq!(turn(&mut room, 1, 8_000_000), [true, false, true], "he again");
}

#[test]
fn who_goes_over_in_mid_word_is_cut_off_at_once() {
    const FAR: &str = "far";
    let mut room = Room::of(2);
    let pcm = ALICE.speak(800);
    let packets = Speaker::new(0, 0).send(&pcm, &encode_celt(&pcm));
    let (first, rest) = packets.split_at(20);
    room.run_without_end(first.to_vec());
    let heard = forwarded(&room, 1).len();
    assert!(heard > 15, "{heard} packets");
    let now = room.at(390_000);
    room.engine.set_groups(now, SourceId::new(0), &["elsewhere", FAR]);
    room.engine.set_except(now, SinkId::new(1), Except::Group(FAR));
    room.run(rest.to_vec());
    assert_eq!(forwarded(&room, 1).len(), heard);
    assert_monotonic(room.of_sink(1));
}
