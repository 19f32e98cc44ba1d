//! A Discord bridge that is full: it is set to carry one call and has one already, or it comes late to what it has.

use super::{Desk, Expected};
use crate::audio::Voice;
use crate::scenarios::bench::{Bench, note};
use crate::stack::{Bridge, wait_for};
use anyhow::{Context as _, Result, ensure};
use discord_standin::types::ChannelKind;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// How long the bridge stands still each time, and how long it runs then. A media thread that mixes is woken late once for
/// each standstill and then every 20 ms: about every second time it is late, more than twice what counts as overload.
const STANDSTILL: Duration = Duration::from_millis(60);
const RUNNING: Duration = Duration::from_millis(25);
/// How long it may take until what the threads did in the last seconds shows their load, and until that is forgotten.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);
/// Longer than this part takes.
const SPEECH: Duration = Duration::from_mins(3);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let desk = Desk::open(bench).await?;
    let one = [("DISCORD_BRIDGE_DISCORD__MAX_CHANNELS", "1")];
    desk.stack.discord_bridge.restart_with(&one).await?;
    let stack = Arc::clone(&desk.stack);
    let outcome = one_too_many(bench, desk).await;
    stack.discord_bridge.restart_with(&[]).await?;
    outcome?;
    too_late(bench).await
}

async fn one_too_many(bench: &mut Bench, mut desk: Desk) -> Result<()> {
    let standin = desk.stack.standin()?.control.clone();
    let first = standin.create_channel("first-call", ChannelKind::Voice, 0).await?;
    let second = standin.create_channel("second-call", ChannelKind::Voice, 0).await?;
    let running = desk.room("first call", &first.id).await?;
    let call = desk.answered_call(&running).await?;
    let room = desk.room("second call", &second.id).await?;
    let expected = Expected {
        reason: "at_capacity",
        words: "as many as it is set to carry",
        retry_after: Some(60),
    };
    desk.is_rejected(bench, &room, "one call too many", expected).await?;
    desk.still_runs(bench, &running, &call).await?;
    call.hang_up().await?;
    desk.close(bench).await
}

/// Two people talk at once in a call, whose voices are mixed every 20 ms; the machine does not give the bridge the time.
async fn too_late(bench: &mut Bench) -> Result<()> {
    let mut desk = Desk::open(bench).await?;
    let stack = Arc::clone(&desk.stack);
    let standin = stack.standin()?.control.clone();
    let busy = standin.create_channel("busy-call", ChannelKind::Voice, 0).await?;
    let next = standin.create_channel("next-call", ChannelKind::Voice, 0).await?;
    let running = desk.room("busy call", &busy.id).await?;
    let call = desk.answered_call(&running).await?;
    let talkers = [("one-of-busy", Voice::Dora), ("other-of-busy", Voice::Erik)];
    for (name, voice) in talkers {
        standin.create_person(name).await?;
        standin.join(name, &busy.id).await?;
        standin.play(name, &bench.speech.file(voice, SPEECH)?, true).await?;
    }
    let room = desk.room("next call", &next.id).await?;
    note(
        "in good time the threads come late to",
        format!("{} % of their work", late_percent(&stack.discord_bridge).await?),
    );

    let expected = Expected {
        reason: "at_capacity",
        words: "cannot keep up with the calls that it has",
        retry_after: Some(10),
    };
    let stumbling = Stumbling::begin(&stack.discord_bridge)?;
    let overloaded = load_is(&stack.discord_bridge, true).await;
    let rejected = match &overloaded {
        Ok(()) => {
            desk.is_rejected(bench, &room, "media threads that come late", expected)
                .await
        }
        Err(_) => Ok(()),
    };
    let late = late_percent(&stack.discord_bridge).await;
    stumbling.end().await?;
    overloaded?;
    rejected?;
    note("the threads came late to", format!("{} % of their work", late?));
    desk.still_runs(bench, &running, &call).await?;

    load_is(&stack.discord_bridge, false).await?;
    for (name, _) in talkers {
        standin.leave(name).await?;
    }
    call.hang_up().await?;
    desk.goes_through(bench, &room, "once the threads keep up again")
        .await?;
    desk.close(bench).await
}

/// Waits until a bridge says that it is overloaded, or is not.
async fn load_is(bridge: &Bridge, overloaded: bool) -> Result<()> {
    wait_for("the bridge's own verdict on its load", SHOWN_WITHIN, || async {
        let status = bridge.status().await?;
        Ok((status["media"]["overloaded"] == overloaded).then_some(()))
    })
    .await
}

async fn late_percent(bridge: &Bridge) -> Result<u64> {
    let status = bridge.status().await?;
    let percent = status["media"].get("late_percent").and_then(Value::as_u64);
    percent.context("the bridge does not say how late it is")
}

/// A process that stands still again and again, as on a machine that has too much to do.
struct Stumbling {
    process: u32,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Stumbling {
    fn begin(bridge: &Bridge) -> Result<Self> {
        let process = bridge.process_id()?;
        let task = tokio::spawn(async move {
            loop {
                signal(process, "STOP").await?;
                tokio::time::sleep(STANDSTILL).await;
                signal(process, "CONT").await?;
                tokio::time::sleep(RUNNING).await;
            }
        });
        Ok(Self { process, task })
    }

    /// Lets it run on.
    async fn end(self) -> Result<()> {
        self.task.abort();
        match self.task.await {
            Ok(outcome) => outcome?,
            // That is how it ends; it may have left the process standing.
            Err(_aborted) => {}
        }
        signal(self.process, "CONT").await
    }
}

async fn signal(process: u32, signal: &str) -> Result<()> {
    let sent = Command::new("kill")
        .args([format!("-{signal}"), process.to_string()])
        .status()
        .await?;
    ensure!(sent.success(), "the process could not be sent SIG{signal}");
    Ok(())
}
