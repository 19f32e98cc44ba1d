//! What Discord itself does not allow at the moment.

use super::{Desk, Expected};
use crate::scenarios::bench::Bench;
use crate::stack::Gate;
use anyhow::Result;
use discord_standin::types::ChannelKind;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let mut desk = Desk::open(bench).await?;
    let standin = desk.stack.standin()?.control.clone();
    let because = |words, seconds| Expected {
        reason: "discord_limit",
        words,
        retry_after: Some(seconds),
    };

    let small = standin.create_channel("small", ChannelKind::Voice, 1).await?;
    let guest = standin.create_person("guest-of-small").await?;
    standin.join(&guest.id, &small.id).await?;
    let room = desk.room("small", &small.id).await?;
    desk.is_rejected(bench, &room, "the channel is full", because("full", 10))
        .await?;
    standin.leave(&guest.id).await?;

    let stage = standin.create_channel("a-stage", ChannelKind::Stage, 0).await?;
    desk.deny(&stage.id, "REQUEST_TO_SPEAK").await?;
    let room = desk.room("stage", &stage.id).await?;
    let expected = because("stage", 60);
    desk.is_rejected(bench, &room, "a stage where the bot may not even ask", expected)
        .await?;

    let first = standin.create_channel("first-of-guild", ChannelKind::Voice, 0).await?;
    let second = standin.create_channel("second-of-guild", ChannelKind::Voice, 0).await?;
    let running = desk.room("first of guild", &first.id).await?;
    let call = desk.answered_call(&running).await?;
    let room = desk.room("second of guild", &second.id).await?;
    let expected = because("first-of-guild", 60);
    desk.is_rejected(bench, &room, "the bot is in another channel of the server", expected)
        .await?;
    desk.still_runs(bench, &running, &call).await?;
    call.hang_up().await?;

    let room = desk.room("no gateway", &second.id).await?;
    let api = desk.stack.standin()?.info.api_base.clone();
    let gate = Gate::shut(api.trim_start_matches("http://")).await?;
    let base = format!("http://{}", gate.address());
    desk.stack.discord_bridge.stop().await?;
    desk.stack
        .discord_bridge
        .start_with(&[("DISCORD_BRIDGE_DISCORD__API_BASE", &base)])?;
    let expected = because("no connection to discord", 10);
    desk.is_rejected(bench, &room, "Discord's gateway is gone", expected)
        .await?;
    desk.stack.discord_bridge.restart_with(&[]).await?;
    desk.close(bench).await
}
