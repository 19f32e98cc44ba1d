//! The page of the local Discord: somebody comes in by it, hears a person of the guild and is heard by him, and sees who
//! speaks and who is muted.

use super::bench::Bench;
use super::listening::{heard_on_discord, said_on_discord, speech_checks};
use crate::audio::{Voice, unix_ms, wall_clock_ms};
use crate::browser::{Browser, BrowserOptions, StandinPage};
use crate::page::web_folder;
use crate::stack::{Standin, wait_for};
use anyhow::{Context as _, Result};
use discord_standin::ControlClient;
use discord_standin::types::{ChannelKind, VoiceFlags};
use std::time::Duration;

const TALK: Duration = Duration::from_secs(15);
/// The page's jitter buffer is filled, and both have begun to speak.
const SETTLED_MS: f64 = 1_500.0;
/// Longer than the scenario, since files and the fake microphone loop.
const SPEECH: Duration = Duration::from_mins(3);
const SOON: Duration = Duration::from_secs(5);
/// A signal that is heard is well above this; silence is far below.
const HEARD: f64 = 0.005;

/// Who uses the page.
const GUEST: &str = "Gwen";
/// Who is already there.
const HOST: &str = "Bob";
const CHANNEL: &str = "Parlour";
const STAGE: &str = "Town hall";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.folder("standin-page")?;
    let standin = Standin::start(&folder).await?;
    let control = &standin.control;
    let channel = control.create_channel(CHANNEL, ChannelKind::Voice, 0).await?;
    let stage = control.create_channel(STAGE, ChannelKind::Stage, 0).await?;
    control.create_person(HOST).await?;
    control.join(HOST, &channel.id).await?;

    let options = BrowserOptions::new(web_folder(), bench.speech.file(Voice::Alice, SPEECH)?);
    let mut page = Browser::launch(&options).await?;
    let address = format!("{}/?name={GUEST}&raw=1&record=1", standin.info.control);
    page.open_standin(&address).await?;
    page.click(&format!("role=button[name=\"Join {CHANNEL}\"]")).await?;
    let listens = |page: &StandinPage| page.channel.as_deref() == Some(CHANNEL) && page.listening;
    let joined = page.standin_until("to listen in the channel", SOON, listens).await?;
    let quiet = joined.marks(GUEST, "muted") && !joined.talking;
    bench.check("who joins by the page listens first", quiet, &joined);

    let file = bench.speech.file(Voice::Bob, SPEECH)?;
    control.record(HOST).await?;
    let playback = control.play(HOST, &file, true).await?;
    page.click("#talk").await?;
    let both = |page: &StandinPage| page.rings(HOST) && page.rings(GUEST) && page.heard_level > HEARD;
    let shown = page.standin_until("both to be shown as speaking", SOON, both).await?;
    let figure = format!(
        "levels: heard {:.3}, said {:.3}",
        shown.heard_level, shown.microphone_level
    );
    bench.check("both rings are lit, and the other is heard", true, figure);
    let encryption = shown
        .member(GUEST)
        .map(|member| member.encryption.join("; "))
        .unwrap_or_default();
    let encrypted = encryption.contains("DAVE required") && encryption.contains("version 1, epoch");
    bench.check("the channel is shown as encrypted", encrypted, encryption);
    let heard_from = unix_ms() + SETTLED_MS;
    tokio::time::sleep(TALK).await;

    let recordings = page.recordings().await?;
    control.stop_recording(HOST).await?;
    let by_host = said_on_discord(&file, playback.started_at_ns)?;
    let by_guest = recordings.microphone.since(heard_from);
    let at_guest = recordings.remote.since(heard_from);
    let at_host = heard_on_discord(control, HOST, &folder).await?.since(heard_from);
    let begun = by_host.since(wall_clock_ms(playback.started_at_ns));
    speech_checks(bench, "guild to page", &begun, &at_guest, &by_guest);
    speech_checks(bench, "page to guild", &by_guest, &at_host, &by_host);
    let heard = control.recording(HOST).await?;
    let lost: u64 = heard.sources.iter().map(|source| source.lost).sum();
    bench.check("no frame from the page is lost", lost == 0, format!("{lost} lost"));
    let table = page.text().await?;
    bench.check(
        "who hears whom is shown",
        table.contains("Listener") && !table.contains("lost") && !table.contains("not decrypted"),
        "frames of each listener and speaker",
    );

    mutes_are_shown(bench, control, &mut page).await?;
    the_page_moderates(bench, control, &mut page, &stage.id).await?;

    page.screenshot(&folder.join("page.png")).await?;
    page.click("#leave").await?;
    let gone = wait_for("the person to leave", SOON, || async {
        Ok(control.state().await?.voice_of(GUEST).is_none().then_some(()))
    });
    bench.check("Leave leaves the channel", gone.await.is_ok(), GUEST);
    let errors = page.console_errors().await?;
    let at_the_end = page.standin_until("a state", SOON, |_| true).await?;
    let clean = errors.is_empty() && at_the_end.undecoded == 0 && at_the_end.error.is_none();
    bench.check(
        "neither the page nor the console has errors",
        clean,
        format!("{errors:?}"),
    );
    page.close().await?;
    standin.stop().await
}

/// What happens to the others and to oneself is seen.
async fn mutes_are_shown(bench: &mut Bench, control: &ControlClient, page: &mut Browser) -> Result<()> {
    let host = VoiceFlags {
        self_mute: Some(true),
        deaf: Some(true),
        ..VoiceFlags::default()
    };
    control.set_voice(HOST, host).await?;
    let guest = VoiceFlags {
        mute: Some(true),
        ..VoiceFlags::default()
    };
    control.set_voice(GUEST, guest).await?;
    let all = |page: &StandinPage| {
        page.marks(HOST, "muted")
            && page.marks(HOST, "deafened by the server")
            && page.marks(GUEST, "muted by the server")
            && !page.rings(HOST)
            && !page.rings(GUEST)
    };
    let shown = page.standin_until("mute and deaf to be shown", SOON, all).await;
    bench.check(
        "mute and deaf are shown, and no ring is lit",
        shown.is_ok(),
        outcome(shown),
    );
    Ok(())
}

/// A person is moved to a stage and let speak there, by the page's own buttons.
async fn the_page_moderates(
    bench: &mut Bench,
    control: &ControlClient,
    page: &mut Browser,
    stage_id: &str,
) -> Result<()> {
    page.click(&format!("role=button[name=\"Moderate {HOST}\"]")).await?;
    page.click(&format!("role=button[name=\"Move to {STAGE}\"]")).await?;
    let audience = |page: &StandinPage| page.marks(HOST, "audience");
    let shown = page
        .standin_until("a newcomer on a stage to be in the audience", SOON, audience)
        .await;
    bench.check("a move to a stage is shown as audience", shown.is_ok(), outcome(shown));
    page.click(&format!("role=button[name=\"Moderate {HOST}\"]")).await?;
    page.click("role=button[name=\"Let speak\"]").await?;
    let speaks = |page: &StandinPage| page.member(HOST).is_some() && !page.marks(HOST, "audience");
    let shown = page.standin_until("him to be let speak", SOON, speaks).await;
    let guild = control.state().await?;
    let there = guild.voice_of(HOST).context("he is in voice")?;
    let moved = shown.is_ok() && there.channel_id == stage_id && !there.suppress;
    bench.check("the page lets him speak there", moved, outcome(shown));
    Ok(())
}

fn outcome(shown: Result<StandinPage, crate::browser::BrowserError>) -> String {
    shown.map_or_else(|error| error.to_string(), |page| page.to_string())
}
