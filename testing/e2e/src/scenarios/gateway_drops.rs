//! Discord's gateway drops the bot's connection, then asks it to connect anew: voice goes another way, and runs on.

use super::bench::Bench;
use super::talk::{NONE, Talk};
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long both talk before and after each drop.
const TALK: Duration = Duration::from_secs(6);
/// How long the bridge may take to be connected again.
const BACK_WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let bot = &standin.info.bot_user_id;
    let mut talk = Talk::start(bench, "gateway-drops").await?;
    sleep(TALK).await;
    let resumes = resumes(&stack).await?;
    standin.control.close_gateway(bot, 0).await?;
    is_resumed(bench, &stack, "after its connection was cut", resumes + 1).await;
    sleep(TALK).await;
    standin.control.reconnect_gateway(bot).await?;
    is_resumed(bench, &stack, "when Discord asks it to", resumes + 2).await;
    sleep(TALK).await;
    talk.away_checks(bench, NONE, None).await?;
    talk.end(bench).await
}

async fn is_resumed(bench: &mut Bench, stack: &Stack, case: &str, wanted: u64) {
    let started = std::time::Instant::now();
    let resumed = wait_for("the gateway session to be resumed", BACK_WITHIN, || async {
        Ok((resumes(stack).await? >= wanted).then_some(()))
    });
    let resumed = resumed.await;
    let figure = match &resumed {
        Ok(()) => format!("after {:.1} s", started.elapsed().as_secs_f64()),
        Err(error) => format!("{error:#}"),
    };
    bench.check(
        &format!("the gateway session is resumed {case}"),
        resumed.is_ok(),
        figure,
    );
}

/// How often the bot's gateway session was resumed.
async fn resumes(stack: &Stack) -> Result<u64> {
    let standin = stack.standin()?;
    let state = standin.control.state().await?;
    let sessions = state.gateway.iter();
    let own = sessions.filter(|session| session.user_id == standin.info.bot_user_id && session.connected);
    Ok(own.map(|session| session.resumes).sum())
}
