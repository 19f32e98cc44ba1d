//! A call that changes while people talk: it is put on hold and goes on, its media path is made anew, its microphone is
//! switched off and on. After each of these both sides are heard as before.

use super::bench::Bench;
use super::stretches::{BREAK, Stretch, muted, silence_check, stretch, told_check};
use super::talk::{Talk, Way};
use crate::audio::{SpeechCheck, VoicePath};
use anyhow::Result;
use std::time::Duration;

/// How long both talk between two changes: long enough that a percentile of the windows is more than chance.
const TALK: Duration = Duration::from_secs(15);

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
    } in talk.so_far().await?
    {
        for Stretch { after, span } in &heard {
            let check = SpeechCheck::run(&span.of(&said), &all);
            let what = format!("SPEECH_CHECK {direction} after {after}");
            bench.check(&what, check.passes(VoicePath::Forwarded), &check);
        }
        silence_check(bench, direction, &held, &all);
        if direction == "Matrix to Discord" {
            silence_check(bench, direction, &muted, &all);
        }
    }
    told_check(bench, &told);
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
