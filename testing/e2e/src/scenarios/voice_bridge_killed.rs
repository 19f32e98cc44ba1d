//! The voice bridge is killed in mid-speech and started again, twice in one call: at once, and so late that the browser
//! has missed it and offered a new connection to nobody. Each time the new run takes the call over, and nobody redials.

use super::bench::{Bench, note};
use super::talk::{Back, Talk};
use crate::audio::unix_ms;
use crate::browser::CallState;
use crate::stack::Stack;
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after the bridge was started again.
const LIMIT: Duration = Duration::from_secs(10);
/// How long both talk before, and after voice has to be back.
const TALK: Duration = Duration::from_secs(8);
/// How long nobody starts the bridge again. Browsers need 6 s to miss the other end, and matrix-js-sdk waits for 2 s
/// more before it restarts ICE.
const GONE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(11)];

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mut talk = Talk::start(bench, "kill-voice-bridge").await?;
    let call_id = talk.browser.state().await?.call_id;
    for gone in GONE {
        sleep(TALK).await;
        killed_for(bench, &stack, &mut talk, gone).await?;
    }
    let page = talk.browser.state().await?;
    let same = page.call == CallState::Connected && page.call_id == call_id;
    bench.check("the browser is in the same call", same, &page);
    let placed = placed_and_ended(&stack, &talk).await?;
    bench.check(
        "nobody redialled or hung up",
        placed == [1, 0],
        format!("{} invites, {} hangups", placed[0], placed[1]),
    );
    talk.end(bench).await
}

/// The bridge is away for so long, and then voice comes back.
async fn killed_for(bench: &mut Bench, stack: &Stack, talk: &mut Talk, gone: Duration) -> Result<()> {
    stack.voice_bridge.kill().await?;
    sleep(gone).await;
    let page = talk.browser.state().await?.call;
    let at = unix_ms();
    stack.voice_bridge.start()?;
    stack.voice_bridge.ready().await?;
    note(
        &format!("killed {:.0} s ago, the bridge is ready after", gone.as_secs_f64()),
        format!("{:.1} s; the browser shows {page:?}", (unix_ms() - at) / 1_000.0),
    );
    sleep(LIMIT + TALK).await;
    let what = "the bridge was started";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    let back = at + LIMIT.as_secs_f64() * 1_000.0;
    talk.speech_checks_since(bench, back).await?;
    let metrics = stack.voice_bridge.metrics().await?;
    let taken_over = metrics.sum("voice_voip_calls_taken_over_total", &[]);
    bench.check("one call was taken over", (taken_over - 1.0).abs() < 0.1, taken_over);
    Ok(())
}

/// How often the room's people placed a call, and how often anybody ended one.
async fn placed_and_ended(stack: &Stack, talk: &Talk) -> Result<[usize; 2]> {
    let events = stack.operator.latest(&talk.room.id, 100).await?;
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    Ok([count("m.call.invite"), count("m.call.hangup")])
}
