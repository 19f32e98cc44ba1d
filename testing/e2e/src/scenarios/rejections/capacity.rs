//! A Discord bridge that is set to carry one call has one already.

use super::{Desk, Expected};
use crate::scenarios::bench::Bench;
use anyhow::Result;
use discord_standin::types::ChannelKind;
use std::sync::Arc;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let desk = Desk::open(bench).await?;
    let one = [("DISCORD_BRIDGE_DISCORD__MAX_CHANNELS", "1")];
    desk.stack.discord_bridge.restart_with(&one).await?;
    let stack = Arc::clone(&desk.stack);
    let outcome = one_too_many(bench, desk).await;
    stack.discord_bridge.restart_with(&[]).await?;
    outcome
}

async fn one_too_many(bench: &mut Bench, mut desk: Desk) -> Result<()> {
    let standin = desk.stack.standin()?.control.clone();
    let first = standin.create_channel("first-call", ChannelKind::Voice, 0).await?;
    let second = standin.create_channel("second-call", ChannelKind::Voice, 0).await?;
    let running = desk.room("first call", &first.id).await?;
    let call = desk.answered_call(&running).await?;
    let room = desk.room("second call", &second.id).await?;
    let expected = Expected {
        reason: "at_capacity",
        words: "as many as it is set to carry",
        retry_after: Some(60),
    };
    desk.is_rejected(bench, &room, "one call too many", expected).await?;
    desk.still_runs(bench, &running, &call).await?;
    call.hang_up().await?;
    desk.close(bench).await
}
