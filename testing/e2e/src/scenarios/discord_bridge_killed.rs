//! The Discord bridge is killed in mid-speech and started again: it finds the channel that was open, and voice is back.

use super::bench::{Bench, note};
use super::talk::{Back, Talk};
use crate::audio::unix_ms;
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after the bridge is back up.
const LIMIT: Duration = Duration::from_secs(5);
/// How long both talk before, and after the bridge is back.
const TALK: Duration = Duration::from_secs(8);
/// How long nobody starts the bridge again.
const GONE: Duration = Duration::from_secs(1);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mut talk = Talk::start(bench, "kill-discord-bridge").await?;
    sleep(TALK).await;
    stack.discord_bridge.kill().await?;
    let killed = unix_ms();
    sleep(GONE).await;
    stack.discord_bridge.start()?;
    stack.discord_bridge.ready().await?;
    let at = unix_ms();
    note(
        "the bridge is back up after",
        format!("{:.1} s", (at - killed) / 1_000.0),
    );
    sleep(LIMIT + TALK).await;
    let what = "the bridge was back up";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    talk.end(bench).await
}
