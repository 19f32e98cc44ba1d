//! Two rooms on one VDP channel, each bridged to a guild of its own: one breaks, is renegotiated and closed, the other hears
//! nothing of it.

use super::bench::{Bench, note};
use super::listening::speech_checks;
use super::process::udp_ports_of;
use super::signalling::ControlRoom;
use super::talk::{Back, NONE, Talk};
use crate::audio::{Voice, unix_ms};
use crate::stack::{Bridge, BridgedRoom, Stack, wait_for};
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use tokio::time::sleep;

/// How long voice may be away after its session on Discord was ended.
const LIMIT: Duration = Duration::from_secs(3);
/// How long the control room may take to tell of it, and to record the next epoch.
const SAID_WITHIN: Duration = Duration::from_secs(10);
/// How long all talk before anything happens, which is what each is heard by: in a shorter time a single stall of the
/// machine would be a tenth of what was said.
const UNDISTURBED: Duration = Duration::from_secs(15);
/// How long they talk after each event.
const TALK: Duration = Duration::from_secs(8);
/// "Session is no longer valid": a voice server of Discord gives up one session.
const SESSION_INVALID: u16 = 4006;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = ControlRoom::of(&stack).await?;
    let before = [&stack.voice_bridge, &stack.discord_bridge].map(udp_ports_of);
    let elsewhere = stack.standin()?.control.create_guild("elsewhere").await?.id;
    let room = bench.room("steady-room").await?;
    let mut steady = Talk::in_room(bench, "steady-room", room, [Voice::Alice, Voice::Dora]).await?;
    let room = bench.room_in(&elsewhere, "shaken-room").await?;
    let mut shaken = Talk::in_room(bench, "shaken-room", room, [Voice::Bob, Voice::Erik]).await?;
    steady.heard_from = shaken.heard_from;
    sleep(UNDISTURBED).await;
    each_hears_its_own(bench, &mut steady, &mut shaken).await?;
    let [voice, discord] = before;
    is_one_port(bench, &stack, &control, [&steady, &shaken], [voice?, discord?]).await?;

    let kept = channel(&control, &steady.room).await?;
    let lost = channel(&control, &shaken.room).await?;
    let at = unix_ms();
    let bot = &stack.standin()?.info.bot_user_id;
    shaken.guild.close_voice(bot, SESSION_INVALID).await?;
    is_renegotiated(bench, &control, &shaken.room, &lost).await?;
    sleep(TALK).await;
    let what = "its session on Discord was ended";
    note("the shaken room", "its voice session was ended");
    shaken.away_checks(bench, LIMIT, Some(Back { what, at })).await?;
    is_undisturbed(bench, &control, &mut steady, &kept, "the break of the other").await?;

    steady.heard_from = unix_ms();
    let hung_up = shaken.room.clone();
    shaken.end_beside_others(bench).await?;
    let close = control.said("vdp.channel.close", &hung_up.id, SAID_WITHIN).await;
    let figure = match &close {
        Ok(event) => event["content"]["reason"].to_string(),
        Err(error) => format!("{error:#}"),
    };
    bench.check("the shaken room's channel is closed", close.is_ok(), figure);
    sleep(TALK).await;
    is_undisturbed(bench, &control, &mut steady, &kept, "the close of the other").await?;
    steady.end(bench).await
}

/// Each room's people hear each other, and nobody of the other room.
async fn each_hears_its_own(bench: &mut Bench, steady: &mut Talk, shaken: &mut Talk) -> Result<()> {
    let (steady, shaken) = (steady.so_far().await?, shaken.so_far().await?);
    for (own, others) in steady.iter().zip(&shaken) {
        for (room, way, stranger) in [("steady", own, others), ("shaken", others, own)] {
            let direction = format!("{} in the {room} room", way.direction);
            speech_checks(bench, &direction, &way.said, &way.heard, &stranger.said);
        }
    }
    Ok(())
}

/// Both channels run between the same two ports, and the operating system knows of no other way between the bridges: all
/// sockets that the calls added are those to Discord's voice servers.
async fn is_one_port(
    bench: &mut Bench,
    stack: &Stack,
    control: &ControlRoom,
    talks: [&Talk; 2],
    [voice_before, discord_before]: [Vec<u16>; 2],
) -> Result<()> {
    let wanted = [stack.discord_bridge.vdp, stack.voice_bridge.vdp].map(|address| address.to_string());
    let mut to_discord = BTreeSet::new();
    let mut ends = BTreeSet::new();
    for talk in talks {
        ends.insert(channel(control, &talk.room).await?.ends);
        let state = talk.guild.state().await?;
        let bot = state.voice_of(&stack.standin()?.info.bot_user_id);
        let address = bot.and_then(|bot| bot.connection.as_ref()?.address);
        to_discord.insert(address.context("the bot has no voice connection")?.port());
    }
    bench.check(
        "both rooms' channels have the same two addresses",
        ends == BTreeSet::from([wanted]),
        format!("{ends:?}"),
    );
    let added = added(&stack.voice_bridge, &voice_before)?;
    bench.check(
        "the voice bridge has opened no UDP socket for the calls",
        added.is_empty(),
        format!("{added:?} beside {voice_before:?}"),
    );
    let added = self::added(&stack.discord_bridge, &discord_before)?;
    bench.check(
        "the Discord bridge has opened one UDP socket for each voice server of Discord",
        added == to_discord && added.len() == talks.len(),
        format!("{added:?} beside {discord_before:?}"),
    );
    Ok(())
}

/// The ports of the UDP sockets that a bridge has opened since.
fn added(bridge: &Bridge, before: &[u16]) -> Result<BTreeSet<u16>> {
    let ports = udp_ports_of(bridge)?.into_iter();
    Ok(ports.filter(|port| !before.contains(port)).collect())
}

/// The room's channel is said to be broken for its cause, and recorded as open in the next epoch.
async fn is_renegotiated(bench: &mut Bench, control: &ControlRoom, room: &BridgedRoom, lost: &Channel) -> Result<()> {
    let broken = control.said("vdp.channel.broken", &room.id, SAID_WITHIN).await;
    let reason = broken.map(|event| event["content"]["reason"].clone());
    bench.check(
        "the shaken room's channel is broken by voice_lost",
        reason.as_ref().is_ok_and(|reason| reason == "voice_lost"),
        reason.map_or_else(|error| format!("{error:#}"), |reason| reason.to_string()),
    );
    let next = wait_for("the next epoch", SAID_WITHIN, || async {
        let now = channel(control, room).await?;
        Ok((now.epoch > lost.epoch).then_some(now))
    });
    let next = next.await;
    bench.check(
        "it is renegotiated at the same addresses",
        next.as_ref()
            .is_ok_and(|next| next.epoch == lost.epoch + 1 && next.id != lost.id && next.ends == lost.ends),
        next.map_or_else(
            |error| format!("{error:#}"),
            |next| format!("{lost} before, {next} now"),
        ),
    );
    Ok(())
}

/// The room whose call goes on has the channel that it had, and missed no voice.
async fn is_undisturbed(
    bench: &mut Bench,
    control: &ControlRoom,
    steady: &mut Talk,
    kept: &Channel,
    over: &str,
) -> Result<()> {
    note("the steady room", format!("over {over}"));
    steady.away_checks(bench, NONE, None).await?;
    let now = channel(control, &steady.room).await?;
    bench.check(
        &format!("the steady room keeps its channel over {over}"),
        now == *kept,
        now,
    );
    Ok(())
}

/// A room's open channel, as the control room records it.
#[derive(Debug, PartialEq)]
struct Channel {
    id: String,
    epoch: u64,
    /// The addresses of the Discord bridge and the voice bridge.
    ends: [String; 2],
}

impl fmt::Display for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, epoch, ends } = self;
        write!(formatter, "epoch {epoch}, channel {id}, {}", ends.join(" to "))
    }
}

async fn channel(control: &ControlRoom, room: &BridgedRoom) -> Result<Channel> {
    let open = control.open_channels().await?;
    let record = open.get(&room.id).context("the control room records no open channel")?;
    let end = |role: &str| {
        let end = &record[role];
        format!("{}:{}", end["address"].as_str().unwrap_or_default(), end["port"])
    };
    Ok(Channel {
        id: record["channel_id"]
            .as_str()
            .context("the record has no channel")?
            .to_owned(),
        epoch: record["epoch"].as_u64().context("the record has no epoch")?,
        ends: [end("answerer"), end("asker")],
    })
}
