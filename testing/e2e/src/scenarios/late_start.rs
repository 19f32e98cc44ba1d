//! A homeserver or a Discord that is away when the bridges start, and a homeserver that goes away later: they wait, say
//! so once, and are in touch again soon when it is back.

use super::bench::Bench;
use crate::stack::{Bridge, Gate};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

/// Long enough for a program that does not wait to give up, and for one that says the same again and again to do so.
const AWAY: Duration = Duration::from_secs(8);
/// A homeserver that was not told that its appservice is back would wait up to 512 s.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// The longest of the first waits between attempts at Discord that are under way at that time: 8 s, and what is done then.
const DISCORD_WITHIN: Duration = Duration::from_secs(15);

/// What a bridge did while somebody whom it needs was away.
struct Waiting {
    bridge: &'static str,
    runs: Result<()>,
    ready: bool,
    said: usize,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    bench.stack().await?;
    no_homeserver_at_first(bench).await?;
    no_discord_at_first(bench).await?;
    homeserver_restarts(bench).await
}

async fn no_homeserver_at_first(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
        bridge.stop().await?;
    }
    stack.synapse.stop().await?;
    for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
        bridge.start()?;
    }
    tokio::time::sleep(AWAY).await;
    let mut waiting = Vec::new();
    for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
        waiting.push(Waiting::of(bridge, "homeserver").await);
    }
    stack.synapse.resume().await?;
    let back = Instant::now();
    stack.voice_bridge.ready().await?;
    stack.discord_bridge.ready().await?;
    let back = back.elapsed();
    for waiting in waiting {
        waiting.check(bench, "a homeserver");
    }
    let figure = format!("{:.1} s", back.as_secs_f64());
    bench.check("both are ready again after its return", back < BACK_WITHIN, figure);
    Ok(())
}

async fn no_discord_at_first(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let api = stack.standin()?.info.api_base.clone();
    let mut gate = Gate::shut(api.trim_start_matches("http://")).await?;
    let api_base = format!("http://{}", gate.address());
    stack.discord_bridge.stop().await?;
    stack
        .discord_bridge
        .start_with(&[("DISCORD_BRIDGE_DISCORD__API_BASE", &api_base)])?;
    tokio::time::sleep(AWAY).await;
    let waiting = Waiting::of(&stack.discord_bridge, "Discord").await;
    gate.open().await?;
    let back = Instant::now();
    stack.discord_bridge.ready().await?;
    let back = back.elapsed();
    // From here on without the gate.
    stack.discord_bridge.stop().await?;
    stack.discord_bridge.start()?;
    stack.discord_bridge.ready().await?;
    waiting.check(bench, "a Discord");
    let figure = format!("{:.1} s", back.as_secs_f64());
    bench.check("it is ready after Discord's return", back < DISCORD_WITHIN, figure);
    Ok(())
}

async fn homeserver_restarts(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    stack.synapse.stop().await?;
    stack.synapse.resume().await?;
    let back = Instant::now();
    // The bridges join only when the homeserver tells them of their invitations.
    let room = bench
        .room("after a restart")
        .await
        .context("the homeserver has not told the bridges")?;
    let figure = format!("{:.1} s", back.elapsed().as_secs_f64());
    bench.check(
        "events arrive again after a restart of the homeserver",
        back.elapsed() < BACK_WITHIN,
        figure,
    );
    drop(room);
    Ok(())
}

impl Waiting {
    /// How a bridge stands; what it has said are the lines of its log about `whom` it waits for. How the channels of
    /// earlier calls end meanwhile is another matter, said for each.
    async fn of(bridge: &Bridge, whom: &str) -> Self {
        let about = |line: &&str| line.contains(whom) && !line.contains("channel over");
        Self {
            bridge: bridge.name(),
            runs: bridge.still_runs(),
            ready: bridge.is_ready().await,
            said: bridge.log().lines().filter(about).count(),
        }
    }

    fn check(self, bench: &mut Bench, whom: &str) {
        let Self {
            bridge,
            runs,
            ready,
            said,
        } = self;
        let waits = runs.is_ok() && !ready;
        let figure = runs.map_or_else(|error| format!("{error:#}"), |()| format!("runs, ready: {ready}"));
        bench.check(&format!("{bridge} waits for {whom} that is away"), waits, figure);
        bench.check(
            &format!("{bridge} says so once"),
            said == 1,
            format!("{said} lines about it"),
        );
    }
}
