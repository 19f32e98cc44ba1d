//! Permissions that the bot lacks, and one that is taken from it in mid-call.

use super::{Desk, Expected, REJECTED_WITHIN};
use crate::scenarios::bench::Bench;
use anyhow::Result;
use discord_standin::types::ChannelKind;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let mut desk = Desk::open(bench).await?;
    let standin = desk.stack.standin()?.control.clone();
    for (permission, case, words) in [
        ("CONNECT", "CONNECT is missing", "connect"),
        ("SPEAK", "SPEAK is missing", "speak"),
        ("VIEW_CHANNEL", "VIEW_CHANNEL is missing", "view channel"),
    ] {
        let channel = standin
            .create_channel(&format!("without-{permission}"), ChannelKind::Voice, 0)
            .await?;
        desk.deny(&channel.id, permission).await?;
        let room = desk.room(permission, &channel.id).await?;
        let expected = Expected {
            reason: "no_permission",
            words,
            retry_after: None,
        };
        desk.is_rejected(bench, &room, case, expected).await?;
    }
    taken_away(bench, &desk).await?;
    desk.close(bench).await
}

/// SPEAK is taken away while a call runs.
async fn taken_away(bench: &mut Bench, desk: &Desk) -> Result<()> {
    let standin = desk.stack.standin()?;
    let channel = standin
        .control
        .create_channel("muted-later", ChannelKind::Voice, 0)
        .await?;
    let room = desk.room("muted later", &channel.id).await?;
    let call = desk.answered_call(&room).await?;
    desk.deny(&channel.id, "SPEAK").await?;
    let close = desk.control.said("vdp.channel.close", &room.id, REJECTED_WITHIN).await;
    bench.check(
        "SPEAK is taken away in mid-call: the channel closes with no_permission",
        close
            .as_ref()
            .is_ok_and(|event| event["content"]["reason"] == "no_permission"),
        close.map_or_else(|error| format!("{error:#}"), |event| event["content"].to_string()),
    );
    let told = call.told(REJECTED_WITHIN).await;
    bench.check(
        "SPEAK is taken away in mid-call: the notice says so",
        told.as_ref().is_ok_and(|text| text.to_lowercase().contains("speak")),
        told.unwrap_or_else(|error| format!("{error:#}")),
    );
    let notices = call.notices().await?.len();
    bench.check(
        "SPEAK is taken away in mid-call: it is said once",
        notices == 1,
        format!("{notices} notices"),
    );
    Ok(())
}
