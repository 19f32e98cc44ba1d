//! Members come and go while others speak: each time the group's keys change for all, and speech goes on.

use super::bench::Bench;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::said_from;
use crate::audio::{Recording, SpeechCheck, Voice, VoiceAway, unix_ms};
use crate::browser::CallState;
use crate::clients::{DiscordClient, Library};
use anyhow::Result;
use discord_standin::frames_of;
use std::time::Duration;
use tokio::time::sleep;

/// How often somebody joins and leaves.
const ROUNDS: usize = 20;
/// How long somebody stays, and stays away: longer than speech may take to be back.
const STAY: Duration = Duration::from_millis(1_300);
/// Speech is back so soon after each change.
const BACK_WITHIN_MS: f64 = 1_000.0;
/// Longer than all rounds together.
const SPEECH_LENGTH: Duration = Duration::from_mins(3);
/// Before the first round, so that what the setting up cost is not counted.
const SETTLE: Duration = Duration::from_secs(3);
/// The media time of a frame.
const FRAME_MS: f64 = 20.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let room = bench.room("churn").await?;
    let page = bench.page(&room, &["alice"]).await?;
    let before = Footprint::of(&stack).await?;
    let folder = bench.folder("dave-churn")?;
    let start =
        |library: Library, name: &'static str| DiscordClient::start(standin, library, name, &room.channel_id, &folder);
    let mut speaker = start(Library::Libdave, "speaker-of-churn").await?;
    let mut listener = start(Library::DiscordJs, "listener-of-churn").await?;
    let mut visitors = [
        start(Library::Libdave, "first-visitor").await?,
        start(Library::DiscordJs, "second-visitor").await?,
    ];
    speaker.join().await?;
    listener.join().await?;
    let mut alice = bench.browser(&page, "alice", Voice::Alice).await?;
    alice.call().await?;
    alice.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    speaker.encrypted().await?;
    let file = bench.speech.file(Voice::Dora, SPEECH_LENGTH)?;
    let started = speaker.play(&file).await?;
    sleep(SETTLE).await;

    let from = unix_ms();
    // When somebody had joined, or had left.
    let mut changes = Vec::new();
    // How long those who joined waited for each speaker's voice.
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        let visitor = &mut visitors[round % 2];
        visitor.join().await?;
        let joined = unix_ms();
        sleep(STAY).await;
        let heard = visitor.heard().await?;
        for speaker in [&speaker.user_id, &standin.info.bot_user_id] {
            waits.push(heard.first_voice(speaker, joined).map(|at| at - joined));
        }
        visitor.leave().await?;
        changes.extend([joined, unix_ms()]);
        sleep(STAY).await;
    }
    let until = unix_ms();
    let heard = listener.heard().await?;
    let recordings = alice.recordings().await?;

    newcomers_check(bench, &waits);
    let said = said_from(&file, started)?.between(from, until);
    let by_speaker = heard.only(&speaker.user_id);
    let missed: Vec<f64> = by_speaker
        .missing(&frames_of(&file)?)
        .into_iter()
        .map(|place| started + FRAME_MS * f64::from(u32::try_from(place).unwrap_or(u32::MAX)))
        .filter(|at| (from..until - BACK_WITHIN_MS).contains(at))
        .collect();
    back_check(bench, &missed, &changes);
    let state = listener.state().await?;
    bench.check(
        "frames at discord.js",
        state.decrypted > 0,
        format!(
            "{} received, {} decrypted, {} not",
            state.received, state.decrypted, state.failed
        ),
    );
    speech_check(
        bench,
        "libdave to discord.js",
        &said,
        &by_speaker.recording(from, until)?,
    );
    speech_check(bench, "libdave to Matrix", &said, &recordings.remote);
    let said = recordings.microphone.between(from, until);
    let by_bridge = heard.only(&standin.info.bot_user_id).recording(from, until)?;
    speech_check(bench, "Matrix to discord.js", &said, &by_bridge);

    alice.hang_up().await?;
    alice.close().await?;
    page.stop().await;
    for client in visitors.into_iter().chain([speaker, listener]) {
        client.close().await?;
    }
    ends_cleanly(bench, &stack, &room, &before).await
}

/// Whoever joins soon hears all who speak.
fn newcomers_check(bench: &mut Bench, waits: &[Option<f64>]) {
    let mut known: Vec<f64> = waits.iter().filter_map(|wait| *wait).collect();
    known.sort_by(f64::total_cmp);
    let median = known.get(known.len() / 2).copied().unwrap_or(f64::INFINITY);
    let longest = known.last().copied().unwrap_or(f64::INFINITY);
    bench.check(
        "who joins hears each speaker",
        known.len() == waits.len() && longest < BACK_WITHIN_MS,
        format!(
            "{} of {}, after {median:.0} ms (median), {longest:.0} ms at most",
            known.len(),
            waits.len()
        ),
    );
}

/// Whoever stays hears on: what is missed of the speech lies close behind a change.
fn back_check(bench: &mut Bench, missed: &[f64], changes: &[f64]) {
    let since_change = |at: &f64| {
        let before = changes.iter().rfind(|change| *change <= at);
        before.map_or(0.0, |change| at - change)
    };
    let slowest = missed.iter().map(since_change).fold(0.0, f64::max);
    bench.check(
        "speech is back after each join and leave",
        slowest < BACK_WITHIN_MS,
        format!(
            "{} frames lost in {} changes, the last of them {slowest:.0} ms after its change",
            missed.len(),
            changes.len()
        ),
    );
}

/// The speech of the whole time, with its longest gap.
fn speech_check(bench: &mut Bench, direction: &str, said: &Recording, heard: &Recording) {
    let check = SpeechCheck::run(said, heard);
    let away = VoiceAway::run(said, heard);
    bench.check(
        &format!("SPEECH_CHECK {direction}"),
        check.share_matched() >= 0.95 && check.median() >= 0.9 && away.longest().as_secs_f64() < 1.0,
        format!("{check}, voice away {away} at most"),
    );
}
