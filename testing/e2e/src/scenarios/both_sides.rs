//! Somebody is in the call and in the voice channel at once: she hears nobody twice, and never herself. When she leaves the
//! voice channel, she and its people hear each other over the bridge.

use super::bench::Bench;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{Span, heard_on_discord, talk_in_browser, talk_on_discord};
use crate::audio::{Recording, SpeechCheck, Voice, VoicePath};
use crate::browser::{Browser, CallState};
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::time::Duration;

/// How long each one talks alone.
const TURN: Duration = Duration::from_secs(10);
/// Between turns, so that the end of one is not taken for the start of the next.
const PAUSE: Duration = Duration::from_secs(2);
/// Until the bridge knows who is on both sides.
const FOUND: Duration = Duration::from_secs(5);

/// What was said, by whom, and who shall and who shall not hear it over the bridge.
struct Said {
    who: &'static str,
    recording: Recording,
    heard_by: Vec<&'static str>,
    not_by: Vec<&'static str>,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = &stack.standin()?.control;
    let ada = control.create_person("ada-on-both-sides").await?.id;
    let known = format!("{{ \"@alice:localhost\" = \"{ada}\" }}");
    let setting = ("VOICE_BRIDGE_PEOPLE__ON_BOTH_SIDES", known.as_str());
    stack.voice_bridge.restart_with(&[setting]).await?;
    let outcome = turns(bench, &stack, &ada).await;
    stack.voice_bridge.restart_with(&[]).await?;
    outcome
}

/// Ada is `alice` in the call; on Discord, where she is called `ada`, she speaks with another voice.
async fn turns(bench: &mut Bench, stack: &Stack, ada: &str) -> Result<()> {
    let room = bench.room("both sides").await?;
    let page = bench.page(&room, &["alice", "bob"]).await?;
    let control = &stack.standin()?.control;
    let erik = control.create_person("erik-of-both-sides").await?.id;
    for who in [ada, &erik] {
        control.join(who, &room.channel_id).await?;
        control.record(who).await?;
    }
    let before = Footprint::of(stack).await?;
    let mut alice = in_call(bench.browser(&page, "alice", Voice::Alice).await?).await?;
    let mut bob = in_call(bench.browser(&page, "bob", Voice::Bob).await?).await?;

    let found = on_both_sides(stack, 1).await;
    bench.check(
        "the bridge knows that she is on both sides",
        found.is_ok(),
        figure(&found),
    );
    let alone = talk_in_browser(&mut alice, TURN, PAUSE).await?;
    let of_ada = talk_on_discord(bench, control, (ada, Voice::Dora), TURN, PAUSE).await?;
    let of_erik = talk_on_discord(bench, control, (&erik, Voice::Erik), TURN, PAUSE).await?;
    control.leave(ada).await?;
    let left = on_both_sides(stack, 0).await;
    bench.check("and that she is not any more", left.is_ok(), figure(&left));
    let of_erik_later = talk_on_discord(bench, control, (&erik, Voice::Erik), TURN, PAUSE).await?;
    let later = talk_in_browser(&mut alice, TURN, PAUSE).await?;

    let (in_browser, in_bobs) = (alice.recordings().await?, bob.recordings().await?);
    let folder = bench.folder("both-sides")?;
    let at_erik = heard_on_discord(control, &erik, &folder).await?;
    let at_ada = heard_on_discord(control, ada, &folder).await?;
    let heard = |who: &str| match who {
        "alice" => &in_browser.remote,
        "bob" => &in_bobs.remote,
        "ada" => &at_ada,
        _ => &at_erik,
    };
    let said = |who, recording: Recording, heard_by: &[&'static str], not_by: &[&'static str]| Said {
        who,
        recording,
        heard_by: heard_by.to_vec(),
        not_by: not_by.to_vec(),
    };
    let of_alice = |span: Span| span.of(&in_browser.microphone);
    for said in [
        said("alice", of_alice(alone), &["bob"], &["erik", "ada"]),
        said("ada", of_ada, &["bob"], &["alice"]),
        said("erik", of_erik, &["bob"], &["alice"]),
        said("erik, later,", of_erik_later, &["alice", "bob"], &[]),
        said("alice, later,", of_alice(later), &["bob", "erik"], &[]),
    ] {
        for listener in &said.heard_by {
            let check = SpeechCheck::run(&said.recording, heard(listener));
            let what = format!("SPEECH_CHECK {} to {listener}", said.who);
            bench.check(&what, check.passes(VoicePath::Forwarded), &check);
        }
        for listener in &said.not_by {
            let check = SpeechCheck::run(&said.recording, heard(listener));
            let what = format!("{} is not heard over the bridge by {listener}", said.who);
            bench.check(&what, check.is_unrelated(), format!("median {:.2}", check.median()));
        }
    }

    for mut browser in [alice, bob] {
        browser.hang_up().await?;
        browser.close().await?;
    }
    page.stop().await;
    ends_cleanly(bench, stack, &room, &before).await
}

/// Calls, and switches the microphone off.
async fn in_call(mut browser: Browser) -> Result<Browser> {
    browser.call().await?;
    browser.wait_for(CallState::Connected, Duration::from_secs(30)).await?;
    browser.set_muted(true).await?;
    Ok(browser)
}

/// Waits until the bridge shows that so many of its callers are in the voice channel, too.
async fn on_both_sides(stack: &Stack, expected: usize) -> Result<()> {
    wait_for("the bridge to know who is on both sides", FOUND, || async {
        let status = stack.voice_bridge.status().await?;
        let participants = status["calls"][0]["participants"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let both = participants
            .iter()
            .filter(|participant| participant["both_sides"] == true);
        Ok((participants.len() == 2 && both.count() == expected).then_some(()))
    })
    .await
}

fn figure(outcome: &Result<()>) -> String {
    outcome
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned())
}
