//! Who speaks is known in noise.

use std::time::Duration;

use crate::room::speech::{ALICE, BOB, CAROL, Encode, encode_celt, encode_voip, hum, noise, power, rumble};
use crate::room::{Packet, Room, Speaker};
use voice_media::SourceId;

/// How much louder than the noise the speech is, in dB.
const SNR: f32 = 10.0;

/// Milliseconds of speech and of the pause after it, in turns.
const TURNS: [(usize, usize); 8] = [
    (1_500, 800),
    (700, 600),
    (2_600, 1_400),
    (400, 500),
    (3_200, 2_000),
    (1_000, 4_000),
    (5_000, 700),
    (600, 1_200),
];

/// Speech in noise, and for each frame whether somebody speaks in all of it.
struct Corpus {
    pcm: Vec<f32>,
    speaks: Vec<bool>,
}

/// [`TURNS`] of a voice at `level` dBFS in noise that is [`SNR`] below it, after a second of noise alone.
fn corpus(level: f32, noise: &[f32], voice: usize) -> Corpus {
    let voice = [ALICE, BOB, CAROL][voice % 3];
    let (mut pcm, mut speaks) = (vec![0.0; 48_000], vec![false; 50]);
    for (speech, pause) in TURNS.into_iter().chain(TURNS) {
        pcm.extend(at_level(&voice.speak(speech), level));
        speaks.extend(vec![true; speech / 20]);
        pcm.resize(pcm.len() + pause * 48, 0.0);
        speaks.extend(vec![false; pause / 20]);
    }
    let noise = at_level(noise, level - SNR);
    pcm.iter_mut()
        .zip(noise.iter().cycle())
        .for_each(|(sample, noise)| *sample += noise);
    Corpus { pcm, speaks }
}

fn at_level(pcm: &[f32], level: f32) -> Vec<f32> {
    let gain = 10.0_f32.powf(level / 20.0) / power(pcm).sqrt();
    pcm.iter().map(|sample| sample * gain).collect()
}

/// Frames that are wrongly taken for speech and for silence, and how many there are of either, in a corpus. What comes
/// within the hangover of 200 ms after speech is not wrong.
fn judge(corpus: &Corpus, packets: &[Packet]) -> [(u32, u32); 2] {
    let mut room = Room::of(2);
    let (mut falsely, mut missed) = ((0, 0), (0, 0));
    let mut since_speech = 100;
    for (packet, &speaks) in packets.iter().zip(&corpus.speaks) {
        room.run_without_end(vec![packet.clone()]);
        let mut sources = room.engine.sources();
        let active = sources.any(|(source, active)| source == SourceId::new(0) && active);
        since_speech = if speaks { 0 } else { since_speech + 1 };
        if speaks {
            missed = (missed.0 + u32::from(!active), missed.1 + 1);
        } else if since_speech > 11 {
            falsely = (falsely.0 + u32::from(active), falsely.1 + 1);
        }
    }
    [falsely, missed]
}

#[test]
fn speech_at_10_db_above_noise_is_told_from_it_b7() {
    // White noise, a fan, and mains in a bad cable.
    let noises = [noise(9_000, 0.1, 7), rumble(9_000, 8), hum(9_000)];
    let ways: [(&str, bool, Encode); 3] = [
        ("level", true, encode_celt),
        ("VAD bit", false, encode_voip),
        ("decoding", false, encode_celt),
    ];
    for (way, webrtc, encode) in ways {
        let mut totals = [(0, 0); 2];
        for (voice, level) in [-20.0, -29.0].into_iter().enumerate() {
            for noise in &noises {
                let corpus = corpus(level, noise, voice);
                let speaker = Speaker {
                    source: 0,
                    start: 0,
                    webrtc,
                };
                let judged = judge(&corpus, &speaker.send(&corpus.pcm, &encode(&corpus.pcm)));
                for (total, judged) in totals.iter_mut().zip(judged) {
                    *total = (total.0 + judged.0, total.1 + judged.1);
                }
            }
        }
        let [falsely, missed] = totals.map(|(wrong, all)| 100.0 * f64::from(wrong) / f64::from(all));
        assert!(falsely <= 5.0, "by {way}: {falsely} % of the noise is taken for speech");
        assert!(missed <= 2.0, "by {way}: {missed} % of the speech is missed");
    }
}

#[test]
fn who_stops_counts_as_speaking_for_200_ms() {
    let mut room = Room::of(2);
    let pcm = [ALICE.speak(400), noise(100, 0.001, 3)].concat();
    let packets = Speaker::webrtc(0, 0).send(&pcm, &encode_voip(&pcm));
    room.run_without_end(packets);
    let due = room.engine.poll_timeout().expect("the hangover ends");
    let last = due.checked_sub(Duration::from_millis(200)).expect("after the start");
    // His last syllable fades.
    assert!(
        (room.at(300_000)..=room.at(380_000)).contains(&last),
        "{:?}",
        last - room.start
    );
    let speaks = |room: &Room| room.engine.sources().any(|(_, active)| active);
    assert!(speaks(&room));
    room.engine.handle_timeout(due);
    assert!(!speaks(&room));
}
