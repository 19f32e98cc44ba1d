//! Who speaks is seen on the other side: on Discord by the bridge's ring, in Matrix by name, in calls of both kinds (S11).

mod names;
mod ring;

use super::bench::{Bench, note};
use super::call_kind::CallKind;
use super::leftovers::{Footprint, ends_cleanly};
use crate::browser::{Browser, CallState};
use crate::page::PageServer;
use crate::stack::{LIVEKIT_MISSING, LiveKit};
use anyhow::Result;
use std::fmt;
use std::time::Duration;

/// How long a call may take to be connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    call(bench, CallKind::Voip).await?;
    if LiveKit::installed().is_none() {
        note("skipped, all of it by MatrixRTC", LIVEKIT_MISSING);
        return Ok(());
    }
    call(bench, CallKind::Rtc).await
}

/// One person calls and talks, two others talk on Discord.
async fn call(bench: &mut Bench, kind: CallKind<'_>) -> Result<()> {
    let stack = bench.stack().await?;
    let name = if kind.is_rtc() { "MatrixRTC" } else { "VoIP v1" };
    let room = bench.room(&format!("speaking by {name}")).await?;
    let page = bench.page(&room, &["alice"]).await?;
    let people = names::People::join(&stack, &room, name).await?;
    let before = Footprint::of(&stack).await?;
    let mut alice = ring::browser(bench, &page, kind).await?;
    alice.call().await?;
    alice.wait_for(CallState::Connected, CONNECTED_WITHIN).await?;

    ring::checks(bench, name, &mut alice, &people).await?;
    alice.set_muted(true).await?;
    names::checks(bench, name, &mut alice, &people).await?;
    if kind.is_rtc() {
        names::ring_checks(bench, &mut alice, &people).await?;
    }

    hang_up(alice, page).await?;
    people.leave().await?;
    ends_cleanly(bench, &stack, &room, &before).await
}

async fn hang_up(mut alice: Browser, page: PageServer) -> Result<()> {
    alice.hang_up().await?;
    alice.close().await?;
    page.stop().await;
    Ok(())
}

/// How much later things were seen than they were, in milliseconds.
struct Lags(Vec<f64>);

impl Lags {
    fn new(mut lags: Vec<f64>) -> Self {
        lags.sort_by(f64::total_cmp);
        Self(lags)
    }

    fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn longest(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    /// There are some, and none is longer than that.
    fn are_within(&self, limit_ms: f64) -> bool {
        self.longest() <= limit_ms
    }
}

impl fmt::Display for Lags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "median {:.0} ms, longest {:.0} ms of {}",
            self.median(),
            self.longest(),
            self.0.len()
        )
    }
}
