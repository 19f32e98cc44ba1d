//! The homeserver is away for half a minute in mid-call: voice does not need it, and what is said afterwards arrives.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::stretches::{muted, silence_check, told_check};
use super::talk::{NONE, Talk};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long it is away.
const AWAY: Duration = Duration::from_secs(30);
/// How long both talk before and after.
const TALK: Duration = Duration::from_secs(5);

pub(crate) async fn run(bench: &mut Bench, name: &str, kind: CallKind<'_>) -> Result<()> {
    let stack = bench.stack().await?;
    let mut talk = Talk::start_by(bench, name, kind).await?;
    sleep(TALK).await;
    stack.synapse.stop().await?;
    sleep(AWAY).await;
    stack.synapse.resume().await?;
    sleep(TALK).await;
    talk.away_checks(bench, NONE, None).await?;
    let (muted, told) = muted(&stack, &mut talk).await?;
    told_check(bench, &told);
    sleep(TALK).await;
    let [to_discord, _] = talk.so_far().await?;
    silence_check(bench, to_discord.direction, &muted, &to_discord.heard);
    if kind.is_rtc() {
        // The homeserver took everybody out when it was back, for want of a sign of life.
        let bot = stack.voice_bot();
        let all = ["@alice:localhost", &bot];
        let members = CallMembers::with_bridge(&stack, &talk.room.id, &["alice"]).await?;
        members.checks(bench, &all, &all).await?;
    }
    // The hang-up is an event in the room: that the bot leaves shows that it has arrived.
    talk.end(bench).await
}
