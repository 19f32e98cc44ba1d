//! Rooms that cannot be bridged: the caller's room is told why, once, and nobody else's call is ended.

use super::bench::Bench;
use crate::stack::{BridgedRoom, Person, Stack, wait_for};
use anyhow::Result;
use discord_standin::types::{ChannelKind, Overwrite};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for a second notice to arrive, if there were one.
const QUIET: Duration = Duration::from_secs(3);

/// An audio call as a browser offers it; it is never answered here.
const OFFER: &str = include_str!("offer.sdp");

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = &stack.standin()?.control;
    let guild = stack.standin()?.info.guild_id.clone();
    let bot = stack.standin()?.info.bot_user_id.clone();

    let stage = control.create_channel("a-stage", ChannelKind::Stage, 0).await?;
    let room = stack.bridged_room("stage", &guild, &stage.id).await?;
    is_told(bench, &stack, &room, "a stage channel", "stage").await?;

    let closed = control.create_channel("no-entry", ChannelKind::Voice, 0).await?;
    control.set_overwrite(&closed.id, &bot, &deny("CONNECT")).await?;
    let room = stack.bridged_room("no entry", &guild, &closed.id).await?;
    is_told(bench, &stack, &room, "CONNECT is missing", "connect").await?;

    let mute = control.create_channel("no-speech", ChannelKind::Voice, 0).await?;
    control.set_overwrite(&mute.id, &bot, &deny("SPEAK")).await?;
    let room = stack.bridged_room("no speech", &guild, &mute.id).await?;
    is_told(bench, &stack, &room, "SPEAK is missing", "speak").await?;

    let small = control.create_channel("small", ChannelKind::Voice, 1).await?;
    let guest = control.create_person("guest-of-small").await?;
    control.join(&guest.id, &small.id).await?;
    let room = stack.bridged_room("small", &guild, &small.id).await?;
    is_told(bench, &stack, &room, "the channel is full", "full").await?;

    let gone = control.create_channel("gone", ChannelKind::Voice, 0).await?;
    let room = stack.bridged_room("gone", &guild, &gone.id).await?;
    control.delete_channel(&gone.id).await?;
    is_told(bench, &stack, &room, "the channel was deleted", "not").await
}

/// Takes one permission away.
fn deny(permission: &str) -> Overwrite {
    Overwrite {
        allow: Vec::new(),
        deny: vec![permission.to_owned()],
    }
}

/// A call in this room ends in one notice that holds `word`, and in no event that would end the call for others.
async fn is_told(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, case: &str, word: &str) -> Result<()> {
    let caller = stack.person("caller", room).await?;
    invite(&caller, &room.id).await?;
    let from_bot = |events: Vec<Value>| {
        let bot = stack.voice_bot();
        events
            .into_iter()
            .filter(move |event| event["sender"] == bot.as_str())
            .collect::<Vec<_>>()
    };
    let told = wait_for("a notice", Duration::from_secs(30), || async {
        let events = from_bot(caller.latest(&room.id, 30).await?);
        Ok(events.into_iter().find_map(|event| notice(&event)))
    });
    match told.await {
        Ok(text) => {
            bench.check(
                &format!("{case}: the notice says why"),
                text.to_lowercase().contains(word),
                &text,
            );
            tokio::time::sleep(QUIET).await;
            let events = from_bot(caller.latest(&room.id, 30).await?);
            let notices = events.iter().filter_map(notice).count();
            bench.check(
                &format!("{case}: it is said once"),
                notices == 1,
                format!("{notices} notices"),
            );
            let ended = events
                .iter()
                .any(|event| event["type"] == "m.call.reject" || event["type"] == "m.call.hangup");
            bench.check(
                &format!("{case}: the call of others is left alone"),
                !ended,
                if ended { "ended" } else { "yes" },
            );
        }
        Err(error) => bench.check(&format!("{case}: the room is told"), false, format!("{error:#}")),
    }
    Ok(())
}

/// The text of a notice for people.
fn notice(event: &Value) -> Option<String> {
    let content = &event["content"];
    (event["type"] == "m.room.message" && content["msgtype"] == "m.notice")
        .then(|| content["body"].as_str().map(str::to_owned))?
}

async fn invite(caller: &Person, room: &str) -> Result<()> {
    let content = json!({
        "version": "1",
        "call_id": format!("call-in-{room}"),
        "party_id": "CALLER",
        "lifetime": 60_000,
        "offer": { "type": "offer", "sdp": OFFER.replace('\n', "\r\n") },
        "sdp_stream_metadata": { "stream": { "purpose": "m.usermedia", "audio_muted": false, "video_muted": true } },
    });
    caller.send(room, "m.call.invite", content).await
}
