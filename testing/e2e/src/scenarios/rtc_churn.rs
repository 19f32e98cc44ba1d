//! People join and leave a MatrixRTC call thirty times: a visitor while somebody stays, then the only one, so that the
//! bridge comes and goes as well. Who stays hears on, and nothing is left of all that.

use super::bench::{Bench, note};
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::leftovers::Footprint;
use super::listening::{begin_on_discord, heard_on_discord, talk_in_browser};
use super::meeting::{Caller, Meeting};
use crate::audio::{Recording, SpeechCheck, Voice, VoiceAway, VoicePath, unix_ms};
use crate::browser::{AUDIBLE, CallState};
use crate::stack::{Stack, wait_for};
use anyhow::{Context as _, Result};
use std::time::Duration;

/// How often the visitor joins and leaves.
const VISITS: usize = 24;
/// How often the one who stayed leaves and joins.
const RETURNS: u32 = 6;
/// Longer than all visits together.
const SPEECH: Duration = Duration::from_mins(4);
/// How long a page, or the bridge, may take for one step.
const STEP_WITHIN: Duration = Duration::from_secs(20);
/// How long the visitor talks on his last visit.
const TALK: Duration = Duration::from_secs(8);
/// The receivers' jitter buffers find their length first.
const SETTLED_MS: f64 = 1_500.0;
/// How long a voice may be away while browsers start and stop their media on the same two cores.
const AWAY: Duration = Duration::from_secs(1);
/// A bridge may have grown by so much: a hundred kilobytes for each join would be more.
const GROWN_LIMIT_MIB: u64 = 16;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let people = [Voice::Alice, Voice::Bob];
    let mut meeting = Meeting::of(bench, "rtc-churn", &people, &[Voice::Dora]).await?;
    let members = CallMembers::with_bridge(&stack, &meeting.room.id, &["alice", "bob"]).await?;
    let mut alice = meeting.open(bench, Voice::Alice, CallKind::Rtc).await?;
    let mut bob = meeting.open(bench, Voice::Bob, CallKind::Rtc).await?;
    let dora = meeting.users.first().context("Dora is on Discord")?;
    let said_by_dora = begin_on_discord(bench, &stack.standin()?.control, &dora.id, dora.voice, SPEECH).await?;

    // Once before anything is counted: programs keep what they needed first.
    joins(&mut alice, &stack).await?;
    visits(&mut bob).await?;
    leaves(&mut alice, &stack, &members).await?;
    let before = Footprint::at_rest(&stack).await?;

    joins(&mut alice, &stack).await?;
    let heard_from = unix_ms() + SETTLED_MS;
    comes_and_goes(bench, &stack, &mut bob).await?;
    let said = said_by_dora.between(heard_from, unix_ms());
    let bridge = alice.sees(&stack.voice_bot()).await?;
    let heard = alice.browser.recordings_with(&bridge).await?.remote;
    hears_on_check(bench, &said, &heard);
    alice.browser.set_muted(true).await?;
    last_visit(bench, &stack, &meeting, &mut bob).await?;
    alice.browser.set_muted(false).await?;

    let started = unix_ms();
    for _ in 0..RETURNS {
        leaves(&mut alice, &stack, &members).await?;
        joins(&mut alice, &stack).await?;
    }
    leaves(&mut alice, &stack, &members).await?;
    let each = (unix_ms() - started) / 1_000.0 / f64::from(RETURNS);
    note("the bridge came and went", format!("{RETURNS} times, {each:.1} s each"));
    members.checks(bench, &[], &[]).await?;
    let grown = Footprint::at_rest(&stack).await?.grown_since(&before);
    let figure = format!("{grown} MiB ({GROWN_LIMIT_MIB} allowed)");
    bench.check("memory that the joins have cost", grown <= GROWN_LIMIT_MIB, figure);
    meeting.callers.extend([alice, bob]);
    meeting.left(bench).await
}

/// Joins alone, and waits until Discord is heard.
async fn joins(alice: &mut Caller, stack: &Stack) -> Result<()> {
    let bridge = stack.voice_bot();
    alice.browser.call().await?;
    alice.browser.wait_for(CallState::Connected, STEP_WITHIN).await?;
    let audible = alice.browser.wait_until("voice from Discord", STEP_WITHIN, |page| {
        page.member(&bridge).is_some_and(|bridge| bridge.level > AUDIBLE)
    });
    audible.await?;
    Ok(())
}

/// Leaves as the last one, and waits until the bridge has gone as well.
async fn leaves(alice: &mut Caller, stack: &Stack, members: &CallMembers) -> Result<()> {
    alice.browser.hang_up().await?;
    alice.browser.wait_for(CallState::Ended, STEP_WITHIN).await?;
    members.gone(&stack.voice_bot(), STEP_WITHIN).await?;
    Ok(())
}

/// Joins and leaves.
async fn visits(bob: &mut Caller) -> Result<()> {
    bob.browser.call().await?;
    bob.browser.wait_for(CallState::Connected, STEP_WITHIN).await?;
    bob.browser.hang_up().await?;
    Ok(bob.browser.wait_for(CallState::Ended, STEP_WITHIN).await?)
}

/// All visits but the last. Every other time the visitor stays until the bridge hears him, and away until it knows.
async fn comes_and_goes(bench: &mut Bench, stack: &Stack, bob: &mut Caller) -> Result<()> {
    let started = unix_ms();
    for visit in 1..VISITS {
        if visit % 2 == 0 {
            visits(bob).await?;
            continue;
        }
        bob.browser.call().await?;
        bob.browser.wait_for(CallState::Connected, STEP_WITHIN).await?;
        bridge_hears(stack, 2).await?;
        bob.browser.hang_up().await?;
        bob.browser.wait_for(CallState::Ended, STEP_WITHIN).await?;
        bridge_hears(stack, 1).await?;
    }
    let seconds = (unix_ms() - started) / 1_000.0;
    bench.check("the bridge follows who is there", true, format!("{seconds:.0} s"));
    Ok(())
}

/// Waits until the bridge hears so many people of the MatrixRTC call.
async fn bridge_hears(stack: &Stack, people: usize) -> Result<()> {
    wait_for(&format!("the bridge to hear {people}"), STEP_WITHIN, || async {
        let status = stack.voice_bridge.status().await?;
        let participants = status["calls"][0]["participants"].as_array().into_iter().flatten();
        let heard = participants
            .filter(|participant| participant["kind"] == "matrixrtc")
            .count();
        Ok((heard == people).then_some(()))
    })
    .await
}

/// Who stays hears on, whoever comes and goes.
fn hears_on_check(bench: &mut Bench, said: &Recording, heard: &Recording) {
    let away = VoiceAway::run(said, heard);
    bench.check(
        "voice away Discord to Matrix in all visits",
        away.windows() > 0 && away.longest() <= AWAY,
        format!(
            "{away} ({:.1} s allowed, {} windows of speech)",
            AWAY.as_secs_f64(),
            away.windows()
        ),
    );
}

/// After all that the visitor is heard on Discord like anybody. Who stays is silent meanwhile, or it would be a mix.
async fn last_visit(bench: &mut Bench, stack: &Stack, meeting: &Meeting, bob: &mut Caller) -> Result<()> {
    bob.browser.call().await?;
    bob.browser.wait_for(CallState::Connected, STEP_WITHIN).await?;
    bridge_hears(stack, 2).await?;
    let turn = talk_in_browser(&mut bob.browser, TALK, Duration::ZERO).await?;
    let bridge = bob.sees(&stack.voice_bot()).await?;
    let said = turn.of(&bob.browser.recordings_with(&bridge).await?.microphone);
    let dora = meeting.users.first().context("Dora is on Discord")?;
    let heard = heard_on_discord(&stack.standin()?.control, &dora.id, &bench.folder("rtc-churn")?).await?;
    let check = SpeechCheck::run(&said, &heard);
    let passes = check.passes(VoicePath::Forwarded);
    bench.check("SPEECH_CHECK bob to dora, on his last visit", passes, &check);
    bob.browser.hang_up().await?;
    Ok(bob.browser.wait_for(CallState::Ended, STEP_WITHIN).await?)
}
