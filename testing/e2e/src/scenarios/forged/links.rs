//! The owner of a room names somebody else's voice channel in it and invites the bots, to listen and to be heard there.

use crate::audio::Voice;
use crate::scenarios::bench::Bench;
use crate::scenarios::signalling::ControlRoom;
use crate::scenarios::silent_call::SilentCall;
use crate::stack::{Person, Stack, wait_for};
use anyhow::Result;
use discord_standin::types::{AccountKind, ChannelKind};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// How people are told, and the code and text for programs.
const NOTICE: &str = "not bridged";
const REASON: &str = "not_bridged";
const TEXT: &str = "trusted_bridges";
/// How long anything may take that has to happen.
const WITHIN: Duration = Duration::from_secs(20);
/// Long enough for the bot to come, if it came.
const QUIET: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &mut Bench, stack: &Stack) -> Result<()> {
    let standin = stack.standin()?;
    let channel = standin
        .control
        .create_channel("of-somebody-else", ChannelKind::Voice, 0)
        .await?;
    let victim = standin.control.create_person("talker-of-somebody-else").await?;
    standin.control.join(&victim.id, &channel.id).await?;
    standin.control.record(&victim.id).await?;
    let speech = bench.speech.file(Voice::Dora, Duration::from_mins(1))?;
    standin.control.play(&victim.id, &speech, false).await?;

    let mallory = Person::register(&stack.synapse.url, "mallory-of-links").await?;
    let control = ControlRoom::of(stack).await?;
    for (kind, key, link) in links(&mallory, &standin.info.guild_id, &channel.id) {
        let room = room(stack, &mallory, (kind, key, link)).await?;
        let call = SilentCall::by(mallory.clone(), &room, &stack.voice_bot()).await?;
        let told = call.told(WITHIN).await;
        control.request(&room).await?;
        let reject = control.said("vdp.channel.reject", &room, WITHIN).await;
        let content = reject.as_ref().map_or(Value::Null, |event| event["content"].clone());
        let refused = content["reason"] == REASON && content["text"].as_str().is_some_and(|text| text.contains(TEXT));
        bench.check(
            &format!("a stranger's link by {kind} does not count"),
            refused && told.as_ref().is_ok_and(|text| text.contains(NOTICE)),
            format!(
                "{}; {}",
                content["reason"],
                told.unwrap_or_else(|error| format!("{error:#}"))
            ),
        );
        call.hang_up().await?;
    }
    sleep(QUIET).await;
    let state = standin.control.state().await?;
    let bots = state
        .voice
        .iter()
        .filter(|voice| voice.kind == AccountKind::Bot && voice.channel_id == channel.id);
    let (bots, frames) = (bots.count(), standin.control.frames(&victim.id, 0).await?.frames.len());
    bench.check(
        "nobody listens in the named voice channel, and nobody is heard there",
        bots == 0 && frames == 0,
        format!("{bots} bots, {frames} frames heard"),
    );
    Ok(standin.control.leave(&victim.id).await?)
}

/// Each way to name a voice channel in a room.
fn links(owner: &Person, guild: &str, channel: &str) -> [(&'static str, String, Value); 3] {
    let bridge = json!({
        "creator": owner.user_id, "protocol": { "id": "discord" },
        "network": { "id": guild }, "channel": { "id": channel },
    });
    let key = format!("discord://{guild}/{channel}");
    let own = json!({ "protocol": "discord", "network_id": guild, "channel_id": channel });
    let mut both = bridge.clone();
    both["vdp.link"] = own.clone();
    [
        ("m.bridge", key.clone(), bridge),
        ("uk.half-shot.bridge", key, both),
        ("vdp.link", String::new(), own),
    ]
}

/// A room of somebody's own with a link in it, and both bots.
async fn room(stack: &Stack, owner: &Person, (kind, key, link): (&str, String, Value)) -> Result<String> {
    let bots = [stack.voice_bot(), stack.discord_bot()];
    let options = json!({
        "preset": "private_chat", "invite": bots,
        "initial_state": [{ "type": kind, "state_key": key, "content": link }],
        "power_level_content_override": { "events": { "m.call.invite": 0 } },
    });
    let room = owner.create_room(options).await?;
    wait_for("both bridges to accept a stranger's invitation", WITHIN, || async {
        let members = owner.joined_members(&room).await?;
        Ok(bots.iter().all(|bot| members.contains(bot)).then_some(()))
    })
    .await?;
    Ok(room)
}
