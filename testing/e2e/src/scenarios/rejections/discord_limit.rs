//! What Discord itself does not allow at the moment.

use super::{Desk, Expected};
use crate::scenarios::bench::Bench;
use crate::stack::{Gate, wait_for};
use anyhow::Result;
use discord_standin::types::{ChannelKind, RateScope, RefuseRequests, VoiceRefusal};
use std::time::Duration;

/// The close code of a voice server to which a bot has come too often.
const RATE_LIMITED: u16 = 4021;
/// So many of the bot's requests are answered with 429. It asks again after 1, 2, 4 and 8 s: no longer than a call rings, and
/// far longer than a bridge takes to be asked for a channel.
const LIMITED: u32 = 4;
/// How long that may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);

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

    let busy = standin
        .create_channel("of-a-busy-server", ChannelKind::Voice, 0)
        .await?;
    let room = desk.room("a busy server", &busy.id).await?;
    let bot = desk.stack.standin()?.info.bot_user_id.clone();
    let refusal = VoiceRefusal {
        code: RATE_LIMITED,
        times: None,
    };
    standin.refuse_voice(&bot, refusal).await?;
    let expected = because("rate limited (4021)", 30);
    desk.is_rejected(bench, &room, "a voice server whose rate limit is reached", expected)
        .await?;
    standin.accept_voice(&bot).await?;
    desk.goes_through(bench, &room, "a voice server that takes the bot again")
        .await?;

    requests_are_limited(bench, &mut desk, &second.id).await?;

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

/// A bridge that starts may not ask Discord's API for its gateway yet.
async fn requests_are_limited(bench: &mut Bench, desk: &mut Desk, channel_id: &str) -> Result<()> {
    let room = desk.room("no requests", channel_id).await?;
    let refusal = RefuseRequests {
        times: LIMITED,
        retry_after_ms: 15_000,
        scope: RateScope::Global,
        route: None,
    };
    let bridge = &desk.stack.discord_bridge;
    bridge.stop().await?;
    desk.stack.standin()?.control.refuse_rest(&refusal).await?;
    bridge.start()?;
    let expected = Expected {
        reason: "discord_limit",
        words: "no connection to discord",
        retry_after: Some(10),
    };
    desk.is_rejected(bench, &room, "Discord answers the bot's requests with 429", expected)
        .await?;
    let bridge = &desk.stack.discord_bridge;
    wait_for("Discord to let the bot ask again", CONNECTED_WITHIN, || async {
        let status = bridge.status().await?;
        Ok((status["discord"]["gateway"] == "connected").then_some(()))
    })
    .await?;
    desk.goes_through(bench, &room, "Discord answers the bot's requests again")
        .await
}
