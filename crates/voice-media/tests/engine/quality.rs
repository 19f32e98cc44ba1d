//! How a mix sounds: as loud as its voices, never too loud, no better than its listener can take.

use crate::mix::mix_check;
use crate::room::speech::{ALICE, BOB, decibels, encode_celt, power, silence};
use crate::room::{FRAME, Heard, Room, Speaker, assert_monotonic, record};
use voice_media::opus::{Mode, Packet, SILENCE};
use voice_media::{Channels, SinkId, SourceId};

/// A signal at this level in dBFS, by its power.
fn at_level(pcm: &[f32], level: f32) -> Vec<f32> {
    let gain = 10.0_f32.powf(level / 20.0) / power(pcm).sqrt();
    pcm.iter().map(|sample| sample * gain).collect()
}

fn is_mixed(heard: &Heard) -> bool {
    heard.source.is_none() && heard.opus != SILENCE
}

/// A room in which Alice and Bob say this, both from its opening on.
fn said(mut room: Room, alice: &[f32], bob: &[f32]) -> Room {
    let mut packets = Speaker::new(0, 0).send(alice, &encode_celt(alice));
    packets.extend(Speaker::new(1, 3_000).send(bob, &encode_celt(bob)));
    room.run(packets);
    room
}

/// A signal whose peak is at −3 dBFS: speech of that power does not exist.
fn loud(pcm: &[f32]) -> Vec<f32> {
    let peak = pcm.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    pcm.iter().map(|sample| sample * 0.708 / peak).collect()
}

/// What a decoder makes of mixed packets, in as many channels.
fn decode(heard: &[&Heard], channels: opus2::Channels) -> Vec<f32> {
    let mut decoder = opus2::Decoder::new(48_000, channels).expect("libopus works");
    let count = if channels == opus2::Channels::Mono { 1 } else { 2 };
    let mut frame = vec![0.0; FRAME * count];
    let frames = heard.iter().flat_map(|heard| {
        decoder.decode_float(&heard.opus, &mut frame, false).expect("Opus");
        frame.clone()
    });
    frames.collect()
}

#[test]
fn two_speakers_at_20_db_below_full_scale_pass_within_half_a_db_b7() {
    let (alice, bob) = (at_level(&ALICE.speak(4_000), -20.0), at_level(&BOB.speak(4_000), -20.0));
    let mut room = Room::of(3);
    room.sink(3, |spec| spec.channels(Channels::Mono));
    let room = said(room, &alice, &bob);
    for sink in [2, 3] {
        assert_monotonic(room.of_sink(sink));
        let recording = record(room.of_sink(sink));
        // Without the losses of two codecs in a row: what comes out of either alone is the measure.
        let plain = |speaker: u64| {
            let mut alone = Room::of(2);
            let pcm = if speaker == 0 { &alice } else { &bob };
            alone.run(Speaker::new(0, 0).send(pcm, &encode_celt(pcm)));
            record(alone.of_sink(1))
        };
        let gains = mix_check(&recording, &[plain(0), plain(1)], 1_000, 3_800);
        assert!(gains.iter().all(|gain| gain.abs() <= 0.5), "sink {sink}: {gains:?} dB");
    }
}

#[test]
fn two_speakers_near_full_scale_stay_below_the_ceiling_b7() {
    let (alice, bob) = (loud(&ALICE.speak(4_000)), loud(&BOB.speak(4_000)));
    let room = said(Room::of(3), &alice, &bob);
    let mixed: Vec<_> = room.of_sink(2).iter().filter(|heard| is_mixed(heard)).collect();
    assert!(mixed.len() > 180);
    let peak = decode(&mixed, opus2::Channels::Stereo)
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(20.0 * peak.log10() <= -1.0, "{} dBFS", 20.0 * peak.log10());
    assert!(peak > 0.7, "and nobody is turned down further than that: {peak}");
}

#[test]
fn a_steady_voice_does_not_pump_while_another_shouts_b7() {
    // A steady tone, which would show each change of gain, and shouts of 100 ms each 300 ms.
    let tone: Vec<f32> = (0_u16..480)
        .map(|at| 0.25 * (std::f32::consts::TAU * f32::from(at) / 48.0).sin())
        .collect();
    let tone: Vec<f32> = tone.iter().copied().cycle().take(48 * 6_000).collect();
    let shout = loud(&BOB.speak(6_000));
    let bursts: Vec<f32> = shout
        .chunks(48 * 300)
        .flat_map(|chunk| [chunk[..48 * 100].to_vec(), silence(200)].concat())
        .collect();
    let room = said(Room::of(3), &tone, &bursts);
    let recording = record(room.of_sink(2));
    // Between the shouts the tone is alone: how loud it is in each 20 ms there.
    let quiet: Vec<f32> = recording[48 * 2_100..48 * 5_400]
        .chunks(48 * 300)
        .flat_map(|turn| turn[48 * 160..48 * 280].chunks(FRAME))
        .map(|frame| decibels(power(frame)))
        .collect();
    assert!(quiet.len() > 50, "{} frames", quiet.len());
    let (least, most) = quiet.iter().fold((0.0_f32, -99.0_f32), |(least, most), &level| {
        (least.min(level), most.max(level))
    });
    assert!(most - least <= 1.5, "the tone is at {least} to {most} dB");
}

#[test]
fn a_listener_has_as_many_channels_as_he_asked_for() {
    let mut room = Room::of(3);
    room.sink(3, |spec| spec.channels(Channels::Mono));
    let room = said(room, &ALICE.speak(600), &BOB.speak(600));
    for (sink, stereo) in [(2, true), (3, false)] {
        let mixed: Vec<_> = room.of_sink(sink).iter().filter(|heard| is_mixed(heard)).collect();
        assert!(mixed.len() > 20);
        for heard in mixed {
            assert_eq!(Packet::parse(&heard.opus).expect("Opus").toc().is_stereo(), stereo);
        }
    }
}

/// Bits a second of what is mixed for a sink.
fn bitrate(room: &Room, sink: u64) -> usize {
    let mixed: Vec<_> = room.of_sink(sink).iter().filter(|heard| is_mixed(heard)).collect();
    assert!(mixed.len() > 80);
    mixed.iter().map(|heard| heard.opus.len()).sum::<usize>() * 8 * 50 / mixed.len()
}

#[test]
fn a_mix_has_no_more_bits_than_its_sink_may_have() {
    let mut room = Room::of(3);
    room.sink(3, |spec| spec.bitrate(24_000));
    room.sink(4, |spec| spec);
    room.engine.set_bitrate(SinkId::new(4), Some(16_000));
    room.sink(5, |spec| spec.bitrate(384_000));
    let room = said(room, &ALICE.speak(2_000), &BOB.speak(2_000));
    for (sink, limit) in [(2, 64_000), (3, 24_000), (4, 16_000), (5, 64_000)] {
        let bits = bitrate(&room, sink);
        assert!(
            (limit * 3 / 4..=limit * 21 / 20).contains(&bits),
            "sink {sink}: {bits} of {limit}"
        );
    }
}

#[test]
fn where_packets_get_lost_each_frame_is_in_the_next_one_too_b8() {
    let mut room = Room::of(3);
    room.sink(3, |spec| spec.channels(Channels::Mono));
    room.engine.set_loss(SinkId::new(3), 10);
    let room = said(room, &ALICE.speak(2_000), &BOB.speak(2_000));
    let mixed: Vec<_> = room.of_sink(3).iter().filter(|heard| is_mixed(heard)).collect();
    let plain: Vec<_> = room.of_sink(2).iter().filter(|heard| is_mixed(heard)).collect();
    let mode = |heard: &Heard| Packet::parse(&heard.opus).expect("Opus").toc().mode();
    assert!(
        plain.iter().all(|heard| mode(heard) == Mode::Celt),
        "who loses nothing pays nothing"
    );
    let whole = decode(&mixed, opus2::Channels::Mono);
    let alike = |redundant: bool| {
        let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Mono).expect("libopus works");
        let mut frame = vec![0.0; FRAME];
        let mut ratios = Vec::new();
        for (number, heard) in mixed.iter().enumerate().take(80) {
            // Every tenth is lost, and made up for out of the one after it, or not.
            if number % 10 != 9 {
                decoder.decode_float(&heard.opus, &mut frame, false).expect("Opus");
                continue;
            }
            let after = if redundant { &mixed[number + 1].opus[..] } else { &[] };
            decoder.decode_float(after, &mut frame, redundant).expect("Opus");
            let reference = &whole[number * FRAME..(number + 1) * FRAME];
            let difference: Vec<f32> = frame.iter().zip(reference).map(|(a, b)| a - b).collect();
            ratios.push(decibels(power(reference)) - decibels(power(&difference)));
        }
        ratios.sort_by(f32::total_cmp);
        ratios[ratios.len() / 2]
    };
    let (with, without) = (alike(true), alike(false));
    assert!(
        with > without + 3.0,
        "{with} dB with what the next packet knows, {without} dB without"
    );
}

#[test]
fn who_is_turned_down_is_heard_through_a_mix_and_the_others_are_not_touched() {
    let alice = ALICE.speak(4_000);
    let mut room = Room::of(2);
    let packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    let (first, rest) = packets.split_at(100);
    room.run_without_end(first.to_vec());
    let now = room.at(1_990_000);
    room.engine.set_gain(now, SourceId::new(0), 0.5);
    room.run(rest.to_vec());
    let heard = room.of_sink(1);
    assert_monotonic(heard);
    let turned = heard.iter().position(is_mixed).expect("a mix");
    assert!((97..=101).contains(&turned), "from the next packet on: {turned}");
    let gain = mix_check(&record(heard), &[alice], 2_500, 3_900)[0];
    assert!((gain + 6.0).abs() < 1.0, "half as loud: {gain} dB");

    let mut room = Room::of(2);
    let now = room.start;
    for (gain, mixes) in [(0.5, false), (f32::NAN, false), (1.0, true)] {
        room.engine.set_gain(now, SourceId::new(0), gain);
        assert!(!mixes || room.engine.stats().mixes == 0);
    }
    let pcm = ALICE.speak(400);
    room.run(Speaker::new(0, 0).send(&pcm, &encode_celt(&pcm)));
    assert_eq!(room.engine.stats().mixed, 0, "as loud as ever again, and untouched");
}
