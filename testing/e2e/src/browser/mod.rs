//! People in browsers: each a Chromium of its own, with a microphone that plays a file.
//!
//! A small Node.js program (`testing/web/driver.mjs`) drives Chromium through Playwright; this end speaks JSON lines with
//! it. Every wait is bounded and says what it waited for. When a [`Browser`] is dropped, its program finds its standard
//! input closed, ends Chromium and itself; the same happens when this process dies.

mod element_call;
pub mod page;
mod standin;
#[cfg(test)]
mod tests;

use crate::audio::{Anchor, Audio, AudioError, Clock, Recording};
use crate::program::{Program, ProgramError};
pub use element_call::{CHOOSE as CHOOSE_ELEMENT_CALL, ElementCallPage, Tile};
pub use page::{AUDIBLE, Agreed, CallState, PageMember, PageState, SpeakerChange};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
pub use standin::{ShownMember, StandinPage};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How long a page may take to load, log in and synchronise.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long an offer in a call may take to be answered and to have its effect.
const AGREED_WITHIN: Duration = Duration::from_secs(15);
/// How often the page is asked while something is waited for.
const POLL: Duration = Duration::from_millis(100);

/// Why a browser did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The driver did not do what was asked.
    #[error(transparent)]
    Driver(#[from] ProgramError),
    /// The page shows an error.
    #[error("the browser could not {what}: {reason}")]
    Refused {
        /// What was asked.
        what: String,
        /// What it said.
        reason: String,
    },
    /// Something did not come about in time, or can no more.
    #[error("waited {waited:?} for {what}; the page is at {state}")]
    Wait {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// What the page showed at last.
        state: String,
    },
    /// A recording cannot be read.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

/// How to start a browser.
#[derive(Clone, Debug)]
pub struct BrowserOptions {
    /// The directory `testing/web`, with its packages installed.
    pub web: PathBuf,
    /// What the microphone hears: a WAV file that is longer than the run, since it is played in a loop.
    pub microphone: PathBuf,
    /// The size of the window, in CSS pixels.
    pub viewport: (u32, u32),
}

impl BrowserOptions {
    /// A desktop window.
    pub fn new(web: impl Into<PathBuf>, microphone: impl Into<PathBuf>) -> Self {
        Self {
            web: web.into(),
            microphone: microphone.into(),
            viewport: (1280, 800),
        }
    }
}

/// What a page recorded of a call: both by one clock.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// What went into the microphone, as the browser sent it.
    pub microphone: Recording,
    /// What came from the other side.
    pub remote: Recording,
}

/// One person's browser, with one page.
#[derive(Debug)]
pub struct Browser {
    driver: Program,
}

impl Browser {
    /// Starts Chromium.
    pub async fn launch(options: &BrowserOptions) -> Result<Self, BrowserError> {
        let mut command = Command::new("node");
        command.arg(options.web.join("driver.mjs"));
        let mut driver = Program::start("the browser", command)?;
        let (width, height) = options.viewport;
        let how = json!({ "microphone": options.microphone, "width": width, "height": height });
        driver.ask("start Chromium", "launch", how).await?;
        Ok(Self { driver })
    }

    /// Opens a page and waits until one can call from it. What the page itself shows as an error is the error.
    pub async fn open(&mut self, url: &str) -> Result<(), BrowserError> {
        self.driver
            .ask(&format!("open {url}"), "open", json!({ "url": url }))
            .await?;
        let settled = |page: &PageState| page.ready || page.error.is_some();
        let page = self.wait_until("the page to be ready", OPEN_WITHIN, settled).await?;
        let what = || format!("open {url}");
        page.error
            .map_or(Ok(()), |reason| Err(BrowserError::Refused { what: what(), reason }))
    }

    /// Clicks Call.
    pub async fn call(&mut self) -> Result<(), BrowserError> {
        self.click("#call").await
    }

    /// Clicks Hang up.
    pub async fn hang_up(&mut self) -> Result<(), BrowserError> {
        self.click("#hang-up").await
    }

    /// Clicks Mute (or Unmute), unless it is so already.
    pub async fn set_muted(&mut self, muted: bool) -> Result<(), BrowserError> {
        if self.state().await?.muted == muted {
            return Ok(());
        }
        self.click("#mute").await?;
        let within = Duration::from_secs(5);
        self.wait_until("the microphone to be switched", within, |page| page.muted == muted)
            .await
            .map(drop)
    }

    /// Puts the other side on hold, or goes on.
    pub async fn set_on_hold(&mut self, on_hold: bool) -> Result<(), BrowserError> {
        let how = json!({ "on_hold": on_hold });
        self.driver.ask("put the call on hold", "set_on_hold", how).await?;
        Ok(())
    }

    /// Waits until both ends have agreed that the other side is on hold, or is not.
    pub async fn wait_held(&mut self, on_hold: bool) -> Result<(), BrowserError> {
        let direction = if on_hold { "sendonly" } else { "sendrecv" };
        let what = format!("both ends to agree on {direction}");
        self.wait_agreed(&what, |agreed| agreed.direction.as_deref() == Some(direction))
            .await
            .map(drop)
    }

    /// Has ICE look for another way, and waits until both ends have one.
    pub async fn restart_ice(&mut self) -> Result<(), BrowserError> {
        let before = self.wait_agreed("the last offer to be answered", |_| true).await?;
        self.driver.ask("restart ICE", "restart_ice", json!({})).await?;
        self.wait_agreed("another way to the other end", |agreed| {
            agreed.ice_user != before.ice_user && ["connected", "completed"].contains(&agreed.ice_state.as_str())
        })
        .await
        .map(drop)
    }

    async fn wait_agreed(&mut self, what: &str, is_so: impl Fn(&Agreed) -> bool) -> Result<Agreed, BrowserError> {
        let agreed = |page: &PageState| page.agreed.as_ref().is_some_and(&is_so);
        let page = self.wait_until(what, AGREED_WITHIN, agreed).await?;
        let nothing = || wait_error(what, AGREED_WITHIN, &page);
        page.agreed.clone().ok_or_else(nothing)
    }

    /// Waits for a state of the call. Fails at once when the call has ended or failed instead.
    pub async fn wait_for(&mut self, state: CallState, within: Duration) -> Result<(), BrowserError> {
        let what = format!("the call to be {state:?}");
        let settled = |page: &PageState| page.call == state || page.call.is_over();
        let page = self.wait_until(&what, within, settled).await?;
        if page.call == state {
            Ok(())
        } else {
            Err(wait_error(&what, within, &page))
        }
    }

    /// Waits until the page's state is as wanted, and gives that state. `what` completes "waited for …".
    pub async fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&PageState) -> bool,
    ) -> Result<PageState, BrowserError> {
        self.wait_for_page(what, within, is_so).await
    }

    /// The same for any page that tells its state.
    async fn wait_for_page<P: DeserializeOwned + fmt::Display>(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&P) -> bool,
    ) -> Result<P, BrowserError> {
        let started = Instant::now();
        loop {
            let page = self.page_state().await?;
            if is_so(&page) {
                return Ok(page);
            }
            if started.elapsed() >= within {
                return Err(wait_error(what, within, &page));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What the page shows, and hears, now.
    pub async fn state(&mut self) -> Result<PageState, BrowserError> {
        self.page_state().await
    }

    async fn page_state<P: DeserializeOwned>(&mut self) -> Result<P, BrowserError> {
        Ok(self.driver.ask_for("tell its state", "state", json!({})).await?)
    }

    /// What was recorded since Call was clicked. The page has to be opened with `record=1`.
    pub async fn recordings(&mut self) -> Result<Recordings, BrowserError> {
        self.recordings_beside(None).await
    }

    /// The same with one member of a call as the other side, since he was heard first.
    pub async fn recordings_with(&mut self, member: &PageMember) -> Result<Recordings, BrowserError> {
        self.recordings_beside(Some(&member.key)).await
    }

    async fn recordings_beside(&mut self, other: Option<&str>) -> Result<Recordings, BrowserError> {
        let folder = tempfile::tempdir().map_err(|source| AudioError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let what = json!({ "folder": folder.path(), "other": other });
        let Recorded { anchors } = self.driver.ask_for("give its recordings", "recordings", what).await?;
        let clock = Clock::from_anchors(anchors)?;
        let load = |name: &str| Audio::load(&folder.path().join(name));
        Ok(Recordings {
            microphone: Recording::new(load("microphone.wav")?, clock.clone()),
            remote: Recording::new(load("remote.wav")?, clock),
        })
    }

    /// All text that is to be seen.
    pub async fn text(&mut self) -> Result<String, BrowserError> {
        Ok(self.driver.ask_for("tell its text", "text", json!({})).await?)
    }

    /// Saves a picture of the whole page (PNG).
    pub async fn screenshot(&mut self, path: &Path) -> Result<(), BrowserError> {
        self.driver
            .ask("take a picture", "screenshot", json!({ "path": path }))
            .await?;
        Ok(())
    }

    /// Errors that the browser's console has shown since the start, and exceptions that nobody caught.
    pub async fn console_errors(&mut self) -> Result<Vec<String>, BrowserError> {
        let question = self
            .driver
            .ask_for("tell the console's errors", "console_errors", json!({}));
        Ok(question.await?)
    }

    /// Ends Chromium and its driver, and waits for that.
    pub async fn close(self) -> Result<(), BrowserError> {
        Ok(self.driver.close().await?)
    }

    /// Clicks a link and waits for the page behind it.
    pub async fn follow(&mut self, selector: &str) -> Result<(), BrowserError> {
        let what = format!("follow {selector}");
        let link = json!({ "selector": selector });
        self.driver.ask(&what, "follow", link).await?;
        Ok(())
    }

    /// Clicks what a selector of Playwright finds.
    pub async fn click(&mut self, selector: &str) -> Result<(), BrowserError> {
        self.driver
            .ask(&format!("click {selector}"), "click", json!({ "selector": selector }))
            .await?;
        Ok(())
    }
}

fn wait_error(what: &str, waited: Duration, page: &impl fmt::Display) -> BrowserError {
    BrowserError::Wait {
        what: what.to_owned(),
        waited,
        state: page.to_string(),
    }
}

#[derive(Deserialize)]
struct Recorded {
    anchors: Vec<Anchor>,
}
