//! Element Call in a browser, in the frame of a page of ours that is its Matrix client.

use super::{Browser, BrowserError, OPEN_WITHIN};
use crate::browser::CallState;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// The link to Element Call on the page that calls.
pub const CHOOSE: &str = "[data-way=element-call]";
const JOIN: &str = "[data-testid=lobby_joinCall]";
const MUTE: &str = "[data-testid=incall_mute]";
const LEAVE: &str = "[data-testid=incall_leave]";
/// No voice is below this level, RMS.
const SILENCE: f64 = 0.001;
const MUTED_WITHIN: Duration = Duration::from_secs(5);

/// What Element Call shows and plays.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementCallPage {
    /// Whether its lobby is there, from which one joins.
    pub ready: bool,
    /// Why it cannot be shown.
    pub error: Option<String>,
    /// How far the call is, as it tells its client.
    pub call: CallState,
    /// The loudest level (RMS, 0 to 1) of the microphone in the last second.
    pub microphone_level: f64,
    /// The loudest level (RMS, 0 to 1) of the others in the last second.
    pub remote_level: f64,
    /// Everybody who is on screen.
    pub tiles: Vec<Tile>,
    /// What it has told its client, oldest first.
    pub log: Vec<String>,
}

/// Somebody on screen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tile {
    /// What he is called.
    pub name: String,
    /// Whether his ring is lit. There are none in a call of two.
    pub speaking: bool,
}

impl ElementCallPage {
    /// Whether these are on screen and nobody else.
    pub fn shows(&self, names: &[&str]) -> bool {
        let shown = |name: &&str| self.tiles.iter().any(|tile| tile.name == **name);
        self.tiles.len() == names.len() && names.iter().all(shown)
    }

    /// Whether the ring of this one is lit; nothing if he is not on screen.
    pub fn rings(&self, name: &str) -> Option<bool> {
        self.tiles
            .iter()
            .find(|tile| tile.name == name)
            .map(|tile| tile.speaking)
    }
}

impl fmt::Display for ElementCallPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.tiles.iter().map(|tile| tile.name.as_str()).collect();
        write!(f, "call {:?}, on screen {names:?}", self.call)?;
        if let Some(error) = &self.error {
            write!(f, ", error: {error}")?;
        }
        write!(f, "; told: {}", self.log.join(" | "))
    }
}

impl Browser {
    /// Opens Element Call and waits for its lobby. What the page around it shows as an error is the error.
    pub async fn open_element_call(&mut self, url: &str) -> Result<(), BrowserError> {
        let what = format!("open {url}");
        self.driver.ask(&what, "open", json!({ "url": url })).await?;
        self.element_call_is_open(what).await
    }

    /// Chooses Element Call on the page that calls, and waits for its lobby.
    pub async fn choose_element_call(&mut self) -> Result<(), BrowserError> {
        self.follow(CHOOSE).await?;
        self.element_call_is_open("choose Element Call".to_owned()).await
    }

    async fn element_call_is_open(&mut self, what: String) -> Result<(), BrowserError> {
        let settled = |page: &ElementCallPage| page.ready || page.error.is_some();
        let page = self.element_call_until("its lobby", OPEN_WITHIN, settled).await?;
        page.error
            .map_or(Ok(()), |reason| Err(BrowserError::Refused { what, reason }))
    }

    /// Clicks Join call in Element Call's lobby.
    pub async fn join_element_call(&mut self) -> Result<(), BrowserError> {
        self.click_in_frame(JOIN).await
    }

    /// Clicks on the microphone in Element Call, and waits until it is off, or on. It has to be the other way before, and
    /// somebody has to speak into it.
    pub async fn mute_element_call(&mut self, muted: bool) -> Result<(), BrowserError> {
        self.click_in_frame(MUTE).await?;
        let what = if muted {
            "the microphone to be off"
        } else {
            "the microphone to be on"
        };
        let is_so = |page: &ElementCallPage| (page.microphone_level < SILENCE) == muted;
        self.element_call_until(what, MUTED_WITHIN, is_so).await.map(drop)
    }

    /// Clicks Leave in Element Call.
    pub async fn leave_element_call(&mut self) -> Result<(), BrowserError> {
        self.click_in_frame(LEAVE).await
    }

    /// Waits until Element Call is as wanted, and gives that state. `what` completes "waited for …".
    pub async fn element_call_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&ElementCallPage) -> bool,
    ) -> Result<ElementCallPage, BrowserError> {
        self.wait_for_page(what, within, is_so).await
    }

    /// What Element Call shows and plays now.
    pub async fn element_call_state(&mut self) -> Result<ElementCallPage, BrowserError> {
        self.page_state().await
    }

    async fn click_in_frame(&mut self, selector: &str) -> Result<(), BrowserError> {
        let what = format!("click {selector}");
        let where_to = json!({ "selector": selector });
        self.driver.ask(&what, "click_in_frame", where_to).await?;
        Ok(())
    }
}
