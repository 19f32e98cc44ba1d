//! The stack of `docker-compose.yml` from its first start on: its page lets a person hear the local Discord, speech passes in
//! both kinds of calls as it does through programs of this machine, and it is the same stack after it was taken down and up again.

use super::bench::{Bench, note};
use super::leftovers::Footprint;
use super::{print, rtc_speech, voip_speech};
use crate::audio::{Speech, Voice};
use crate::browser::{AUDIBLE, CallState};
use crate::docker::{Compose, Engine, SERVICES, SERVICES_OF_OTHERS};
use crate::stack::{Stack, wait_for};
use anyhow::Result;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The page, as its service prints it.
const PAGE: &str = "http://127.0.0.1:8420";
/// How long the services may take from when they were started until the page is there, which waits for all others.
const READY_WITHIN: Duration = Duration::from_mins(2);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.folder("compose")?;
    let engine = Engine::start(&folder).await?;
    // What the others share is not what is looked at here.
    let shared = (bench.lend_stack(None), bench.speech.clone());
    let outcome = in_engine(bench, &folder).await;
    bench.lend_stack(shared.0);
    bench.speech = shared.1;
    engine.stop().await?;
    outcome
}

async fn in_engine(bench: &mut Bench, folder: &Path) -> Result<()> {
    let speech = bench.folder("compose-speech")?;
    bench.speech = Speech::in_directory(&speech);
    let compose = Compose::new(speech, folder.join("compose.log")).await;
    note("Compose", compose.version().await?);
    compose.forget().await?;
    let started = Instant::now();
    compose.build().await?;
    note(
        "images built or found built",
        format!("{:.0} s", started.elapsed().as_secs_f64()),
    );
    note("images", compose.image_sizes().await?);
    let outcome = trial(bench, &compose, folder).await;
    std::fs::write(folder.join("services.log"), compose.logs().await?)?;
    if outcome.is_err() {
        let log = compose.logs().await?;
        let lines = log.lines().collect::<Vec<_>>();
        print(&lines[lines.len().saturating_sub(60)..].join("\n"));
    }
    compose.forget().await?;
    outcome
}

async fn trial(bench: &mut Bench, compose: &Compose, folder: &Path) -> Result<()> {
    let started = Instant::now();
    compose.up().await?;
    page_is_there().await?;
    note(
        "from `up` to the page",
        format!("{:.1} s", started.elapsed().as_secs_f64()),
    );
    containers_are_closed(bench, compose).await?;
    let stack = Stack::attach(folder, compose.places(folder).await?).await?;
    demonstration(bench).await?;
    Footprint::at_rest(&stack).await?;
    bench.lend_stack(Some(Arc::new(stack)));
    voip_speech::run(bench).await?;
    rtc_speech::run(bench).await?;

    compose.down().await?;
    let started = Instant::now();
    compose.up().await?;
    page_is_there().await?;
    note(
        "`down` and `up` again",
        format!("{:.1} s", started.elapsed().as_secs_f64()),
    );
    demonstration(bench).await
}

async fn page_is_there() -> Result<()> {
    wait_for("the page", READY_WITHIN, || async {
        let answer = reqwest::get(format!("{PAGE}/api/config")).await;
        Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
    })
    .await
}

/// No container is root, writes to its own file system or keeps a capability, and all are well.
async fn containers_are_closed(bench: &mut Bench, compose: &Compose) -> Result<()> {
    let template = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.State.Health.Status}}";
    for service in SERVICES {
        // The page is asked by its health check at intervals.
        let well = wait_for(service, Duration::from_secs(30), || async {
            let found = compose.inspect(service, template).await?;
            Ok(found.ends_with(" healthy").then_some(found))
        });
        let found = match well.await {
            Ok(found) => found,
            Err(_) => compose.inspect(service, template).await?,
        };
        let closed = found == "10001:10001 true [ALL] healthy";
        bench.check(&format!("user, read-only, dropped, health of {service}"), closed, found);
    }
    let template = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.State.Status}}";
    for service in SERVICES_OF_OTHERS {
        let found = compose.inspect(service, template).await?;
        let closed = found == "10001:10001 true [ALL] running";
        bench.check(&format!("user, read-only, dropped, state of {service}"), closed, found);
    }
    Ok(())
}

/// A person opens the page and clicks Call.
async fn demonstration(bench: &mut Bench) -> Result<()> {
    let mut browser = bench.browser_at(&format!("{PAGE}/?name=alice"), Voice::Alice).await?;
    browser.call().await?;
    browser.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
    let heard = browser
        .wait_until("to hear Discord", Duration::from_secs(10), |page| {
            page.remote_level > AUDIBLE
        })
        .await;
    let figure = heard
        .as_ref()
        .map_or_else(ToString::to_string, |page| format!("level {:.3}", page.remote_level));
    bench.check(
        "a click on the page's Call, and Discord is heard",
        heard.is_ok(),
        figure,
    );
    browser.hang_up().await?;
    browser.wait_for(CallState::Ended, Duration::from_secs(5)).await?;
    Ok(browser.close().await?)
}
