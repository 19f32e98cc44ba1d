//! A peer in another language takes the voice bridge's place and knows only the seed's packets: it is refused unless the
//! configuration allows the plain form, and then talks with Discord both ways.

use super::bench::Bench;
use super::listening::{heard_on_discord, said_from, said_on_discord, speech_checks};
use super::signalling::ControlRoom;
use crate::audio::{Voice, unix_ms};
use crate::clients::{Answer, PlainPeer};
use crate::stack::{BridgedRoom, Stack, wait_for};
use anyhow::{Context as _, Result};
use discord_standin::frames_of;
use std::time::Duration;

/// How long both talk.
const TALK: Duration = Duration::from_secs(20);
/// Until what was said last is heard.
const HEARD_WITHIN: Duration = Duration::from_secs(1);

const PLAIN_FORM: (&str, &str) = ("DISCORD_BRIDGE_VDP__PLAIN_FORM", "true");

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let room = bench.room("plain peer").await?;
    let folder = bench.folder("plain-peer")?;
    let stack = bench.stack().await?;
    let control_room = ControlRoom::of(&stack).await?;
    let token = &control_room.asker.access_token;
    let mut peer = PlainPeer::start(&stack.synapse.url, token, &control_room.id, &folder)?;
    // From here on the peer is its only program.
    stack.voice_bridge.stop().await?;

    let refused = peer.call(&room.id).await?;
    bench.check(
        "by default the plain form is refused",
        refused == Answer::Rejected("no_common_format".to_owned()),
        format!("{refused:?}"),
    );

    stack.discord_bridge.restart_with(&[PLAIN_FORM]).await?;
    let log = stack.discord_bridge.log();
    let warning = log.lines().find(|line| line.contains("vdp.plain_form is on"));
    bench.check(
        "where it is allowed the log says so at start",
        warning.is_some(),
        warning.unwrap_or("it does not"),
    );
    let accepted = peer.call(&room.id).await?;
    bench.check(
        "there it is chosen",
        accepted == Answer::Format("plain-opus".to_owned()),
        format!("{accepted:?}"),
    );
    talk(bench, &stack, &room, &mut peer).await?;
    peer.hang_up().await?;
    let closed = wait_for("the channel to be closed", Duration::from_secs(10), || async {
        Ok(control_room.open_channels().await?.is_empty().then_some(()))
    });
    let closed = closed.await;
    bench.check(
        "its close empties the record of the channel",
        closed.is_ok(),
        closed.map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned()),
    );
    peer.close().await?;

    stack.discord_bridge.restart_with(&[]).await?;
    stack.voice_bridge.start()?;
    stack.voice_bridge.ready().await
}

/// The peer and a person on Discord talk at once; beside its own packets the peer sends another voice for a room that is
/// not on the channel.
async fn talk(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, peer: &mut PlainPeer) -> Result<()> {
    let standin = stack.standin()?;
    let dora = standin.control.create_person("dora-of-plain").await?;
    standin.control.join(&dora.id, &room.channel_id).await?;
    standin.control.record(&dora.id).await?;
    let begun = unix_ms();
    let [of_peer, elsewhere, of_dora] =
        [Voice::Alice, Voice::Bob, Voice::Dora].map(|voice| bench.speech.file(voice, TALK));
    let (of_peer, elsewhere, of_dora) = (of_peer?, elsewhere?, of_dora?);
    let playback = standin.control.play(&dora.id, &of_dora, false).await?;
    let said_by_peer = said_from(&of_peer, peer.talk(&of_peer, &elsewhere).await?)?;
    let said_elsewhere = said_from(&elsewhere, unix_ms())?;
    tokio::time::sleep(TALK + HEARD_WITHIN).await;

    let heard_by_dora = heard_on_discord(&standin.control, &dora.id, &bench.folder("plain-peer")?).await?;
    let said_by_dora = said_on_discord(&of_dora, playback.started_at_ns)?;
    let (heard, packets) = peer.heard().await?;
    let heard_by_peer = heard.recording(begun, unix_ms())?;
    speech_checks(
        bench,
        "plain peer to Discord",
        &said_by_peer,
        &heard_by_dora,
        &said_elsewhere,
    );
    speech_checks(
        bench,
        "Discord to plain peer",
        &said_by_dora,
        &heard_by_peer,
        &said_by_peer,
    );
    bench.check(
        "the bridge's packets hold `r`, `d` and `i` and nothing else",
        packets.heard > 500 && packets.odd == 0 && packets.strange == 0,
        format!("{packets:?}"),
    );
    let strays = frames_of(&elsewhere).context("what was said elsewhere")?.len();
    let metrics = stack.discord_bridge.metrics().await?;
    let dropped = metrics.sum("vdp_packets_dropped_total", &["reason=\"wrong_room\""]);
    bench.check(
        "packets for a room that is not on the channel are dropped",
        format!("{dropped}") == format!("{strays}"),
        format!("{dropped} of {strays}"),
    );
    Ok(())
}
