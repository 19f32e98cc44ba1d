//! Stretches of a call in which one thing is so throughout: people talk, the call is on hold, a microphone is off.

use super::bench::Bench;
use super::listening::Span;
use super::talk::Talk;
use crate::audio::{Recording, unix_ms};
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long the call is on hold, or the microphone is off.
pub(crate) const BREAK: Duration = Duration::from_secs(4);
/// How long a change may take until both ends play what arrives.
const SETTLED: Duration = Duration::from_millis(1500);
/// How long the bridge may take to learn of a change.
const TOLD: Duration = Duration::from_secs(10);
/// Nothing is heard below this RMS, −60 dBFS; speech is a hundred times as loud.
const SILENCE: f32 = 0.001;

/// A stretch of time, and what came before it.
pub(crate) struct Stretch {
    pub(crate) after: &'static str,
    pub(crate) span: Span,
}

/// Lets some time pass, of which what still arrives from before is left out.
pub(crate) async fn stretch(after: &'static str, length: Duration) -> Stretch {
    sleep(SETTLED).await;
    let from = unix_ms();
    sleep(length).await;
    let span = Span { from, to: unix_ms() };
    Stretch { after, span }
}

/// The microphone is off for a while; whether the bridge knew, both times.
pub(crate) async fn muted(stack: &Stack, talk: &mut Talk) -> Result<(Stretch, Result<()>)> {
    talk.browser.set_muted(true).await?;
    let told = is_muted(stack, true).await;
    let muted = stretch("muting", BREAK).await;
    talk.browser.set_muted(false).await?;
    Ok((muted, told.and(is_muted(stack, false).await)))
}

/// Nothing is heard in this stretch. Speech must follow it, so that the recording goes on beyond it.
pub(crate) fn silence_check(bench: &mut Bench, direction: &str, stretch: &Stretch, heard: &Recording) {
    let part = stretch.span.of(heard).audio;
    let (level, length) = (part.rms(), part.duration());
    bench.check(
        &format!("silence {direction} after {}", stretch.after),
        level < SILENCE && length >= BREAK / 2,
        format!("RMS {level:.5} in {:.1} s", length.as_secs_f64()),
    );
}

/// The bridge knew when the microphone went off and on.
pub(crate) fn told_check(bench: &mut Bench, told: &Result<()>) {
    let figure = told
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned());
    bench.check("the bridge is told of the microphone, both times", told.is_ok(), figure);
}

/// Waits until the voice bridge shows that its one caller is muted, or not any more.
async fn is_muted(stack: &Stack, muted: bool) -> Result<()> {
    wait_for("the bridge to know of the microphone", TOLD, || async {
        let status = stack.voice_bridge.status().await?;
        let mut participants = status["calls"][0]["participants"].as_array().into_iter().flatten();
        // What an SFU has to be told takes part, too, and is nobody.
        let caller = participants.find(|participant| participant["kind"] != "sfu");
        let known = caller.and_then(|caller| caller["muted"].as_bool());
        Ok((known == Some(muted)).then_some(()))
    })
    .await
}
