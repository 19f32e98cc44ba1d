//! Who speaks is seen on the other side: on Discord by the bridge's ring, in Matrix by name, in calls of both kinds (S11).

mod courier;
mod names;
mod ring;

use super::bench::{Bench, note};
use super::call_kind::CallKind;
use super::leftovers::{Footprint, ends_cleanly};
use crate::browser::{Browser, CallState};
use crate::page::PageServer;
use crate::stack::{LIVEKIT_MISSING, LiveKit};
use anyhow::Result;
use courier::Courier;
use std::fmt;
use std::time::Duration;

/// How long a call may take to be connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);

/// One call and what is looked at in it.
#[derive(Clone, Copy)]
struct Part {
    /// What the checks call it.
    call: &'static str,
    kind: CallKind<'static>,
    /// Whether the rings are looked at, too.
    rings: bool,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let part = |call, kind, rings| Part { call, kind, rings };
    talk(bench, part("VoIP v1", CallKind::Voip, true)).await?;
    if LiveKit::installed().is_none() {
        note("skipped, all of it by MatrixRTC", LIVEKIT_MISSING);
        return Ok(());
    }
    talk(bench, part("MatrixRTC", CallKind::Rtc, true)).await?;
    let stack = bench.stack().await?;
    stack.focus()?.let_set_attributes(false);
    let outcome = talk(bench, part("MatrixRTC by data", CallKind::Rtc, false)).await;
    stack.focus()?.let_set_attributes(true);
    outcome
}

/// One person calls and talks, two others talk on Discord.
async fn talk(bench: &mut Bench, Part { call, kind, rings }: Part) -> Result<()> {
    let stack = bench.stack().await?;
    let room = bench.room(&format!("speaking by {call}")).await?;
    let page = bench.page(&room, &["alice"]).await?;
    let people = names::People::join(&stack, &room, call).await?;
    let before = Footprint::of(&stack).await?;
    let mut alice = ring::browser(bench, &page, kind).await?;
    alice.call().await?;
    alice.wait_for(CallState::Connected, CONNECTED_WITHIN).await?;

    if rings {
        ring::checks(bench, call, &mut alice, &people).await?;
    }
    alice.set_muted(true).await?;
    let courier = match kind {
        CallKind::Voip => Some(Courier::new(&stack).await?),
        _ => None,
    };
    let rounds = if rings { 2 } else { 1 };
    names::checks(bench, call, &mut alice, &people, (rounds, courier)).await?;
    if rings && kind.is_rtc() {
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
