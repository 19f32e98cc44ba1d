//! One person in a browser, one on Discord: what each says reaches the other, nothing is lost between the bridges,
//! and nothing is left when the call ends.

use super::bench::Bench;
use super::leftovers::{Footprint, channel_asked_at, ends_cleanly};
use super::listening::{first_voice_on_discord, heard_on_discord, said_on_discord, speech_checks};
use crate::audio::{SpeechCheck, Voice, unix_ms, wall_clock_ms};
use crate::browser::CallState;
use crate::stack::Stack;
use anyhow::{Context as _, Result};
use discord_standin::types::FrameKind;
use std::time::Duration;

/// How long both talk.
const TALK: Duration = Duration::from_secs(30);
/// How long a new connection may take until both ends play what arrives.
const SETTLED_MS: f64 = 1500.0;
/// A person would notice more than this between a mouth and an ear.
const DELAY_LIMIT_MS: f64 = 400.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let room = bench.room("speech").await?;
    let page = bench.page(&room, &["alice"]).await?;
    let dora = standin.control.create_person("dora").await?;
    standin.control.join(&dora.id, &room.channel_id).await?;
    standin.control.record(&dora.id).await?;
    let before = Footprint::of(&stack).await?;

    let mut alice = bench.browser(&page, "alice", Voice::Alice).await?;
    let clicked = unix_ms();
    alice.call().await?;
    alice.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    // What was said before nobody could hear is no loss.
    let heard_from = unix_ms() + SETTLED_MS;
    let file = bench.speech.file(Voice::Dora, TALK)?;
    let playback = standin.control.play(&dora.id, &file, false).await?;
    let first_heard = first_voice_on_discord(&standin.control, &standin.info.bot_user_id, &dora.id).await?;
    bench.check(
        "from the click to the first voice on Discord",
        first_heard - clicked < 10_000.0,
        format!("{:.0} ms", first_heard - clicked),
    );
    let asked = channel_asked_at(&stack, &room.id).await?;
    let first_sent = first_frame_of_the_bridge(&stack, asked).await?;
    bench.check(
        "from the ask for a channel to the first voice packet to Discord",
        (0.0..10_000.0).contains(&(first_sent - asked)),
        format!("{:.0} ms", first_sent - asked),
    );
    tokio::time::sleep(TALK).await;

    let recordings = alice.recordings().await?;
    let heard_by_dora = heard_on_discord(&standin.control, &dora.id, &bench.folder("voip-speech")?).await?;
    let said_by_dora = said_on_discord(&file, playback.started_at_ns)?;
    let said_by_alice = recordings.microphone.since(heard_from);
    let check = speech_checks(
        bench,
        "Matrix to Discord",
        &said_by_alice,
        &heard_by_dora,
        &said_by_dora,
    );
    delay_check(bench, "Matrix to Discord", &check);
    let said_by_dora = said_by_dora.since(heard_from);
    let check = speech_checks(
        bench,
        "Discord to Matrix",
        &said_by_dora,
        &recordings.remote,
        &said_by_alice,
    );
    delay_check(bench, "Discord to Matrix", &check);
    for (direction, link) in Footprint::links(&stack).await? {
        bench.check(
            &format!("packets lost between the bridges, {direction}"),
            link.received > 1000 && link.lost == 0,
            link,
        );
    }

    alice.hang_up().await?;
    alice.close().await?;
    page.stop().await;
    ends_cleanly(bench, &stack, &room, &before).await
}

/// How long a word takes from a mouth to the other side's ear.
fn delay_check(bench: &mut Bench, direction: &str, check: &SpeechCheck) {
    let delay = check.delay();
    let figure = delay.as_ref().map_or("not known".to_owned(), |delay| {
        format!("median {:.0} ms, 95 % {:.0} ms", delay.median_ms, delay.p95_ms)
    });
    let bearable = delay.is_some_and(|delay| delay.median_ms > 0.0 && delay.p95_ms < DELAY_LIMIT_MS);
    bench.check(&format!("mouth to ear {direction}"), bearable, figure);
}

/// When the bridge's first frame from a moment on reached Discord; both in UNIX milliseconds.
async fn first_frame_of_the_bridge(stack: &Stack, from: f64) -> Result<f64> {
    let standin = stack.standin()?;
    let sent = standin.control.sent(&standin.info.bot_user_id, 0).await?.frames;
    let voice = sent.iter().filter(|frame| frame.kind != FrameKind::Silence);
    voice
        .map(|frame| wall_clock_ms(frame.at_ns))
        .find(|at| *at >= from)
        .context("the bridge has sent nothing")
}
