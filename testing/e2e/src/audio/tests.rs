//! The checks must pass what is good and fail what is not.

use super::resample::resample;
use super::*;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const LENGTH: Duration = Duration::from_secs(30);

/// Synthesised once for all tests and all runs of them: the names of the files tell what is in them.
static SPEECH: LazyLock<PathBuf> = LazyLock::new(|| std::env::temp_dir().join("vdp-speech"));

fn said(voice: Voice) -> Recording {
    Recording::new(said_without_clock(voice).audio, Clock::starting_at(1_000_000.0))
}

fn said_without_clock(voice: Voice) -> Recording {
    let audio = Speech::in_directory(&*SPEECH).audio(voice, LENGTH).unwrap();
    Recording::without_clock(audio.slice(Duration::ZERO, LENGTH))
}

/// The same so much later by the wall clock.
fn later(recording: &Recording, ms: f64) -> Recording {
    Recording::new(recording.audio.clone(), Clock::starting_at(1_000_000.0 + ms))
}

/// Through an Opus encoder and decoder, mono in 20 ms packets, as browsers do it.
fn through_opus(audio: &Audio, bits_a_second: i32) -> Audio {
    let mut encoder = opus2::Encoder::new(SAMPLE_RATE, opus2::Channels::Mono, opus2::Application::Voip).unwrap();
    encoder.set_bitrate(opus2::Bitrate::Bits(bits_a_second)).unwrap();
    let mut decoder = opus2::Decoder::new(SAMPLE_RATE, opus2::Channels::Mono).unwrap();
    let mut samples = Vec::new();
    let mut frame = [0.0; 960];
    for chunk in audio.samples().chunks_exact(960) {
        let packet = encoder.encode_vec_float(chunk, 1_275).unwrap();
        let length = decoder.decode_float(&packet, &mut frame, false).unwrap();
        samples.extend_from_slice(&frame[..length]);
    }
    Audio::new(samples)
}

#[track_caller]
fn assert_passes(check: &SpeechCheck, path: VoicePath) {
    assert!(check.passes(path), "{check}: {:?}", check.failures(path));
}

#[test]
fn the_same_is_the_same() {
    let said = said(Voice::Alice);
    let check = SpeechCheck::run(&said, &said);
    assert!(
        check.median() > 0.999 && check.p10() > 0.999 && check.drift_ms() < 0.1,
        "{check}"
    );
    assert_eq!(VoiceAway::run(&said, &said).longest(), Duration::ZERO);
    assert_passes(&check, VoicePath::Forwarded);
}

#[test]
fn a_delay_is_found_and_named() {
    let said = said(Voice::Alice);
    for ms in [0.0, 12.3, 180.0, 2_345.6] {
        let check = SpeechCheck::run(&said, &later(&said, ms));
        let delay = check.delay().unwrap();
        assert!(
            (delay.median_ms - ms).abs() < 0.1 && (delay.p95_ms - ms).abs() < 0.1,
            "{ms}: {check}"
        );
        assert_passes(&check, VoicePath::Forwarded);
    }
}

#[test]
fn without_clocks_it_is_found_anywhere() {
    let said = said_without_clock(Voice::Bob);
    let mut samples = Audio::silence(Duration::from_millis(17_250)).into_samples();
    samples.extend_from_slice(said.audio.samples());
    let check = SpeechCheck::run(&said, &Recording::without_clock(Audio::new(samples)));
    assert_passes(&check, VoicePath::Forwarded);
    assert!(
        check
            .windows()
            .iter()
            .all(|window| (window.tracked_ms - 17_250.0).abs() < 0.1),
        "{check}"
    );
    assert_eq!(check.delay(), None);
}

#[test]
fn a_clock_that_runs_fast_is_followed() {
    let said = said(Voice::Carol);
    let rate = f64::from(SAMPLE_RATE);
    let stretched = resample(said.audio.samples(), rate, rate * 1.000_05);
    let check = SpeechCheck::run(
        &said,
        &Recording::new(Audio::new(stretched), Clock::starting_at(1_000_080.0)),
    );
    assert_passes(&check, VoicePath::Forwarded);
    assert!(
        check.median() > 0.99 && (1.0..2.0).contains(&check.drift_ms()),
        "{check}"
    );
}

#[test]
fn anchors_take_the_drift_out() {
    let said = said(Voice::Carol);
    let rate = f64::from(SAMPLE_RATE);
    let stretched = resample(said.audio.samples(), rate, rate * 1.000_05);
    let anchors = (0..30).map(|second| Anchor {
        sample: second * 48_000,
        unix_ms: 1_000_080.0 + second as f64 * 1_000.0 / 1.000_05,
    });
    let heard = Recording::new(Audio::new(stretched), Clock::from_anchors(anchors.collect()).unwrap());
    let check = SpeechCheck::run(&said, &heard);
    assert!(
        check.drift_ms() < 0.2 && (check.delay().unwrap().median_ms - 80.0).abs() < 0.2,
        "{check}"
    );
}

#[test]
fn coded_speech_passes_in_each_voice() {
    for (voice, rate) in Voice::ALL
        .into_iter()
        .zip([32_000, 48_000, 64_000, 32_000, 48_000, 64_000])
    {
        let said = said(voice);
        let heard = Recording::new(through_opus(&said.audio, rate), Clock::starting_at(1_000_100.0));
        let check = SpeechCheck::run(&said, &heard);
        assert_passes(&check, VoicePath::Forwarded);
        let again = Recording::new(through_opus(&heard.audio, rate), Clock::starting_at(1_000_200.0));
        let check = SpeechCheck::run(&said, &again);
        assert_passes(&check, VoicePath::Transcoded);
    }
}

#[test]
fn muted_windows_fail_and_tell_how_long_the_voice_was_away() {
    let said = said(Voice::Alice);
    let heard = Recording::new(through_opus(&said.audio, 48_000), Clock::starting_at(1_000_100.0));
    let check = SpeechCheck::run(&said, &muted(&heard));
    assert!(
        !check.passes(VoicePath::Forwarded) && !check.passes(VoicePath::Transcoded),
        "{check}"
    );
    let away = VoiceAway::run(&said, &muted(&heard)).longest().as_secs_f64();
    assert!((1.3..2.5).contains(&away), "1.6 s are muted, {away} s found");
}

/// What is heard when the way breaks at `from` and is there again at `to`, with another delay.
fn broken(said: &Recording, from: Duration, to: Duration, delays: [Duration; 2]) -> Recording {
    let audio = through_opus(&said.audio, 48_000);
    let mut samples = Audio::silence(delays[0]).into_samples();
    samples.extend(audio.slice(Duration::ZERO, from).into_samples());
    samples.extend(Audio::silence((to + delays[1]).saturating_sub(from + delays[0])).into_samples());
    samples.extend(audio.slice(to, LENGTH).into_samples());
    Recording::new(Audio::new(samples), Clock::starting_at(1_000_000.0))
}

#[test]
fn a_break_is_as_long_as_it_was_whatever_the_delay_after_it() {
    let said = said(Voice::Alice);
    let (from, to) = (Duration::from_secs(12), Duration::from_secs(16));
    for after_ms in [60, 200, 900] {
        let delays = [60, after_ms].map(Duration::from_millis);
        let heard = broken(&said, from, to, delays);
        let away = VoiceAway::run(&said, &heard);
        // Pauses at either end are no speech that was missed; a window counts as a whole.
        let near =
            |found: Duration, expected: Duration| (-0.8..0.3).contains(&(found.as_secs_f64() - expected.as_secs_f64()));
        let whole = (to + delays[1]).saturating_sub(from + delays[0]);
        assert!(near(away.longest(), whole), "{whole:?} are without voice, {away} found");
        let (found, rest) = (
            away.longest_since(1_015_000.0),
            (to + delays[1]).saturating_sub(Duration::from_secs(15)),
        );
        assert!(
            near(found, rest),
            "{rest:?} of it are after that moment, {found:?} found"
        );
        assert_eq!(away.longest_since(1_018_000.0), Duration::ZERO, "it is back");
        assert!(!SpeechCheck::run(&said, &heard).passes(VoicePath::Forwarded));
    }
}

#[test]
fn a_voice_that_does_not_come_back_is_away_to_the_end() {
    let (said, bob) = (said(Voice::Alice), said(Voice::Bob));
    let from = Duration::from_secs(20);
    let delays = [Duration::from_millis(60); 2];
    let heard = broken(&said, from, LENGTH, delays);
    let away = VoiceAway::run(&said, &heard).longest().as_secs_f64();
    assert!((9.0..10.3).contains(&away), "10 s are cut off, {away} s found");
    let other = VoiceAway::run(&bob, &heard);
    assert!(
        other.longest() > Duration::from_secs(20) && other.windows() > 100,
        "other speech is no return: {other}"
    );
}

#[test]
fn other_speech_is_unrelated() {
    for voice in Voice::ALL {
        let heard = Recording::new(
            through_opus(&said(voice).audio, 48_000),
            Clock::starting_at(1_000_100.0),
        );
        for other in Voice::ALL.into_iter().filter(|&other| other != voice) {
            let control = SpeechCheck::run(&said(other), &heard);
            assert!(
                control.is_unrelated(),
                "{} in {}: {control}",
                other.name(),
                voice.name()
            );
            assert!(!control.passes(VoicePath::Transcoded));
        }
    }
}

#[test]
fn silence_fails_without_nan() {
    let said = said(Voice::Alice);
    let silence = Recording::new(Audio::silence(LENGTH), Clock::starting_at(1_000_000.0));
    let nothing = Recording::new(Audio::default(), Clock::starting_at(1_000_000.0));
    for (reference, heard) in [
        (&said, &silence),
        (&silence, &said),
        (&silence, &silence),
        (&said, &nothing),
        (&nothing, &said),
    ] {
        let check = SpeechCheck::run(reference, heard);
        assert!(!check.passes(VoicePath::Transcoded) && check.is_unrelated(), "{check}");
        assert!(!check.to_string().contains("NaN"), "{check}");
        assert_eq!(check.delay(), None);
    }
}

#[test]
fn what_was_said_while_nobody_recorded_does_not_count() {
    // The first twenty seconds are louder, and would be searched for first.
    let whole = said(Voice::Dora).audio;
    let start = Duration::from_secs(20);
    let tail = whole.slice(start, LENGTH);
    let mut samples = whole.slice(Duration::ZERO, start).gain_db(9.0).into_samples();
    samples.extend_from_slice(tail.samples());
    let said = Recording::new(Audio::new(samples), Clock::starting_at(1_000_000.0));
    let heard = Recording::new(tail, Clock::starting_at(1_020_150.0));
    let check = SpeechCheck::run(&said, &heard);
    assert_passes(&check, VoicePath::Forwarded);
    assert!((check.delay().unwrap().median_ms - 150.0).abs() < 0.1, "{check}");
    assert!(
        check
            .windows()
            .iter()
            .all(|window| window.at >= Duration::from_millis(19_800))
    );
}

#[test]
fn half_a_minute_takes_well_under_a_second() {
    let said = said(Voice::Alice);
    let heard = later(&said, 150.0);
    let started = Instant::now();
    let check = SpeechCheck::run(&said, &heard);
    assert!(check.windows().len() > 150);
    // Ten times of what it takes here, since tests run beside each other.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// The same with 25 ms put in after the first half, as a jitter buffer does that grows.
fn grown(audio: &Audio) -> Audio {
    let mut samples = audio.slice(Duration::ZERO, LENGTH / 2).into_samples();
    samples.extend(Audio::silence(Duration::from_millis(25)).into_samples());
    samples.extend(audio.slice(LENGTH / 2, LENGTH).into_samples());
    Audio::new(samples)
}

#[test]
fn a_lag_that_jumps_is_followed() {
    let (alice, bob) = (said(Voice::Alice), said(Voice::Bob));
    let heard = later(&Recording::without_clock(grown(&alice.audio)), 60.0);
    let check = SpeechCheck::run(&alice, &heard);
    assert_passes(&check, VoicePath::Forwarded);
    assert!((check.drift_ms() - 25.0).abs() < 0.5, "{check}");
    assert!((check.delay().unwrap().p95_ms - 85.0).abs() < 0.5, "{check}");

    let mixed = grown(&alice.audio).mixed_with(&bob.audio);
    let check = mix_check(
        &later(&Recording::without_clock(mixed), 60.0),
        &[Voice::Alice, Voice::Bob],
        &[Voice::Dora],
    );
    assert!(check.passes(), "{check}: {:?}", check.failures());
    assert!(
        check.gains.iter().take(2).all(|gain| gain.gain_db.abs() < 1.0),
        "{check}"
    );
}

/// Dora hears the two others, each with his gain and delay, coded once more; the wanted answer is known.
fn mix(gains_db: &[(Voice, f32)], bits_a_second: i32) -> Recording {
    let delayed = |&(voice, db): &(Voice, f32)| {
        let mut samples = Audio::silence(Duration::from_micros(97_300 + 31_250 * voice as u64)).into_samples();
        samples.extend_from_slice(said(voice).audio.gain_db(db).samples());
        Audio::new(samples)
    };
    let mixed = gains_db.iter().map(delayed).reduce(|a, b| a.mixed_with(&b)).unwrap();
    Recording::new(
        through_opus(&mixed.gain_db(-6.0), bits_a_second),
        Clock::starting_at(1_000_000.0),
    )
}

fn mix_check(heard: &Recording, expected: &[Voice], absent: &[Voice]) -> MixCheck {
    let recordings: Vec<_> = expected
        .iter()
        .chain(absent)
        .map(|&voice| (voice, said(voice)))
        .collect();
    let sources: Vec<_> = recordings
        .iter()
        .map(|(voice, recording)| MixSource {
            name: voice.name(),
            recording,
            expected: expected.contains(voice),
        })
        .collect();
    MixCheck::run(heard, &sources)
}

#[test]
fn known_gains_are_found() {
    let heard = mix(&[(Voice::Alice, 0.0), (Voice::Bob, -2.0), (Voice::Carol, -1.0)], 64_000);
    let check = mix_check(
        &heard,
        &[Voice::Alice, Voice::Bob, Voice::Carol],
        &[Voice::Dora, Voice::Erik],
    );
    for (gain, wanted) in check.gains.iter().zip([-6.0, -8.0, -7.0]) {
        assert!((gain.gain_db - wanted).abs() < 0.5, "{check}");
    }
    assert!(check.passes(), "{check}: {:?}", check.failures());
}

#[test]
fn a_mix_that_was_coded_at_a_low_rate_still_passes() {
    let heard = mix(&[(Voice::Fiona, 0.0), (Voice::Erik, 0.0)], 32_000);
    for absent in [Voice::Alice, Voice::Bob, Voice::Carol, Voice::Dora] {
        let check = mix_check(&heard, &[Voice::Fiona, Voice::Erik], &[absent]);
        assert!(check.passes(), "{check}: {:?}", check.failures());
    }
}

#[test]
fn ones_own_voice_fails_even_when_it_is_quiet() {
    let others = [Voice::Alice, Voice::Bob, Voice::Carol];
    for db in [-10.0, -22.0] {
        let mut voices = others.map(|voice| (voice, 0.0)).to_vec();
        voices.push((Voice::Dora, db));
        let check = mix_check(&mix(&voices, 48_000), &others, &[Voice::Dora]);
        assert!(!check.passes(), "{check}");
        let own = check.gains.last().unwrap().gain_db;
        assert!((own - (f64::from(db) - 6.0)).abs() < 2.0, "{check}");
    }
}

#[test]
fn a_quiet_or_missing_voice_fails() {
    let quiet = mix(&[(Voice::Alice, 0.0), (Voice::Bob, -6.0)], 48_000);
    assert!(!mix_check(&quiet, &[Voice::Alice, Voice::Bob], &[]).passes());
    let missing = mix(&[(Voice::Alice, 0.0)], 48_000);
    assert!(!mix_check(&missing, &[Voice::Alice, Voice::Bob], &[]).passes());
    let silence = Recording::new(Audio::silence(LENGTH), Clock::starting_at(1_000_000.0));
    let check = mix_check(&silence, &[Voice::Alice, Voice::Bob], &[Voice::Dora]);
    assert!(!check.passes() && !check.to_string().contains("NaN"), "{check}");
}
