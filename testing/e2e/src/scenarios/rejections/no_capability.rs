//! Links to what cannot carry a call, and a voice server that wants what the bridge cannot do.

use super::{Desk, Expected};
use crate::scenarios::bench::Bench;
use anyhow::Result;
use discord_standin::types::{AfkSettings, ChannelKind, VoiceRefusal};

/// Nothing on the local Discord has this id.
const NOWHERE: &str = "1099999999999999999";
/// Discord's close code for a client that cannot encrypt end to end as the channel asks.
const DAVE_REQUIRED: u16 = 4017;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let mut desk = Desk::open(bench).await?;
    let standin = desk.stack.standin()?.control.clone();
    let info = desk.stack.standin()?.info.clone();
    let because = |words| Expected {
        reason: "no_capability",
        words,
        retry_after: None,
    };

    let room = desk.room("text", &info.text_channel_id).await?;
    desk.is_rejected(bench, &room, "a text channel", because("not a voice channel"))
        .await?;

    let room = desk.stack.bridged_room("another guild", NOWHERE, NOWHERE).await?;
    desk.is_rejected(bench, &room, "a server that the bot is not in", because("not a member"))
        .await?;

    let away = standin.create_channel("away", ChannelKind::Voice, 0).await?;
    let room = desk.room("away", &away.id).await?;
    let afk = |channel_id| AfkSettings {
        channel_id,
        timeout: None,
    };
    standin.set_afk(&afk(Some(away.id))).await?;
    desk.is_rejected(bench, &room, "the channel for those who are away", because("away"))
        .await?;
    standin.set_afk(&afk(None)).await?;

    let strict = standin.create_channel("strict", ChannelKind::Voice, 0).await?;
    let room = desk.room("strict", &strict.id).await?;
    let refusal = VoiceRefusal {
        code: DAVE_REQUIRED,
        times: None,
    };
    standin.refuse_voice(&info.bot_user_id, refusal).await?;
    desk.is_rejected(
        bench,
        &room,
        "a voice server that wants another encryption",
        because("dave"),
    )
    .await?;
    standin.accept_voice(&info.bot_user_id).await?;
    desk.close(bench).await
}
