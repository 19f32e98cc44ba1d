//! LiveKit is killed in the middle of a call and started again: everybody connects anew, and nobody leaves the call.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::talk::{Back, Talk};
use crate::audio::unix_ms;
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after LiveKit is back.
const LIMIT: Duration = Duration::from_secs(10);
/// How long both talk before, and after voice has to be back.
const TALK: Duration = Duration::from_secs(8);
/// How long nobody starts it again.
const GONE: Duration = Duration::from_secs(3);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let livekit = &stack.focus()?.livekit;
    let mut talk = Talk::start_by(bench, "rtc-sfu-restart", CallKind::Rtc).await?;
    let members = CallMembers::with_bridge(&stack, &talk.room.id, &["alice"]).await?;
    sleep(TALK).await;
    livekit.kill().await?;
    sleep(GONE).await;
    livekit.resume().await?;
    let at = unix_ms();
    sleep(LIMIT + TALK).await;
    let what = "LiveKit was back";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    talk.speech_checks_since(bench, at + LIMIT.as_secs_f64() * 1_000.0)
        .await?;
    let bot = stack.voice_bot();
    let all = ["@alice:localhost", &bot];
    members.checks(bench, &all, &all).await?;
    talk.end(bench).await?;
    members.checks(bench, &[], &[]).await
}
