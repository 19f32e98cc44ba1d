//! The way between the bridges breaks for a while; later a router on it forgets one of them, who is elsewhere from then on.

use super::bench::{Bench, note};
use super::relayed;
use super::signalling::ControlRoom;
use super::talk::{Back, NONE, Talk};
use crate::audio::unix_ms;
use crate::stack::{Relay, Stack};
use anyhow::{Context as _, Result};
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after the link is back.
const LIMIT: Duration = Duration::from_secs(3);
/// How long the link is dead: longer than it takes to find the channel broken.
const DEAD: Duration = Duration::from_secs(8);
/// How long both talk before and after each fault.
const TALK: Duration = Duration::from_secs(6);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mut relay = relayed::begin(&stack).await?;
    let outcome = faults(bench, &stack, &mut relay).await;
    relayed::end(&stack).await?;
    outcome
}

async fn faults(bench: &mut Bench, stack: &Stack, relay: &mut Relay) -> Result<()> {
    let mut talk = Talk::start(bench, "udp-cut").await?;
    sleep(TALK).await;
    relay.cut();
    sleep(DEAD).await;
    relay.mend();
    let at = unix_ms();
    sleep(TALK).await;
    let (passed, lost) = relay.counts();
    bench.check(
        "all voice between the bridges goes through the relay",
        passed > 500 && lost > 50,
        format!("{passed} datagrams passed, {lost} were lost in the cut"),
    );
    let what = "the link was back";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;

    let epoch = epoch(stack, &talk.room.id).await?;
    talk.heard_from = unix_ms();
    let elsewhere = relay.move_first().await?;
    sleep(TALK).await;
    note("the voice bridge moved to", elsewhere);
    talk.away_checks(bench, NONE, None).await?;
    let now = self::epoch(stack, &talk.room.id).await?;
    bench.check(
        "a peer that moves is followed, not renegotiated with",
        epoch == now,
        format!("epoch {epoch} before, {now} now"),
    );
    talk.end(bench).await
}

/// The epoch of the room's open channel, as the control room records it.
async fn epoch(stack: &Stack, room: &str) -> Result<u64> {
    let open = ControlRoom::of(stack).await?.open_channels().await?;
    let record = open.get(room).context("the control room records no open channel")?;
    record["epoch"].as_u64().context("the record has no epoch")
}
