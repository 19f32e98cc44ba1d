//! The bridge's ring on Discord, held against the sentences that a microphone said.

use super::{Lags, names};
use crate::audio::{Audio, Clock, Recording, SpeechCheck, Voice, unix_ms, wall_clock_ms};
use crate::browser::{Browser, BrowserOptions};
use crate::page::{PageServer, web_folder};
use crate::scenarios::bench::{Bench, note};
use crate::scenarios::call_kind::CallKind;
use crate::scenarios::listening::{Span, first_voice_on_discord, heard_on_discord};
use anyhow::{Context as _, Result};
use discord_standin::types::RingStretch;
use std::time::Duration;

/// How long she talks.
const TALK: Duration = Duration::from_secs(35);
/// How long a new connection may take until both ends play what arrives.
const SETTLED: Duration = Duration::from_millis(1500);
/// Speech of so much is cut into sentences.
const SPEECH: Duration = Duration::from_mins(1);
/// Silence of this length is between two sentences, less of it within one, in ms.
const SENTENCE_GAP_MS: f64 = 270.0;
/// How long she pauses after each sentence.
const PAUSE: Duration = Duration::from_secs(1);
/// Sounds below this RMS, −55 dBFS, are none: nor does the bridge take them for speech.
const SOUND: f32 = 0.0018;
/// How exactly it is known when a sound begins and ends.
const WINDOW: usize = 480;

/// From the first sound to the ring, beyond what the voice takes to the same place.
const LIT_WITHIN_MS: f64 = 100.0;
/// From the last sound to the dark, likewise. Packets go on for 200 ms, then five frames of silence put the ring out; the frames
/// at both ends are 20 ms long.
const DARK_WITHIN_MS: f64 = 340.0;

/// A browser on the page, whose microphone says sentences with long pauses between them.
pub(super) async fn browser(bench: &Bench, page: &PageServer, kind: CallKind<'_>) -> Result<Browser> {
    let speech = bench.speech.audio(Voice::Alice, SPEECH)?;
    let from_zero = Recording::new(speech, Clock::starting_at(0.0));
    let mut samples = Vec::new();
    for sentence in sounds(&from_zero, SENTENCE_GAP_MS) {
        samples.extend(from_zero.between(sentence.from, sentence.to).audio.into_samples());
        samples.extend(Audio::silence(PAUSE).into_samples());
    }
    let file = bench.folder("speaking")?.join("sentences.wav");
    Audio::new(samples).save(&file)?;
    let mut browser = Browser::launch(&BrowserOptions::new(web_folder(), file)).await?;
    let url = format!("{}/?name=alice&raw=1&record=1{}", page.url(), kind.parameters());
    browser.open(&url).await?;
    Ok(browser)
}

/// She talks alone: the ring is lit while she does, and dark otherwise.
pub(super) async fn checks(bench: &mut Bench, call: &str, alice: &mut Browser, people: &names::People) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let listener = people.listener();
    standin.control.record(listener).await?;
    first_voice_on_discord(&standin.control, &standin.info.bot_user_id, listener).await?;
    tokio::time::sleep(SETTLED).await;
    let from = unix_ms();
    tokio::time::sleep(TALK).await;
    let to = unix_ms();
    // What was said last has arrived, too.
    tokio::time::sleep(SETTLED).await;
    let said = people.heard_beside(alice).await?.microphone;
    let heard = heard_on_discord(&standin.control, listener, &bench.folder("speaking")?).await?;
    let state = standin.control.state().await?;
    let rings = state.voice_of(&standin.info.bot_user_id).context("the bot is gone")?;
    let lit: Vec<Span> = rings.rings.iter().filter_map(span).collect();

    let check = SpeechCheck::run(&said.between(from, to), &heard);
    let transport = check.delay().map_or(f64::NAN, |delay| delay.median_ms);
    note(
        &format!("{call}: what her voice takes to Discord"),
        format!("{transport:.0} ms"),
    );
    let sentences: Vec<Span> = sounds(&said, SENTENCE_GAP_MS)
        .into_iter()
        .filter(|sentence| sentence.from > from && sentence.to < to)
        .collect();
    let half_a_pause = PAUSE.as_secs_f64() * 500.0;
    let rings_of = |sentence: &Span| {
        let during = |ring: &&Span| ring.to > sentence.from && ring.from < sentence.to + half_a_pause;
        lit.iter().filter(during).copied().collect::<Vec<_>>()
    };
    let seen: Vec<_> = sentences
        .iter()
        .map(|sentence| (*sentence, rings_of(sentence)))
        .collect();
    let once = seen.iter().filter(|(_, rings)| rings.len() == 1).count();
    bench.check(
        &format!("{call}: the bridge's ring on Discord is lit once for each sentence"),
        once == seen.len() && once >= 4,
        format!("{once} of {} sentences", seen.len()),
    );
    let lags = |lag: fn(&Span, &Span) -> f64| {
        let alone = seen
            .iter()
            .filter_map(|(sentence, rings)| Some((sentence, rings.first()?)));
        Lags::new(alone.map(|(sentence, ring)| lag(sentence, ring) - transport).collect())
    };
    let starts = lags(|sentence, ring| ring.from - sentence.from);
    bench.check(
        &format!("{call}: from her first sound to the ring, beyond that"),
        starts.are_within(LIT_WITHIN_MS),
        format!("{starts} ({LIT_WITHIN_MS:.0} ms allowed)"),
    );
    let ends = lags(|sentence, ring| ring.to - sentence.to);
    bench.check(
        &format!("{call}: from her last sound to the dark, beyond that"),
        ends.are_within(DARK_WITHIN_MS),
        format!("{ends} ({DARK_WITHIN_MS:.0} ms allowed)"),
    );
    Ok(())
}

/// Stretches of sound; silence of less than `gap_ms` does not part them.
#[expect(clippy::cast_precision_loss, reason = "a recording has some million samples")]
fn sounds(recording: &Recording, gap_ms: f64) -> Vec<Span> {
    let Some(clock) = &recording.clock else {
        return Vec::new();
    };
    let mut sounds: Vec<Span> = Vec::new();
    for (number, window) in recording.audio.samples().chunks(WINDOW).enumerate() {
        if Audio::new(window.to_vec()).rms() < SOUND {
            continue;
        }
        let start = (number * WINDOW) as f64;
        let (from, to) = (clock.time_of(start), clock.time_of(start + WINDOW as f64));
        match sounds.last_mut() {
            Some(last) if from - last.to < gap_ms => last.to = to,
            _ => sounds.push(Span { from, to }),
        }
    }
    sounds
}

/// A ring that has gone out.
fn span(ring: &RingStretch) -> Option<Span> {
    Some(Span {
        from: wall_clock_ms(ring.on_ns),
        to: wall_clock_ms(ring.off_ns?),
    })
}
