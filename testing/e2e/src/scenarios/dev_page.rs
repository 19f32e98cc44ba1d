//! What `cargo xtask dev` shows: the page as a person finds it, with one click on Call, and with another one on Element Call.

use super::bench::Bench;
use super::print;
use crate::audio::Voice;
use crate::browser::{Browser, BrowserOptions, CHOOSE_ELEMENT_CALL, CallState, ElementCallPage};
use crate::page::web_folder;
use crate::stack::{LIVEKIT_MISSING, LiveKit};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A signal that is heard is well above this; silence is far below.
const HEARD: f64 = 0.005;
/// How Element Call calls the bridge of the room that is linked to `Voice`.
const BRIDGE: &str = "Discord: Voice";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let started = Instant::now();
    let folder = bench.folder("dev-page")?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["dev", "--port", "0"])
        // All that the command makes lies in a folder of our own, by which its processes can be found.
        .env("TMPDIR", &folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let url = tokio::time::timeout(Duration::from_secs(90), address(&mut child))
        .await
        .context("no address was printed")??;
    bench.check(
        "dev prints an address",
        true,
        format!("after {:.1} s", started.elapsed().as_secs_f64()),
    );

    let options = BrowserOptions::new(web_folder(), bench.speech.file(Voice::Alice, Duration::from_mins(1))?);
    let mut browser = Browser::launch(&options).await?;
    browser.open(&url).await?;
    let idle = browser.state().await?;
    bench.check(
        "the page is idle first",
        idle.call == CallState::Idle,
        format!("{:?}", idle.call),
    );
    browser.call().await?;
    let connected = browser.wait_for(CallState::Connected, Duration::from_secs(20)).await;
    bench.check("a click on Call connects", connected.is_ok(), format!("{connected:?}"));
    let heard = browser
        .wait_until("to hear Discord", Duration::from_secs(10), |page| {
            page.remote_level > HEARD
        })
        .await;
    let figure = heard
        .as_ref()
        .map_or_else(ToString::to_string, |page| format!("level {:.3}", page.remote_level));
    bench.check("Discord is heard", heard.is_ok(), figure);
    let open = |page: &crate::browser::PageState| page.channel.as_deref() == Some("open");
    let channel = browser
        .wait_until("the channel to be shown as open", Duration::from_secs(5), open)
        .await;
    bench.check(
        "the page shows the channel as open",
        channel.is_ok(),
        format!("{:?}", channel.map(|page| page.channel)),
    );
    browser.screenshot(&Bench::artefact("dev-page.png")?).await?;
    browser.hang_up().await?;
    browser.wait_for(CallState::Ended, Duration::from_secs(5)).await?;
    let errors = browser.console_errors().await?;
    bench.check(
        "the browser's console has no errors",
        errors.is_empty(),
        format!("{errors:?}"),
    );
    if LiveKit::installed().is_some() {
        element_call_checks(bench, &mut browser).await?;
    } else {
        print(&format!(
            "dev-page: SKIPPED: Element Call in the page: {LIVEKIT_MISSING}"
        ));
        says_what_is_missing(bench, &mut browser).await?;
    }
    browser.close().await?;

    ends_by_interrupt(bench, child, &folder).await
}

/// The same room by Element Call, in the frame of the page.
async fn element_call_checks(bench: &mut Bench, browser: &mut Browser) -> Result<()> {
    browser.choose_element_call().await?;
    browser.join_element_call().await?;
    let with_bridge = |page: &ElementCallPage| page.shows(&["alice", BRIDGE]) && page.remote_level > HEARD;
    let what = "Element Call shows the bridge, and Discord is heard";
    let shown = browser
        .element_call_until(what, Duration::from_secs(20), with_bridge)
        .await;
    let figure = shown.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    bench.check(what, shown.is_ok(), figure);
    // The page looks how things stand now and then, and Discord may be heard before that.
    let deadline = Instant::now() + Duration::from_secs(10);
    let (told, text) = loop {
        let text = browser.text().await?;
        let told = text.contains("You and #Voice on Discord hear each other");
        if told || Instant::now() >= deadline {
            break (told, text);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    bench.check("the page says that Discord is there", told, text.replace('\n', " "));
    browser
        .screenshot(&Bench::artefact("dev-page-element-call.png")?)
        .await?;
    browser.leave_element_call().await?;
    let ended = |page: &ElementCallPage| page.call == CallState::Ended;
    let ended = browser
        .element_call_until("the call to end", Duration::from_secs(5), ended)
        .await;
    bench.check(
        "Leave ends it",
        ended.is_ok(),
        format!("{:?}", ended.map(|page| page.call)),
    );
    Ok(())
}

/// Who chooses Element Call is told why it is not there, and that there is another way.
async fn says_what_is_missing(bench: &mut Bench, browser: &mut Browser) -> Result<()> {
    browser.follow(CHOOSE_ELEMENT_CALL).await?;
    let told = |page: &crate::browser::PageState| page.log.iter().any(|line| line == LIVEKIT_MISSING);
    browser
        .wait_until("the page to tell", Duration::from_secs(10), told)
        .await?;
    let text = browser.text().await?;
    bench.check(
        "the page says that LiveKit is missing, and what can be done",
        text.contains(LIVEKIT_MISSING) && text.contains("VoIP v1 works without it"),
        text.replace('\n', " "),
    );
    Ok(())
}

/// The address that the command prints for its reader.
async fn address(child: &mut Child) -> Result<String> {
    let stdout = child.stdout.take().context("its standard output is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) {
            // What it prints later must not block it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(url.to_owned());
        }
    }
    anyhow::bail!("it ended without printing an address")
}

async fn ends_by_interrupt(bench: &mut Bench, mut child: Child, folder: &Path) -> Result<()> {
    let id = child.id().context("dev has ended by itself")?;
    let asked = Instant::now();
    Command::new("kill").args(["-INT", &id.to_string()]).status().await?;
    let status = tokio::time::timeout(Duration::from_secs(20), child.wait())
        .await
        .context("Ctrl-C does not end it")??;
    bench.check(
        "Ctrl-C ends it",
        status.success(),
        format!("{status} after {:.1} s", asked.elapsed().as_secs_f64()),
    );
    let left = processes_in(folder)?;
    bench.check("no process of it is left", left.is_empty(), format!("{left:?}"));
    Ok(())
}

/// Command lines of the processes that work in a folder.
fn processes_in(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let process = entry?.path();
        // Processes end while the folder is read, and what is no process has no working folder.
        if std::fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(folder)) {
            let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    Ok(found)
}
