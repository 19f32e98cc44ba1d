//! The voice bridge is killed in the middle of a MatrixRTC call, twice: until the homeserver has taken its member out, and
//! so briefly that its member is still there when it starts again. Each time it is back in the call, and voice flows.

use super::bench::{Bench, note};
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::talk::{Back, Talk};
use crate::audio::unix_ms;
use crate::stack::Stack;
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long a member may be shown whose bridge is dead.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// How long voice may be away after the bridge was started again.
const LIMIT: Duration = Duration::from_secs(10);
/// How long both talk before, and after voice has to be back.
const TALK: Duration = Duration::from_secs(8);
/// Shorter than the homeserver waits for a sign of life.
const BRIEFLY: Duration = Duration::from_secs(1);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mut talk = Talk::start_by(bench, "rtc-kill", CallKind::Rtc).await?;
    let members = CallMembers::with_bridge(&stack, &talk.room.id, &["alice"]).await?;
    sleep(TALK).await;
    stack.voice_bridge.kill().await?;
    let gone = members.gone(&stack.voice_bot(), GONE_WITHIN).await;
    bench.check(
        "the dead bridge is no member any more",
        gone.is_ok(),
        gone.map_or_else(
            |error| format!("{error:#}"),
            |after| format!("after {:.1} s", after.as_secs_f64()),
        ),
    );
    is_back(bench, &stack, &mut talk, &members).await?;
    stack.voice_bridge.kill().await?;
    sleep(BRIEFLY).await;
    is_back(bench, &stack, &mut talk, &members).await?;
    talk.end(bench).await?;
    members.checks(bench, &[], &[]).await
}

/// The bridge is started again: it is in the call, and voice comes back.
async fn is_back(bench: &mut Bench, stack: &Stack, talk: &mut Talk, members: &CallMembers) -> Result<()> {
    let at = unix_ms();
    stack.voice_bridge.start()?;
    stack.voice_bridge.ready().await?;
    note(
        "the bridge is ready after",
        format!("{:.1} s", (unix_ms() - at) / 1_000.0),
    );
    sleep(LIMIT + TALK).await;
    let what = "the bridge was started";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    let back = at + LIMIT.as_secs_f64() * 1_000.0;
    talk.speech_checks_since(bench, back).await?;
    let bot = stack.voice_bot();
    let all = ["@alice:localhost", &bot];
    members.checks(bench, &all, &all).await?;
    // What comes next is judged by itself.
    talk.heard_from = back;
    Ok(())
}
