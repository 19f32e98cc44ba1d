//! Two people in browsers call each other in a bridged room. That shows the page, its recorder and the checks to work
//! without the bridges, and that the voice bridge leaves a call alone that is for somebody else.

use super::bench::Bench;
use super::leftovers::Footprint;
use super::listening::speech_checks;
use crate::audio::{Voice, unix_ms};
use crate::browser::CallState;
use anyhow::Result;
use std::time::Duration;

const TALK: Duration = Duration::from_secs(15);
/// The receivers' jitter buffers find their length first.
const SETTLED_MS: f64 = 1500.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let room = bench.room("page-to-page").await?;
    let page = bench.page(&room, &["alice", "bob"]).await?;
    let before = Footprint::of(&stack).await?;
    let url = |query: &str| format!("{}/?raw=1&record=1&{query}", page.url());
    let mut bob = bench.browser_at(&url("name=bob&answer=1"), Voice::Bob).await?;
    let mut alice = bench
        .browser_at(&url("name=alice&invitee=@bob:localhost"), Voice::Alice)
        .await?;
    alice.call().await?;
    alice.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    bob.wait_for(CallState::Connected, Duration::from_secs(5)).await?;
    let heard_from = unix_ms() + SETTLED_MS;
    tokio::time::sleep(TALK).await;

    let (at_alice, at_bob) = (alice.recordings().await?, bob.recordings().await?);
    let (by_alice, by_bob) = (
        at_alice.microphone.since(heard_from),
        at_bob.microphone.since(heard_from),
    );
    speech_checks(bench, "alice to bob", &by_alice, &at_bob.remote, &by_bob);
    speech_checks(bench, "bob to alice", &by_bob, &at_alice.remote, &by_alice);
    let during = Footprint::of(&stack).await?;
    bench.check(
        "the bridges leave the call alone",
        during.held == before.held,
        &during.held,
    );

    alice.hang_up().await?;
    for mut browser in [alice, bob] {
        browser.wait_for(CallState::Ended, Duration::from_secs(5)).await?;
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
