//! Two people in browsers meet in the MatrixRTC call of a room that has nothing to do with Discord. That shows the page,
//! LiveKit and the way into it to work without the bridges. Alice takes part by a state event, Bob by either kind of event.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::listening::speech_checks;
use crate::audio::{Voice, unix_ms};
use crate::browser::{AUDIBLE, Browser, CallState, PageMember, PageState};
use anyhow::{Context as _, Result};
use std::time::Duration;

const TALK: Duration = Duration::from_secs(15);
/// The receivers' jitter buffers find their length first.
const SETTLED_MS: f64 = 1_500.0;
const CONNECTED_WITHIN: Duration = Duration::from_secs(20);
/// How long what one does may take to be seen by the other.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

const ALICE: &str = "@alice:localhost";
const BOB: &str = "@bob:localhost";

pub(crate) async fn run(bench: &mut Bench, bobs_kind: CallKind<'_>) -> Result<()> {
    let stack = bench.stack().await?;
    let (room, page) = bench.plain_page("rtc-page-to-page", &["alice", "bob"]).await?;
    let members = CallMembers::of(&stack, &room, &["alice", "bob"]).await?;
    let by_state = |who: &[&'static str]| -> Vec<_> {
        let has_state = |who: &&str| *who != BOB || bobs_kind != CallKind::RtcSticky;
        who.iter().copied().filter(has_state).collect()
    };
    let mut alice = bench.browser_for(&page, "alice", Voice::Alice, CallKind::Rtc).await?;
    let mut bob = bench.browser_for(&page, "bob", Voice::Bob, bobs_kind).await?;
    for browser in [&mut alice, &mut bob] {
        browser.call().await?;
        browser.wait_for(CallState::Connected, CONNECTED_WITHIN).await?;
    }
    let bob_at_alice = heard(&mut alice, BOB).await?;
    let alice_at_bob = heard(&mut bob, ALICE).await?;
    let heard_from = unix_ms() + SETTLED_MS;
    members.checks(bench, &[ALICE, BOB], &by_state(&[ALICE, BOB])).await?;
    tokio::time::sleep(TALK).await;

    let at_alice = alice.recordings_with(&bob_at_alice).await?;
    let at_bob = bob.recordings_with(&alice_at_bob).await?;
    let by_alice = at_alice.microphone.since(heard_from);
    let by_bob = at_bob.microphone.since(heard_from);
    speech_checks(bench, "alice to bob", &by_alice, &at_bob.remote, &by_bob);
    speech_checks(bench, "bob to alice", &by_bob, &at_alice.remote, &by_alice);
    shown_checks(bench, &mut alice, &mut bob).await?;

    bob.hang_up().await?;
    bob.wait_for(CallState::Ended, SEEN_WITHIN).await?;
    members.checks(bench, &[ALICE], &by_state(&[ALICE])).await?;
    let alone = |page: &PageState| page.member(BOB).is_none() && page.member(ALICE).is_some();
    let alone = alice.wait_until("Bob to be gone", SEEN_WITHIN, alone).await;
    let figure = alone.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    bench.check("Alice's page shows her alone", alone.is_ok(), figure);
    alice.hang_up().await?;
    alice.wait_for(CallState::Ended, SEEN_WITHIN).await?;
    members.checks(bench, &[], &by_state(&[])).await?;

    for mut browser in [alice, bob] {
        let errors = browser.console_errors().await?;
        bench.check(
            "the browser's console has no errors",
            errors.is_empty(),
            format!("{errors:?}"),
        );
        browser.close().await?;
    }
    page.stop().await;
    Ok(())
}

/// Waits until a page hears somebody, and says who that is.
async fn heard(browser: &mut Browser, who: &str) -> Result<PageMember> {
    let audible = |member: &PageMember| member.there && member.level > AUDIBLE;
    let what = format!("the voice of {who}");
    let is_so = |page: &PageState| page.member(who).is_some_and(audible);
    let page = browser.wait_until(&what, CONNECTED_WITHIN, is_so).await?;
    page.member(who).cloned().context("he was just heard")
}

/// Alice's page shows Bob by his name, that he speaks, that he is muted, and that he does not speak then.
async fn shown_checks(bench: &mut Bench, alice: &mut Browser, bob: &mut Browser) -> Result<()> {
    let speaks = |member: &PageMember| member.speaking == Some(true) && member.muted == Some(false);
    let is_quiet = |member: &PageMember| member.speaking == Some(false) && member.muted == Some(true);
    sees(bench, alice, "Bob speak", speaks).await;
    bob.set_muted(true).await?;
    sees(bench, alice, "Bob muted, and his ring dark", is_quiet).await;
    bob.set_muted(false).await?;
    sees(bench, alice, "Bob speak again", speaks).await;
    Ok(())
}

async fn sees(bench: &mut Bench, alice: &mut Browser, what: &str, is_so: fn(&PageMember) -> bool) {
    let shown = |page: &PageState| page.member(BOB).is_some_and(|bob| bob.name == "bob" && is_so(bob));
    let seen = alice.wait_until(&format!("to see {what}"), SEEN_WITHIN, shown).await;
    let figure = seen.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    bench.check(&format!("Alice's page shows {what}"), seen.is_ok(), figure);
}
