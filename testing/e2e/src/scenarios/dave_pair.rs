//! A person in a browser and an independent Discord client talk to each other over both bridges, end-to-end encrypted on
//! Discord's side.

use super::bench::Bench;
use super::dave_frames::frames_check;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{said_from, speech_checks};
use crate::audio::{Voice, unix_ms};
use crate::browser::CallState;
use crate::clients::{DiscordClient, Library};
use anyhow::Result;
use std::time::Duration;

/// How long both talk.
const TALK: Duration = Duration::from_secs(20);
/// How long a new connection may take until both ends play what arrives.
const SETTLED_MS: f64 = 1500.0;
/// From the click to the first word at the client, Discord's join and the group's making included.
const FIRST_WORD_MS: f64 = 10_000.0;

pub(crate) async fn run(bench: &mut Bench, library: Library) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let name = library.name();
    let room = bench.room(name).await?;
    let page = bench.page(&room, &["alice"]).await?;
    let before = Footprint::of(&stack).await?;
    let folder = bench.folder(&format!("dave-{name}"))?;
    let mut client =
        DiscordClient::start(standin, library, &format!("{name}-of-pair"), &room.channel_id, &folder).await?;
    client.join().await?;

    let mut alice = bench.browser(&page, "alice", Voice::Alice).await?;
    let clicked = unix_ms();
    alice.call().await?;
    alice.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    let code = client.encrypted().await?;
    bench.check(
        &format!("{name} is in an encrypted group"),
        true,
        format!("privacy code {code}"),
    );
    let heard_from = unix_ms() + SETTLED_MS;
    let file = bench.speech.file(Voice::Dora, TALK)?;
    let said_by_client = said_from(&file, client.play(&file).await?)?;
    tokio::time::sleep(TALK).await;

    let recordings = alice.recordings().await?;
    let until = unix_ms();
    let state = client.state().await?;
    let said_by_alice = recordings.microphone.since(heard_from);
    let said_by_client = said_by_client.since(heard_from);
    if library.receives() {
        let heard = client.heard().await?;
        let first = heard
            .first_voice(&standin.info.bot_user_id, clicked)
            .map(|at| at - clicked);
        bench.check(
            &format!("from the click to the first voice at {name}"),
            first.is_some_and(|ms| ms < FIRST_WORD_MS),
            first.map_or("never".to_owned(), |ms| format!("{ms:.0} ms")),
        );
        let heard_by_client = heard.recording(clicked, until)?;
        let direction = format!("Matrix to {name}");
        speech_checks(bench, &direction, &said_by_alice, &heard_by_client, &said_by_client);
        frames_check(bench, name, &state, &heard.sources(heard_from, until));
    }
    let direction = format!("{name} to Matrix");
    speech_checks(bench, &direction, &said_by_client, &recordings.remote, &said_by_alice);
    bench.check(
        &format!("{name} has sent speech"),
        state.sent > 0,
        format!("{} frames", state.sent),
    );

    alice.hang_up().await?;
    alice.close().await?;
    page.stop().await;
    client.close().await?;
    ends_cleanly(bench, &stack, &room, &before).await
}
