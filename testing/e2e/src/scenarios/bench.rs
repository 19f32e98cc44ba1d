//! What the scenarios work with: one stack that they share, the browsers' page, speech, and the list of checks.

use super::call_kind::CallKind;
use super::print;
use crate::audio::{Speech, Voice};
use crate::browser::{Browser, BrowserOptions};
use crate::page::{PageServer, Site, web_folder};
use crate::stack::{BridgedRoom, Discord, Stack, tools};
use anyhow::{Context as _, Result};
use discord_standin::types::ChannelKind;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than any scenario talks, since a browser's fake microphone starts anywhere in its file and loops.
const SPEECH_LENGTH: Duration = Duration::from_mins(3);

/// The state of a run of scenarios.
pub(crate) struct Bench {
    folder: TempDir,
    stack: Option<Arc<Stack>>,
    /// Everybody's voice.
    pub(crate) speech: Speech,
    checks: Vec<bool>,
    stacks: usize,
    rooms: usize,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        let speech = Speech::in_directory(tools()?.join("speech"));
        let folder = tempfile::Builder::new().prefix("vdp-e2e-").tempdir()?;
        Ok(Self {
            folder,
            stack: None,
            speech,
            checks: Vec::new(),
            stacks: 0,
            rooms: 0,
        })
    }

    /// The shared stack, started when the first scenario asks for it.
    pub(crate) async fn stack(&mut self) -> Result<Arc<Stack>> {
        if self.stack.is_none() {
            // A stack after one that failed must not find that one's rooms and calls.
            self.stacks += 1;
            let folder = self.folder(&format!("stack-{}", self.stacks))?;
            let stack = Stack::start(&folder, Discord::Standin, |step| {
                print(&format!("      {step}"));
            });
            self.stack = Some(Arc::new(stack.await?));
        }
        self.stack.clone().context("it was just started")
    }

    /// Takes another stack as the shared one, or none, and gives the one that it was.
    pub(crate) fn lend_stack(&mut self, stack: Option<Arc<Stack>>) -> Option<Arc<Stack>> {
        std::mem::replace(&mut self.stack, stack)
    }

    /// A folder for a stack or the files of one scenario.
    pub(crate) fn folder(&self, name: &str) -> Result<std::path::PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Where a picture or the like is kept, also after a run that has passed: below the build directory, in `e2e`.
    pub(crate) fn artefact(name: &str) -> Result<std::path::PathBuf> {
        let program = std::env::current_exe()?;
        let build = program
            .ancestors()
            .nth(2)
            .context("this program is not in a build directory")?;
        let folder = build.join("e2e");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        note("kept", path.display());
        Ok(path)
    }

    /// A new room, linked to a new voice channel.
    pub(crate) async fn room(&mut self, name: &str) -> Result<BridgedRoom> {
        let guild = self.stack().await?.standin()?.info.guild_id.clone();
        self.room_in(&guild, name).await
    }

    /// A new room, linked to a new voice channel of this guild.
    pub(crate) async fn room_in(&mut self, guild: &str, name: &str) -> Result<BridgedRoom> {
        let stack = self.stack().await?;
        self.rooms += 1;
        let control = stack.standin()?.control.of_guild(guild);
        let channel = control
            .create_channel(&format!("{name}-{}", self.rooms), ChannelKind::Voice, 0)
            .await?;
        stack.bridged_room(name, guild, &channel.id).await
    }

    /// Serves the page of this room to browsers.
    pub(crate) async fn page(&mut self, room: &BridgedRoom, people: &[&str]) -> Result<PageServer> {
        let stack = self.stack().await?;
        for name in people {
            stack.person(name, room).await?;
        }
        let people = people.iter().map(|&name| name.to_owned()).collect();
        PageServer::start(0, Site::new(stack, room.clone(), people)).await
    }

    /// A new room without the bridges, with these people in it, and its page.
    pub(crate) async fn plain_page(&mut self, name: &str, people: &[&str]) -> Result<(String, PageServer)> {
        let stack = self.stack().await?;
        let room = stack.plain_room(name).await?;
        for name in people {
            stack.person_in(name, &room).await?;
        }
        let people = people.iter().map(|&name| name.to_owned()).collect();
        let page = PageServer::start(0, Site::of_plain_room(stack, room.clone(), people)).await?;
        Ok((room, page))
    }

    /// A browser of one person, with that voice as its microphone, on the page and ready to call.
    pub(crate) async fn browser(&self, page: &PageServer, name: &str, voice: Voice) -> Result<Browser> {
        self.browser_for(page, name, voice, CallKind::Voip).await
    }

    /// The same for calls of this kind.
    pub(crate) async fn browser_for(
        &self,
        page: &PageServer,
        name: &str,
        voice: Voice,
        kind: CallKind<'_>,
    ) -> Result<Browser> {
        let parameters = kind.parameters();
        let url = format!("{}/?name={name}&raw=1&record=1{parameters}", page.url());
        self.browser_at(&url, voice).await
    }

    /// A browser with that voice as its microphone, which has opened this address.
    pub(crate) async fn browser_at(&self, url: &str, voice: Voice) -> Result<Browser> {
        let options = BrowserOptions::new(web_folder(), self.speech.file(voice, SPEECH_LENGTH)?);
        let mut browser = Browser::launch(&options).await?;
        browser.open(url).await?;
        Ok(browser)
    }

    /// The same in Element Call's lobby, in a window that is wide enough for its grid.
    pub(crate) async fn element_call(&self, page: &PageServer, name: &str, voice: Voice) -> Result<Browser> {
        let mut options = BrowserOptions::new(web_folder(), self.speech.file(voice, SPEECH_LENGTH)?);
        options.viewport = (1600, 900);
        let mut browser = Browser::launch(&options).await?;
        let url = format!("{}/element-call.html?record=1&name={name}", page.url());
        browser.open_element_call(&url).await?;
        Ok(browser)
    }

    /// Notes and prints the outcome of a check.
    pub(crate) fn check(&mut self, what: &str, passed: bool, figure: impl Display) {
        print(&format!(
            "{} {what}: {figure}",
            if passed { "  ok  " } else { "  FAIL" }
        ));
        self.checks.push(passed);
    }

    pub(crate) fn take_checks(&mut self) -> Vec<bool> {
        std::mem::take(&mut self.checks)
    }

    /// Gives up the stack, so that a scenario that failed does not break the next one, and shows what the bridges said.
    pub(crate) async fn after_failure(&mut self) {
        if let Some(stack) = self.stack.take() {
            for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
                print(&bridge.log_tail());
            }
            end(stack)
                .await
                .unwrap_or_else(|error| print(&format!("error: {error:#}")));
        }
    }

    /// Ends the stack; `keep` leaves the folder for a look at it.
    pub(crate) async fn finish(mut self, keep: bool) -> Result<()> {
        if let Some(stack) = self.stack.take() {
            end(stack).await?;
        }
        if keep {
            print(&format!("logs and recordings are in {}", self.folder.keep().display()));
        }
        Ok(())
    }
}

async fn end(stack: Arc<Stack>) -> Result<()> {
    Arc::into_inner(stack)
        .context("a page server still holds the stack")?
        .stop()
        .await
}

/// Prints a figure that is no check.
pub(crate) fn note(what: &str, figure: impl Display) {
    print(&format!("      {what}: {figure}"));
}
