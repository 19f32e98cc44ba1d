//! Switching between forwarding and mixing is not heard: each stream, from its second frame on, sounds as if nothing else
//! had been heard before it.

use std::collections::BTreeMap;

use crate::room::speech::{ALICE, BOB, Encode, decibels, encode_celt, encode_voip, noise, power};
use crate::room::{FRAME, Heard, Packet, Room, Speaker, assert_monotonic};
use voice_media::opus::SILENCE;
use voice_media::{SourceId, SourceSpec};

/// How often Bob interrupts Alice.
const TIMES: u64 = 100;

/// Frames quieter than this are not speech, in dBFS.
const ACTIVE: f32 = -45.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Forwarded(SourceId),
    Mixed,
    Silence,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Forwarded(_) => "forwarded",
            Self::Mixed => "mixed",
            Self::Silence => "silence",
        }
    }
}

fn stream_of(heard: &Heard) -> Stream {
    match heard.source {
        Some(source) => Stream::Forwarded(source),
        None if heard.opus == SILENCE => Stream::Silence,
        None => Stream::Mixed,
    }
}

fn decoder() -> opus2::Decoder {
    opus2::Decoder::new(48_000, opus2::Channels::Mono).expect("libopus works")
}

fn decode(decoder: &mut opus2::Decoder, opus: &[u8]) -> Vec<f32> {
    let mut frame = vec![0.0; FRAME];
    assert_eq!(decoder.decode_float(opus, &mut frame, false).expect("Opus"), FRAME);
    frame
}

/// How Alice's and Bob's packets are made.
#[derive(Debug, Clone, Copy)]
struct Kind {
    encode: Encode,
    /// What the microphone hears while nobody speaks.
    background: f32,
    /// The frame of a spurt, after silence, from which on it is as if nothing else had been heard.
    settled: u32,
}

/// Each second Alice says a sentence of 700 ms, into which Bob says a word of 200 ms.
fn interruptions(kind: Kind) -> Vec<Packet> {
    let (encode, webrtc) = (kind.encode, true);
    let seconds = usize::try_from(TIMES).expect("small");
    let said = ALICE.speak(seconds * 1_000);
    let mut alice = noise(seconds * 1_000, kind.background, 5);
    for (alice, said) in alice.chunks_mut(48_000).zip(said.chunks(48_000)) {
        alice[..33_600].copy_from_slice(&said[..33_600]);
    }
    let mut packets = Speaker {
        source: 0,
        start: 0,
        webrtc,
    }
    .send(&alice, &encode(&alice));
    let bob = BOB.speak(200);
    for second in 0..TIMES {
        let word = Speaker {
            source: 1,
            start: second * 1_000_000 + 203_000,
            webrtc,
        };
        let sent = word.send(&bob, &encode(&bob)).into_iter().map(|packet| Packet {
            sequence: packet.sequence + second * 10,
            media_time: packet.media_time.map(|time| time + second * 48_000),
            ..packet
        });
        packets.extend(sent);
    }
    packets
}

/// What each packet of Alice sounds like to who hears nobody else.
fn uninterrupted(packets: &[Packet]) -> BTreeMap<Vec<u8>, Vec<f32>> {
    let mut decoder = decoder();
    let alices = packets.iter().filter(|packet| packet.source == 0);
    alices
        .map(|packet| (packet.opus.clone(), decode(&mut decoder, &packet.opus)))
        .collect()
}

/// Compares a frame with what it should be: the ratio of signal to difference and the difference in level, in dB.
fn compare(heard: &[f32], reference: &[f32]) -> (f32, f32) {
    let difference: Vec<f32> = heard.iter().zip(reference).map(|(a, b)| a - b).collect();
    let level = decibels(power(reference));
    (level - decibels(power(&difference)), decibels(power(heard)) - level)
}

#[test]
fn switching_a_hundred_times_in_speech_is_not_heard_b7() {
    // SILK and hybrid begin anew after silence. CELT says of a frame how it differs from the one before it, which a listener
    // has not heard at the beginning of a spurt: nothing but time helps its decoder then.
    let kinds = [
        (encode_voip as Encode, 0.0005, 2),
        (encode_celt, 0.0, 10),
        (encode_celt, 0.0005, 10),
    ];
    for (encode, background, settled) in kinds {
        let kind = Kind {
            encode,
            background,
            settled,
        };
        let mut room = Room::new();
        for id in [0, 1] {
            room.source_with(id, SourceSpec::new("speaker"));
        }
        room.sink(2, |spec| spec);
        let packets = interruptions(kind);
        room.run(packets.clone());
        assert_monotonic(room.of_sink(2));
        listen(room.of_sink(2), &packets, kind);
    }
}

/// Decodes what a listener got, and compares each frame with what it sounds like to who heard its stream alone.
fn listen(heard: &[Heard], packets: &[Packet], kind: Kind) {
    let references = uninterrupted(packets);
    let (mut listener, mut of_mix) = (decoder(), decoder());
    let (mut stream, mut frames, mut switches) = (Stream::Silence, 0, BTreeMap::<_, u64>::new());
    for packet in heard {
        let now = stream_of(packet);
        if now != stream {
            *switches.entry((stream.name(), now.name())).or_default() += 1;
            of_mix = decoder();
            frames = 0;
        }
        stream = now;
        frames += 1;
        let frame = decode(&mut listener, &packet.opus);
        let (reference, settled) = match now {
            Stream::Forwarded(_) => (references[&packet.opus].clone(), kind.settled),
            Stream::Mixed => (decode(&mut of_mix, &packet.opus), 2),
            Stream::Silence => continue,
        };
        if decibels(power(&reference)) < ACTIVE || frames < 2 {
            continue;
        }
        let (ratio, level) = compare(&frame, &reference);
        let what = format!("{kind:?}: frame {frames} of {now:?}, {ratio} dB, level {level} dB");
        assert!(ratio >= 30.0 || frames < settled, "{what}");
        assert!(level.abs() <= 1.0 || frames < settled, "{what}");
    }
    assert_eq!(switches[&("forwarded", "mixed")], TIMES);
    assert_eq!(switches[&("mixed", "silence")], TIMES, "{switches:?}");
    assert_eq!(switches.get(&("mixed", "forwarded")), None, "{switches:?}");
}
