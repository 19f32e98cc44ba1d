//! Who cannot encrypt is turned away from an encrypted channel: a foreign client with 4017, our bridge with a reason that
//! people can read.

use super::bench::Bench;
use crate::audio::Voice;
use crate::browser::CallState;
use crate::clients::{DiscordClient, Library};
use crate::stack::wait_for;
use anyhow::Result;
use discord_standin::types::VoiceRefusal;
use std::time::Duration;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let room = bench.room("required").await?;
    let folder = bench.folder("dave-required")?;

    let library = Library::WithoutDave;
    let mut client = DiscordClient::start(standin, library, "old-client", &room.channel_id, &folder).await?;
    let joined = client.join().await;
    bench.check(
        "a client that announces no DAVE is closed with 4017",
        joined.as_ref().is_err_and(|error| error.to_string().contains("4017")),
        joined.map_or_else(|error| error.to_string(), |()| "it was let in".to_owned()),
    );
    client.close().await?;

    let page = bench.page(&room, &["alice"]).await?;
    let alice = stack.person("alice", &room).await?;
    let mut browser = bench.browser(&page, "alice", Voice::Alice).await?;
    browser.call().await?;
    browser.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    // It enters the channel anew, as after any loss, and is turned away at the door.
    let bridge = &standin.info.bot_user_id;
    let refusal = VoiceRefusal {
        code: 4017,
        times: None,
    };
    standin.control.refuse_voice(bridge, refusal).await?;
    standin.control.close_voice(bridge, 4017).await?;
    let notice = wait_for("a notice", Duration::from_secs(30), || async {
        let events = alice.latest(&room.id, 30).await?;
        let said = events
            .iter()
            .filter(|event| event["sender"] == stack.voice_bot().as_str());
        let texts = said.filter_map(|event| event["content"]["body"].as_str());
        Ok(texts.map(str::to_owned).find(|text| text.contains("DAVE")))
    });
    let notice = notice.await;
    standin.control.accept_voice(bridge).await?;
    bench.check(
        "a voice server that turns against the bridge in mid-call is named in the room",
        notice.is_ok(),
        notice.unwrap_or_else(|error| format!("{error:#}")),
    );
    browser.close().await?;
    page.stop().await;
    Ok(())
}
