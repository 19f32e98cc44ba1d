//! A homeserver that is away when the bridges start, and one that goes away later: they wait, say so once, and are in
//! touch again at once when it is back.

use super::bench::Bench;
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

/// Long enough for a program that does not wait to give up, and for one that says the same again and again to do so.
const AWAY: Duration = Duration::from_secs(8);
/// A homeserver that was not told that its appservice is back would wait up to 512 s.
const BACK_WITHIN: Duration = Duration::from_secs(15);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    bench.stack().await?;
    let stack = bench.stack_mut()?;
    for bridge in [&mut stack.voice_bridge, &mut stack.discord_bridge] {
        bridge.stop().await?;
    }
    stack.synapse.stop().await?;
    for bridge in [&mut stack.voice_bridge, &mut stack.discord_bridge] {
        bridge.start()?;
    }
    tokio::time::sleep(AWAY).await;
    let mut waiting = Vec::new();
    for bridge in [&mut stack.voice_bridge, &mut stack.discord_bridge] {
        let said = bridge.log().lines().filter(|line| line.contains("homeserver")).count();
        waiting.push((bridge.name(), bridge.still_runs(), bridge.is_ready().await, said));
    }
    stack.synapse.resume().await?;
    let back = Instant::now();
    stack.voice_bridge.ready().await?;
    stack.discord_bridge.ready().await?;
    let back = back.elapsed();
    for (name, runs, ready, said) in waiting {
        let alive = runs.is_ok() && !ready;
        let figure = runs.map_or_else(|error| format!("{error:#}"), |()| format!("runs, ready: {ready}"));
        bench.check(&format!("{name} waits for a homeserver that is away"), alive, figure);
        bench.check(
            &format!("{name} says so once"),
            said == 1,
            format!("{said} lines about it"),
        );
    }
    bench.check(
        "both are ready again after its return",
        back < BACK_WITHIN,
        format!("{:.1} s", back.as_secs_f64()),
    );

    let stack = bench.stack_mut()?;
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
