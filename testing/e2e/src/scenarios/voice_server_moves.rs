//! Discord moves the call to another voice server: voice is away no longer than it takes to go there.

use super::bench::Bench;
use super::talk::{Back, Talk};
use crate::audio::unix_ms;
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after the move.
const LIMIT: Duration = Duration::from_secs(3);
/// How long both talk before and after it.
const TALK: Duration = Duration::from_secs(8);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = &stack.standin()?.control;
    let mut talk = Talk::start(bench, "voice-server-moves").await?;
    sleep(TALK).await;
    let before = source(&stack).await?;
    let at = unix_ms();
    control.move_voice_server().await?;
    let moved = wait_for("the bot to be connected there", LIMIT, || async {
        Ok(source(&stack).await?.filter(|source| Some(*source) != before))
    });
    let moved = moved.await;
    let figure = match &moved {
        Ok(_) => format!("after {:.0} ms", unix_ms() - at),
        Err(error) => format!("{error:#}"),
    };
    bench.check("the bot is on the new voice server", moved.is_ok(), figure);
    sleep(TALK).await;
    let what = "the move";
    talk.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    talk.end(bench).await
}

/// The RTP source of the bot, which every voice server gives anew, once it is connected.
async fn source(stack: &Stack) -> Result<Option<u32>> {
    let standin = stack.standin()?;
    let state = standin.control.state().await?;
    let bot = state.voice_of(&standin.info.bot_user_id);
    Ok(bot.and_then(|bot| {
        let connected = bot
            .connection
            .as_ref()
            .is_some_and(|connection| connection.address.is_some());
        connected.then_some(bot.ssrc)
    }))
}
