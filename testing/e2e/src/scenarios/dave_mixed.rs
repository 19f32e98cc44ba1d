//! Our bridge, discord.js, libdave and discord.py in one encrypted voice channel: all of them take turns, and everyone who
//! can hear hears everyone else.

use super::bench::Bench;
use super::dave_frames::frames_check;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{Span, said_from, talk_in_browser};
use crate::audio::{Recording, SpeechCheck, Voice, VoicePath, unix_ms};
use crate::browser::CallState;
use crate::clients::{DiscordClient, Heard, Library};
use anyhow::{Context as _, Result, ensure};
use discord_standin::frames_of;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long each one talks alone.
const TURN: Duration = Duration::from_secs(10);
/// Between turns, so that the end of one is not taken for the start of the next.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the last commit may take to reach everybody.
const ONE_GROUP_WITHIN: Duration = Duration::from_secs(10);
/// The first frames of a turn: the word that somebody speaks goes through the voice gateway, his frames do not, and a frame
/// that overtakes the word has no known speaker.
const MOST_MISSED: usize = 5;
/// The clients, and the voice of each.
const CLIENTS: [(Library, Voice); 3] = [
    (Library::DiscordJs, Voice::Bob),
    (Library::Libdave, Voice::Dora),
    (Library::DiscordPy, Voice::Erik),
];

/// What somebody said in his turn.
struct Turn {
    speaker: &'static str,
    said: Recording,
    /// The file that his frames were made of, where he is on Discord.
    file: Option<PathBuf>,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let standin = stack.standin()?;
    let room = bench.room("mixed").await?;
    let page = bench.page(&room, &["alice"]).await?;
    let before = Footprint::of(&stack).await?;
    let folder = bench.folder("dave-mixed")?;
    let mut clients = Vec::new();
    for (library, _) in CLIENTS {
        let name = format!("{}-of-mixed", library.name());
        let mut client = DiscordClient::start(standin, library, &name, &room.channel_id, &folder).await?;
        client.join().await?;
        clients.push(client);
    }
    let mut alice = bench.browser(&page, "alice", Voice::Alice).await?;
    alice.call().await?;
    alice.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    alice.set_muted(true).await?;
    let code = one_group(&mut clients).await;
    bench.check(
        "all clients are in one group, by their privacy codes",
        code.is_ok(),
        code.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone),
    );
    // What is in the air when the last member has joined has its own scenario.
    sleep(PAUSE).await;

    let from = unix_ms();
    let spoken = talk_in_browser(&mut alice, TURN, PAUSE).await?;
    let mut turns = Vec::new();
    for (client, (library, voice)) in clients.iter_mut().zip(CLIENTS) {
        turns.push(talk(bench, client, library, voice).await?);
    }
    let until = unix_ms();

    let recordings = alice.recordings().await?;
    turns.push(Turn {
        speaker: "Matrix",
        said: spoken.of(&recordings.microphone),
        file: None,
    });
    turn_checks(bench, &turns, "Matrix", &recordings.remote);
    for client in clients.iter_mut().filter(|client| client.library.receives()) {
        let listener = client.library.name();
        let heard = client.heard().await?;
        turn_checks(bench, &turns, listener, &heard.recording(from, until)?);
        missing_checks(bench, &turns, listener, &heard)?;
        frames_check(bench, listener, &client.state().await?, &heard.sources(from, until));
    }

    alice.hang_up().await?;
    alice.close().await?;
    page.stop().await;
    for client in clients {
        client.close().await?;
    }
    ends_cleanly(bench, &stack, &room, &before).await
}

/// Waits until all clients show the same privacy code, and gives it.
async fn one_group(clients: &mut [DiscordClient]) -> Result<String> {
    let deadline = Instant::now() + ONE_GROUP_WITHIN;
    loop {
        let mut codes = Vec::new();
        for client in &mut *clients {
            codes.push(client.encrypted().await?);
        }
        let first = codes.first().context("there are clients")?;
        if codes.iter().all(|code| code == first) {
            return Ok(first.clone());
        }
        ensure!(Instant::now() < deadline, "they differ: {}", codes.join(", "));
        sleep(Duration::from_millis(100)).await;
    }
}

/// Lets a client talk alone, all of its file.
async fn talk(bench: &Bench, client: &mut DiscordClient, library: Library, voice: Voice) -> Result<Turn> {
    let file = bench.speech.file(voice, TURN)?;
    let from = client.play(&file).await?;
    let said = said_from(&file, from)?;
    sleep(said.audio.duration()).await;
    let turn = Span { from, to: unix_ms() };
    sleep(PAUSE).await;
    Ok(Turn {
        speaker: library.name(),
        said: turn.of(&said),
        file: Some(file),
    })
}

/// This listener has heard the turn of everybody else as it was said.
fn turn_checks(bench: &mut Bench, turns: &[Turn], listener: &str, heard: &Recording) {
    for turn in turns.iter().filter(|turn| turn.speaker != listener) {
        let check = SpeechCheck::run(&turn.said, heard);
        let what = format!("SPEECH_CHECK {} to {listener}", turn.speaker);
        bench.check(&what, check.passes(VoicePath::Forwarded), &check);
    }
}

/// This listener has got each frame of the other clients, byte by byte.
fn missing_checks(bench: &mut Bench, turns: &[Turn], listener: &str, heard: &Heard) -> Result<()> {
    for turn in turns.iter().filter(|turn| turn.speaker != listener) {
        let Some(file) = &turn.file else { continue };
        let said = frames_of(file)?;
        let missing = heard.missing(&said).len();
        bench.check(
            &format!("frames of {} that {listener} missed", turn.speaker),
            missing <= MOST_MISSED,
            format!("{missing} of {}", said.len()),
        );
    }
    Ok(())
}
