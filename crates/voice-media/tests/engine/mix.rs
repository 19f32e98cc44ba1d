//! Several speakers are mixed: everybody is there, nobody hears himself, and the switch is not heard.

use crate::room::speech::{
    ALICE, BOB, CAROL, Encode, align, decibels, encode_celt, encode_voip, gains, noise, power, silence,
};
use crate::room::{FRAME, Heard, Packet, Room, Speaker, assert_monotonic, record};
use voice_media::{Channels, SourceSpec};

/// The part of a recording from `from` to `to`, in milliseconds.
fn part(samples: &[f32], from: usize, to: usize) -> &[f32] {
    &samples[from * 48..to * 48]
}

/// `voice` as it sits in `recording`: moved by the delay at which they are most alike.
fn aligned(recording: &[f32], voice: &[f32], length: usize) -> Vec<f32> {
    let (lag, _) = align(recording, &voice[..length.min(voice.len())], 6_000);
    let mut moved = vec![0.0; lag];
    moved.extend(voice);
    moved.resize(recording.len(), 0.0);
    moved
}

/// How far `voice` lags in a recording from `from` milliseconds on, in samples.
fn delay(recording: &[f32], voice: &[f32], from: usize) -> usize {
    let (lag, alike) = align(part(recording, from, from + 900), part(voice, from, from + 400), 14_000);
    assert!(alike > 0.3, "he is heard at {from} ms: {alike}");
    lag
}

/// How loud each voice is in a part of a recording, in dB (`MIX_CHECK`).
pub(crate) fn mix_check(recording: &[f32], voices: &[Vec<f32>], from: usize, to: usize) -> Vec<f32> {
    let aligned: Vec<_> = voices
        .iter()
        .map(|voice| aligned(part(recording, from, to), part(voice, from, to), usize::MAX))
        .collect();
    let references: Vec<&[f32]> = aligned.iter().map(Vec::as_slice).collect();
    gains(part(recording, from, to), &references)
}

/// Three people, of whom the first two speak at once, encoded one way or the other.
fn two_at_once(encode: Encode, webrtc: bool) -> (Room, Vec<Vec<f32>>) {
    let mut room = Room::of(3);
    // A fourth listener who takes mono, as a fifth who hears the same as the third.
    room.sink(3, |spec| spec.channels(Channels::Mono));
    room.sink(4, |spec| spec);
    let alice = ALICE.speak(3_000);
    let bob = BOB.speak(2_000);
    let mut packets = Speaker {
        source: 0,
        start: 0,
        webrtc,
    }
    .send(&alice, &encode(&alice));
    packets.extend(
        Speaker {
            source: 1,
            start: 508_000,
            webrtc,
        }
        .send(&bob, &encode(&bob)),
    );
    room.run(packets);
    let bob = [silence(508), bob, silence(492)].concat();
    (room, vec![alice, bob, CAROL.speak(3_000)])
}

#[test]
fn two_speakers_are_mixed_within_3_db_and_nobody_hears_himself_b7() {
    for (encode, webrtc) in [(encode_voip as Encode, true), (encode_celt, false)] {
        let (room, voices) = two_at_once(encode, webrtc);
        for sink in [2, 3, 4] {
            assert_monotonic(room.of_sink(sink));
            let gains = mix_check(&record(room.of_sink(sink)), &voices, 800, 2_300);
            assert!(
                gains[0].abs() < 3.0 && gains[1].abs() < 3.0,
                "sink {sink}: {gains:?} dB"
            );
            assert!(gains[2] < -25.0, "a stranger in the mix: {gains:?} dB");
        }
        for (sink, other) in [(0, 1), (1, 0)] {
            let heard = room.of_sink(sink);
            assert_monotonic(heard);
            let sources: Vec<_> = heard.iter().filter_map(|heard| heard.source).collect();
            assert!(
                sources
                    .iter()
                    .all(|&source| source == voice_media::SourceId::new(other))
            );
            assert!(sources.len() > 90, "the two hear each other untouched");
        }
        let stats = room.engine.stats();
        assert_eq!(
            stats.mixed,
            room.of_sink(2).iter().filter(|heard| mixed(heard)).count() as u64 * 3
        );
        assert_eq!(
            stats.encoded * 3,
            stats.mixed * 2,
            "two listeners in stereo share one encoding"
        );
        assert!(
            stats.concealed <= 10,
            "only the ends of two spurts: {}",
            stats.concealed
        );
        assert_eq!(stats.mixing, 0, "the mix ends when everybody is silent");
    }
}

fn mixed(heard: &Heard) -> bool {
    heard.source.is_none() && heard.opus != voice_media::opus::SILENCE
}

#[test]
fn a_mix_begins_within_a_frame_and_is_not_heard_to_begin() {
    for (encode, webrtc) in [(encode_voip as Encode, true), (encode_celt, false)] {
        let (room, voices) = two_at_once(encode, webrtc);
        let heard = room.of_sink(2);
        let first = heard.iter().position(mixed).expect("there is a mix");
        let onset = 508_000;
        assert!(
            heard[first].at < onset + 20_000,
            "the mix begins within a frame of Bob's first packet, at {}",
            heard[first].at
        );
        assert_eq!(
            heard[first].at % 20_000,
            0,
            "when Alice's next packet comes, who is heard no later than before"
        );
        assert_eq!(
            heard[first].media_time,
            heard[first - 1].media_time + 960,
            "no gap in the speaker's stream"
        );
        assert!(!heard[first].marker);

        // Alice's voice, uninterrupted: compare frames around the switch with a plain decode of her packets.
        let mut alone = Room::of(2);
        alone.run(
            Speaker {
                source: 0,
                start: 0,
                webrtc,
            }
            .send(&voices[0], &encode(&voices[0])),
        );
        let (mix, plain) = (record(heard), record(alone.of_sink(1)));
        let at = usize::try_from(heard[first].media_time).expect("small");
        // The encoder of the mix adds its look-ahead of 2.5 ms.
        let level = |samples: &[f32], from: usize| decibels(power(&samples[from..from + FRAME]));
        for frame in 0..4 {
            let (before, after) = (level(&plain, at + frame * FRAME), level(&mix, at + frame * FRAME + 120));
            assert!(
                after > before - 3.0,
                "frame {frame} after the switch: {after} dB for {before} dB"
            );
        }
        let step = |samples: &[f32]| {
            samples
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .fold(0.0, f32::max)
        };
        let usual = step(&plain) + step(&voices[1]);
        assert!(step(&mix[at - FRAME..at + 3 * FRAME]) <= usual, "a click at the switch");
    }
}

#[test]
fn the_second_speakers_first_word_is_there() {
    let (room, voices) = two_at_once(encode_celt, false);
    let recording = record(room.of_sink(2));
    let gains = mix_check(&recording, &voices[..2], 560, 900);
    assert!(gains.iter().all(|gain| gain.abs() < 3.0), "{gains:?} dB");
}

#[test]
fn forwarding_comes_back_only_in_a_pause() {
    for (gated, encode) in [(false, encode_voip as Encode), (true, encode_celt)] {
        let mut room = Room::new();
        for id in [0, 1] {
            let spec = SourceSpec::new("speaker");
            room.source_with(id, if gated { spec.gated() } else { spec });
        }
        room.sink(2, |spec| spec);
        let alice = [ALICE.speak(3_000), noise(300, 0.001, 4), ALICE.speak(1_000)].concat();
        let bob = BOB.speak(500);
        let alices = Speaker {
            source: 0,
            start: 0,
            webrtc: !gated,
        };
        let bobs = Speaker {
            source: 1,
            start: 1_003_000,
            webrtc: !gated,
        };
        let mut packets = alices.send(&alice, &encode(&alice));
        packets.extend(bobs.send(&bob, &encode(&bob)));
        room.run(packets);
        let heard = room.of_sink(2);
        assert_monotonic(heard);
        let last = heard.iter().rposition(mixed).expect("there was a mix");
        assert!(
            (3_000_000..3_200_000).contains(&heard[last].at),
            "Bob stopped at 1.5 s, Alice paused at 3 s, the mix ended at {}",
            heard[last].at
        );
        let after: Vec<_> = heard[last + 1..]
            .iter()
            .filter(|heard| heard.source.is_some())
            .collect();
        assert!(after.len() >= 45, "Alice is untouched again");
    }
}

#[test]
fn a_speaker_who_was_forwarded_to_one_is_not_repeated_when_his_mix_begins() {
    // Carol and Alice speak, so Dave hears a mix and Alice hears Carol alone; then Bob joins, and Alice must go from
    // Carol's packets to a mix that runs 10 to 30 ms behind them.
    let mut room = Room::of(4);
    let (alice, bob, carol) = (ALICE.speak(3_000), BOB.speak(1_500), CAROL.speak(2_500));
    let mut packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    packets.extend(Speaker::new(2, 311_000).send(&carol, &encode_celt(&carol)));
    packets.extend(Speaker::new(1, 1_000_000).send(&bob, &encode_celt(&bob)));
    room.run(packets);
    for sink in 0..4 {
        assert_monotonic(room.of_sink(sink));
    }
    let voices = [alice, [silence(1_000), bob].concat(), [silence(311), carol].concat()];
    let gains = mix_check(&record(room.of_sink(3)), &voices, 1_300, 2_400);
    assert!(
        gains.iter().all(|gain| gain.abs() < 3.0),
        "Dave hears all three: {gains:?} dB"
    );
    let gains = mix_check(&record(room.of_sink(0)), &voices, 1_300, 2_400);
    assert!(
        gains[0] < -25.0 && gains[1].abs() < 3.0 && gains[2].abs() < 3.0,
        "Alice: {gains:?} dB"
    );
    let recording = record(room.of_sink(0));
    let (before, after) = (delay(&recording, &voices[2], 500), delay(&recording, &voices[2], 1_500));
    assert!(
        after < before + FRAME / 2,
        "Carol went from {before} to {after} samples behind"
    );
}

/// A pseudo random number below `below`, the same in each run.
fn chance(seed: u64, below: u64) -> u64 {
    let mut value = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    value ^= value >> 29;
    value = value.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (value ^ (value >> 32)) % below
}

fn lose(packets: Vec<Packet>, percent: u64) -> Vec<Packet> {
    packets
        .into_iter()
        .filter(|packet| chance(packet.sequence * 7 + packet.source, 100) >= percent)
        .collect()
}

#[test]
fn five_percent_loss_is_concealed_in_a_mix_b8() {
    let mut room = Room::of(3);
    // Bob only starts the mix, which then stays, so that a hole in Alice's voice would be heard.
    let (alice, bob) = (ALICE.speak(10_000), BOB.speak(1_000));
    let mut packets = lose(Speaker::webrtc(0, 0).send(&alice, &encode_voip(&alice)), 5);
    let lost = 500 - packets.len() as u64;
    packets.extend(Speaker::webrtc(1, 4_000).send(&bob, &encode_voip(&bob)));
    room.run(packets);
    let stats = room.engine.stats();
    assert!(lost > 15);
    assert!(
        (lost..lost + 12).contains(&stats.concealed),
        "each loss once, and the fades at the ends: {} for {lost}",
        stats.concealed
    );
    let recording = record(room.of_sink(2));
    let gains = mix_check(&recording, &[alice], 2_000, 9_000);
    assert!(gains[0].abs() < 3.0, "{gains:?} dB");
    let quietest = recording[96_000..432_000]
        .chunks(FRAME)
        .map(power)
        .fold(f32::MAX, f32::min);
    let quietest = decibels(quietest);
    assert!(quietest > -40.0, "no hole where a packet was lost: {quietest} dB");
}

#[test]
fn jitter_reorder_and_duplicates_leave_the_mix_whole() {
    let mut room = Room::of(3);
    let (alice, bob) = (ALICE.speak(10_000), BOB.speak(10_000));
    let mut packets = Speaker::webrtc(0, 0).send(&alice, &encode_voip(&alice));
    packets.extend(Speaker::webrtc(1, 4_000).send(&bob, &encode_voip(&bob)));
    let again: Vec<_> = packets.iter().step_by(9).cloned().collect();
    packets.extend(again);
    for packet in &mut packets {
        packet.at += chance(packet.sequence * 31 + packet.source, 35_000);
    }
    room.run(packets);
    let stats = room.engine.stats();
    assert!(stats.duplicates > 100 && stats.late > 50, "{stats:?}");
    assert!(
        stats.concealed < 25,
        "the buffers settle: {} frames made up of 1,000",
        stats.concealed
    );
    let gains = mix_check(&record(room.of_sink(2)), &[alice, bob], 2_000, 9_000);
    assert!(gains.iter().all(|gain| gain.abs() < 3.0), "{gains:?} dB");
}

#[test]
fn a_burst_leaves_no_standing_delay_in_the_mix_b8() {
    let (alice, bob) = (ALICE.speak(12_000), BOB.speak(12_000));
    let alices = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    let bobs = Speaker::new(1, 4_000).send(&bob, &encode_celt(&bob));
    for stall in [90_000, 200_000] {
        let mut room = Room::of(3);
        let (mut packets, mut stalled) = (alices.clone(), bobs.clone());
        for packet in stalled
            .iter_mut()
            .filter(|packet| (5_000_000..5_000_000 + stall).contains(&packet.at))
        {
            packet.at = 3_000_000 + stall;
        }
        packets.extend(stalled);
        room.run(packets);
        let recording = record(room.of_sink(2));
        let (before, after) = (delay(&recording, &bob, 1_500), delay(&recording, &bob, 11_000));
        assert!(
            after <= before + FRAME,
            "a stall of {stall} µs: the delay went from {before} to {after} samples"
        );
    }
}

#[test]
fn removing_a_speaker_or_a_listener_in_a_mix_is_clean() {
    let (alice, bob) = (ALICE.speak(1_000), BOB.speak(1_000));
    let mut room = Room::of(3);
    let mut packets = Speaker::new(0, 0).send(&alice, &encode_celt(&alice));
    packets.extend(Speaker::new(1, 0).send(&bob, &encode_celt(&bob)));
    packets.sort_by_key(|packet| packet.at);
    let rest = packets.split_off(60);
    room.run_without_end(packets);
    assert_eq!(room.engine.stats().mixing, 1);
    let now = room.at(600_000);
    room.engine.remove_source(now, voice_media::SourceId::new(1));
    room.engine.remove_sink(now, voice_media::SinkId::new(0));
    room.run(rest);
    let stats = room.engine.stats();
    assert_eq!((stats.sources, stats.sinks, stats.mixing, stats.speaking), (2, 2, 0, 0));
    assert_monotonic(room.of_sink(2));
    assert!(
        room.engine.poll_timeout().is_none(),
        "an engine without speakers sleeps"
    );
}
