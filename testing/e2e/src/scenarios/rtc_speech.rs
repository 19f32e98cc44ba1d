//! Two people in a MatrixRTC call, one by a state event and one by a sticky event, and two on Discord: how soon the first of
//! them is heard, who hears whom, what it costs, and that nothing is left when the call ends.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::listening::{begin_on_discord, first_voice_on_discord};
use super::meeting::{Asked, Caller, Meeting, turn_checks};
use super::process::ProcessorTime;
use crate::audio::{Voice, unix_ms};
use crate::browser::{AUDIBLE, CallState};
use crate::stack::Stack;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// Longer than it takes to join.
const SPEECH: Duration = Duration::from_mins(1);
/// How long the first person may wait for anything.
const JOINED_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take from the click until voice has arrived in both directions.
const BOTH_WAYS_LIMIT_MS: f64 = 10_000.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let (callers, users) = ([Voice::Alice, Voice::Bob], [Voice::Dora, Voice::Erik]);
    let mut meeting = Meeting::of(bench, "rtc-speech", &callers, &users).await?;
    let members = CallMembers::with_bridge(&stack, &meeting.room.id, &["alice", "bob"]).await?;
    let first = first_voices(bench, &stack, &meeting).await?;
    meeting.callers.push(first);
    meeting.join(bench, Voice::Bob, CallKind::RtcSticky).await?;
    meeting.all_together().await?;
    let bot = stack.voice_bot();
    let by_state = ["@alice:localhost", &bot];
    members
        .checks(bench, &["@alice:localhost", "@bob:localhost", &bot], &by_state)
        .await?;

    let before = ProcessorTime::of(&stack.voice_bridge)?;
    let turns = meeting.take_turns(bench).await?;
    let load = before.until(&ProcessorTime::of(&stack.voice_bridge)?);
    bench.check("processor time of voice-bridge in the turns", load.is_known(), load);
    let participants = meeting.participants(bench, turns).await?;
    turn_checks(bench, &participants, Asked::Speech);
    meeting.end(bench).await?;
    members.checks(bench, &[], &[]).await
}

/// Alice calls while she and Dora talk: how long until each hears the other. Both are silent when this returns.
async fn first_voices(bench: &mut Bench, stack: &Stack, meeting: &Meeting) -> Result<Caller> {
    let standin = stack.standin()?;
    let dora = meeting.users.first().context("Dora is on Discord")?;
    begin_on_discord(bench, &standin.control, &dora.id, dora.voice, SPEECH).await?;
    let mut alice = meeting.open(bench, Voice::Alice, CallKind::Rtc).await?;
    let clicked = unix_ms();
    alice.browser.call().await?;
    alice.browser.wait_for(CallState::Connected, JOINED_WITHIN).await?;
    let on_discord = first_voice_on_discord(&standin.control, &standin.info.bot_user_id, &dora.id).await?;
    let bridge = alice.sees(&stack.voice_bot()).await?;
    let audible = alice.browser.wait_until("voice from Discord", JOINED_WITHIN, |page| {
        page.member(&bridge.user_id)
            .is_some_and(|bridge| bridge.level > AUDIBLE)
    });
    audible.await?;
    let heard = alice.browser.recordings_with(&bridge).await?.remote;
    let on_matrix = heard.first_sound_ms().context("the recording of Discord is silent")?;
    for (direction, at) in [("on Discord", on_discord), ("on Matrix", on_matrix)] {
        bench.check(
            &format!("from the click to the first voice {direction}"),
            (0.0..BOTH_WAYS_LIMIT_MS).contains(&(at - clicked)),
            format!("{:.0} ms", at - clicked),
        );
    }
    standin.control.stop(&dora.id).await?;
    alice.browser.set_muted(true).await?;
    Ok(alice)
}
