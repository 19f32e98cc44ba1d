//! A call that changes while people talk: it is put on hold and goes on, its media path is made anew, its microphone is
//! switched off and on. After each of these both sides are heard as before.

use super::bench::Bench;
use super::listening::Span;
use super::talk::{Talk, Way};
use crate::audio::{Recording, SpeechCheck, VoicePath, unix_ms};
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long both talk between two changes: long enough that a percentile of the windows is more than chance.
const TALK: Duration = Duration::from_secs(15);
/// How long the call is on hold, or the microphone is off.
const BREAK: Duration = Duration::from_secs(4);
/// How long a change may take until both ends play what arrives.
const SETTLED: Duration = Duration::from_millis(1500);

/// Nothing is heard below this RMS, −60 dBFS; speech is a hundred times as loud.
const SILENCE: f32 = 0.001;

/// A stretch of time, and what came before it.
struct Stretch {
    after: &'static str,
    span: Span,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mut talk = Talk::start(bench, "voip-renegotiate").await?;
    let mut heard = vec![stretch("the answer", TALK).await];
    let held = held(&mut talk).await?;
    heard.push(stretch("the hold", TALK).await);
    talk.browser.restart_ice().await?;
    heard.push(stretch("the restart of ICE", TALK).await);
    let (muted, told) = muted(&stack, &mut talk).await?;
    heard.push(stretch("muting", TALK).await);

    for Way {
        direction,
        said,
        heard: all,
    } in talk.so_far(&stack).await?
    {
        for Stretch { after, span } in &heard {
            let check = SpeechCheck::run(&span.of(&said), &all);
            let what = format!("SPEECH_CHECK {direction} after {after}");
            bench.check(&what, check.passes(VoicePath::Forwarded), &check);
        }
        is_silent(bench, direction, &held, &all);
        if direction == "Matrix to Discord" {
            is_silent(bench, direction, &muted, &all);
        }
    }
    let figure = told
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned());
    bench.check("the bridge is told of the microphone, both times", told.is_ok(), figure);
    talk.end(bench).await
}

/// The call is on hold for a while.
async fn held(talk: &mut Talk) -> Result<Stretch> {
    talk.browser.set_on_hold(true).await?;
    talk.browser.wait_held(true).await?;
    let held = stretch("holding", BREAK).await;
    talk.browser.set_on_hold(false).await?;
    talk.browser.wait_held(false).await?;
    Ok(held)
}

/// The microphone is off for a while; whether the bridge knew, both times.
async fn muted(stack: &Stack, talk: &mut Talk) -> Result<(Stretch, Result<()>)> {
    talk.browser.set_muted(true).await?;
    let told = is_muted(stack, true).await;
    let muted = stretch("muting", BREAK).await;
    talk.browser.set_muted(false).await?;
    Ok((muted, told.and(is_muted(stack, false).await)))
}

/// Lets some time pass, of which what still arrives from before is left out.
async fn stretch(after: &'static str, length: Duration) -> Stretch {
    sleep(SETTLED).await;
    let from = unix_ms();
    sleep(length).await;
    let span = Span { from, to: unix_ms() };
    Stretch { after, span }
}

/// Nothing is heard in this stretch.
fn is_silent(bench: &mut Bench, direction: &str, stretch: &Stretch, heard: &Recording) {
    let level = stretch.span.of(heard).audio.rms();
    let what = format!("silence {direction} after {}", stretch.after);
    bench.check(&what, level < SILENCE, format!("RMS {level:.5}"));
}

/// Waits until the voice bridge shows that its one caller is muted, or not any more.
async fn is_muted(stack: &Stack, muted: bool) -> Result<()> {
    wait_for(
        "the bridge to know of the microphone",
        Duration::from_secs(10),
        || async {
            let status = stack.voice_bridge.status().await?;
            let known = status["calls"][0]["participants"][0]["muted"].as_bool();
            Ok((known == Some(muted)).then_some(()))
        },
    )
    .await
}
