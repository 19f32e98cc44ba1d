//! The page of the local Discord in a browser.

use super::{Browser, BrowserError, OPEN_WITHIN};
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// What the page shows and hears.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StandinPage {
    /// Whether it knows the guild, and has come in under the name that its address gives.
    pub ready: bool,
    /// What went wrong last.
    pub error: Option<String>,
    /// Who it is.
    pub name: Option<String>,
    /// The voice channel that this person is in.
    pub channel: Option<String>,
    /// Whether that channel is heard in the page.
    pub listening: bool,
    /// Whether the microphone is open.
    pub talking: bool,
    /// The loudest level (RMS, 0 to 1) of the microphone in the last second.
    pub microphone_level: f64,
    /// The loudest level (RMS, 0 to 1) of the others in the last second.
    pub heard_level: f64,
    /// Heard frames that could not be decoded.
    pub undecoded: u64,
    /// Everyone in a voice channel, as drawn.
    pub members: Vec<ShownMember>,
}

/// A member of a voice channel, as the page draws him.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ShownMember {
    /// What he is called.
    pub name: String,
    /// In which channel.
    pub channel: String,
    /// Whether his ring is lit.
    pub speaking: bool,
    /// Words for the encryption of his channel.
    pub encryption: Vec<String>,
    /// Words for mute, deaf and the like.
    pub marks: Vec<String>,
}

impl StandinPage {
    /// A member by name.
    pub fn member(&self, name: &str) -> Option<&ShownMember> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Whether a member's ring is lit.
    pub fn rings(&self, name: &str) -> bool {
        self.member(name).is_some_and(|member| member.speaking)
    }

    /// Whether a member is marked with these words.
    pub fn marks(&self, name: &str, words: &str) -> bool {
        self.member(name)
            .is_some_and(|member| member.marks.iter().any(|mark| mark == words))
    }
}

impl fmt::Display for StandinPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.members.iter().map(ToString::to_string).collect();
        f.write_str(&members.join(", "))?;
        if let Some(error) = &self.error {
            write!(f, "; error: {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ShownMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.name, self.channel)?;
        if self.speaking {
            f.write_str(" speaking")?;
        }
        if !self.marks.is_empty() {
            write!(f, " ({})", self.marks.join(", "))?;
        }
        Ok(())
    }
}

impl Browser {
    /// Opens the page and waits until it knows the guild. What the page itself shows as an error is the error.
    pub async fn open_standin(&mut self, url: &str) -> Result<(), BrowserError> {
        let what = format!("open {url}");
        self.driver.ask(&what, "open", json!({ "url": url })).await?;
        let settled = |page: &StandinPage| page.ready || page.error.is_some();
        let page = self.standin_until("the page to be ready", OPEN_WITHIN, settled).await?;
        page.error
            .map_or(Ok(()), |reason| Err(BrowserError::Refused { what, reason }))
    }

    /// Waits until the page is as wanted, and gives that state. `what` completes "waited for …".
    pub async fn standin_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&StandinPage) -> bool,
    ) -> Result<StandinPage, BrowserError> {
        self.wait_for_page(what, within, is_so).await
    }
}
