//! Two people join a call through Element Call's own interface, in a room without the bridges: Element Call itself, the
//! client around it and what is recorded of it work before a bridge comes in.

use super::bench::Bench;
use super::call_members::CallMembers;
use crate::audio::{Recording, SpeechCheck, Voice, unix_ms};
use crate::browser::{AUDIBLE, CallState, ElementCallPage};
use anyhow::Result;
use std::time::Duration;

const TALK: Duration = Duration::from_secs(15);
/// The receivers' jitter buffers find their length first.
const SETTLED_MS: f64 = 1_500.0;
const JOINED_WITHIN: Duration = Duration::from_secs(30);
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// What a median of `SPEECH_CHECK` has to be for it to be the other's voice.
const HIS_VOICE: f64 = 0.9;

const BOTH: [&str; 2] = ["@alice:localhost", "@bob:localhost"];

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let (room, page) = bench.plain_page("element-call-pair", &["alice", "bob"]).await?;
    let members = CallMembers::of(&stack, &room, &["alice", "bob"]).await?;
    let mut alice = bench.element_call(&page, "alice", Voice::Alice).await?;
    let mut bob = bench.element_call(&page, "bob", Voice::Bob).await?;
    for browser in [&mut alice, &mut bob] {
        browser.join_element_call().await?;
        let joined = |page: &ElementCallPage| page.call == CallState::Connected;
        browser
            .element_call_until("to be in the call", JOINED_WITHIN, joined)
            .await?;
    }
    let both = |page: &ElementCallPage| page.shows(&["alice", "bob"]) && page.remote_level > AUDIBLE;
    for browser in [&mut alice, &mut bob] {
        let what = "both on screen, and the other to be heard";
        let shown = browser.element_call_until(what, JOINED_WITHIN, both).await?;
        bench.check(what, true, shown);
    }
    let heard_from = unix_ms() + SETTLED_MS;
    members.checks(bench, &BOTH, &BOTH).await?;
    tokio::time::sleep(TALK).await;

    let (at_alice, at_bob) = (alice.recordings().await?, bob.recordings().await?);
    let by_alice = at_alice.microphone.since(heard_from);
    let by_bob = at_bob.microphone.since(heard_from);
    voice_checks(bench, "alice to bob", &by_alice, &at_bob.remote, &by_bob);
    voice_checks(bench, "bob to alice", &by_bob, &at_alice.remote, &by_alice);
    let picture = bench.folder("element-call-pair")?.join("call.png");
    alice.screenshot(&picture).await?;

    for browser in [&mut bob, &mut alice] {
        browser.leave_element_call().await?;
        let ended = |page: &ElementCallPage| page.call == CallState::Ended;
        browser
            .element_call_until("the call to end", ENDED_WITHIN, ended)
            .await?;
    }
    members.checks(bench, &[], &[]).await?;
    for browser in [alice, bob] {
        browser.close().await?;
    }
    page.stop().await;
    Ok(())
}

/// What is heard is the voice of the other and not one's own. How evenly it came is printed and not judged: Element Call
/// draws without a graphics card here, and on two busy cores Chromium then stretches voice that comes late.
fn voice_checks(bench: &mut Bench, direction: &str, said: &Recording, heard: &Recording, other: &Recording) {
    let check = SpeechCheck::run(said, heard);
    bench.check(&format!("whose voice {direction}"), check.median() >= HIS_VOICE, &check);
    let control = SpeechCheck::run(other, heard);
    bench.check(
        &format!("control {direction}, other speech"),
        control.is_unrelated(),
        &control,
    );
}
