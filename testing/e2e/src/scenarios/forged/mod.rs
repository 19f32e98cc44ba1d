//! A hostile world around a real call: whatever strangers send to the bridges' ports, to the control room and to rooms of
//! their own, the people in the call hear each other and nobody else, and nobody else hears them.

mod diversions;
mod figures;
mod flood;
mod flooded;
mod forgery;
mod links;
mod replays;
mod strangers;

use super::bench::Bench;
use super::leftovers::{Footprint, nothing_is_left};
use super::relayed;
use super::talk::Talk;
use crate::audio::Voice;
use crate::stack::Relay;
use anyhow::Result;
use strangers::OldCall;

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    let mut talk = Talk::start(bench, "forged").await?;
    flooded::run(bench, &mut talk).await?;
    talk.end(bench).await?;

    let stack = bench.stack().await?;
    let relay = relayed::begin(&stack).await?;
    let outcome = on_the_way(bench, &relay).await;
    relayed::end(&stack).await?;
    outcome?;

    let before = Footprint::at_rest(&stack).await?;
    links::run(bench, &stack).await?;
    nothing_is_left(bench, &stack, &before).await
}

/// A call whose packets and events strangers can see.
async fn on_the_way(bench: &mut Bench, relay: &Relay) -> Result<()> {
    let stack = bench.stack().await?;
    let room = bench.room("seen").await?;
    let old = OldCall::held(&stack, &room).await?;
    let mut talk = Talk::in_room(bench, "seen", room, [Voice::Alice, Voice::Dora]).await?;
    replays::run(bench, &stack, relay, &mut talk).await?;
    diversions::run(bench, &stack, relay, &mut talk).await?;
    strangers::run(bench, &stack, &mut talk, &old).await?;
    talk.end(bench).await
}
