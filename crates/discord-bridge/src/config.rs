//! The `[discord]` section.

use std::num::NonZeroU64;
use std::path::PathBuf;

use bridge_kit::config::{ConfigError, Reader, Secret, SecretSource, Sections};
use serde::Deserialize;
use url::Url;

/// The sections that only this bridge has.
#[derive(Debug, Clone)]
pub struct Own {
    /// `[discord]`.
    pub discord: Discord,
    /// `[people]`.
    pub people: People,
}

/// `[people]`: how rooms show who is in their voice channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct People {
    /// In which way.
    pub show: Show,
    /// Whether bots count as people who listen.
    pub bots_listen: bool,
    /// Whether a voice channel's status names who is in the Matrix call.
    pub status: bool,
}

/// How a room shows who is in its voice channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Show {
    /// By a state event for each.
    #[default]
    State,
    /// By notices that people read.
    Notices,
    /// Not at all.
    Off,
}

/// `[discord]`: which bot it is and how it behaves there.
#[derive(Debug, Clone)]
pub struct Discord {
    /// Token of the bot.
    pub token: Secret,
    /// Where Discord's API is; `None` for Discord itself.
    pub api: Option<ApiBase>,
    /// Where Discord's pictures are.
    pub pictures: Url,
    /// Whether a voice channel's chat is told who hears it.
    pub announce: bool,
    /// Voice channels that are joined at once, at most.
    pub max_channels: usize,
    /// Users who are never bridged.
    pub ignore_users: Vec<NonZeroU64>,
    /// Bots that bridge voice channels too: never bridged, and a channel that one of them is in is not joined.
    pub known_bridges: Vec<NonZeroU64>,
    /// Whether other bots (music, soundboards) are bridged.
    pub bridge_bots: bool,
}

/// The address of something that stands in for `https://discord.com`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiBase(String);

impl ApiBase {
    /// Checks an address.
    ///
    /// # Errors
    /// It must be `http` or `https` and have a host, and nothing after it.
    pub fn new(address: &Url) -> Result<Self, &'static str> {
        if !matches!(address.scheme(), "http" | "https") || address.host().is_none() {
            return Err("must be an http:// or https:// address");
        }
        if address.path() != "/" || address.query().is_some() || address.fragment().is_some() {
            return Err("must be an address without a path, such as http://127.0.0.1:8080");
        }
        Ok(Self(address.as_str().trim_end_matches('/').to_owned()))
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where Discord's pictures are.
const PICTURES: &str = "https://cdn.discordapp.com";

/// The section as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    api_base: Option<Url>,
    picture_base: Option<Url>,
    announce: bool,
    max_channels: usize,
    ignore_users: Vec<Snowflake>,
    known_bridges: Vec<Snowflake>,
    bridge_bots: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            api_base: None,
            picture_base: None,
            announce: true,
            max_channels: 100,
            ignore_users: Vec::new(),
            known_bridges: Vec::new(),
            bridge_bots: true,
        }
    }
}

/// A Discord id, in quotes as Discord's own interfaces have it, or as a number.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Snowflake {
    Number(u64),
    Text(String),
}

impl Snowflake {
    fn id(&self) -> Option<NonZeroU64> {
        match self {
            Self::Number(number) => NonZeroU64::new(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl Sections for Own {
    const NAMES: &'static [&'static str] = &["discord", "people"];
    const EXAMPLE: &'static str = include_str!("config.toml");

    fn read(reader: &Reader) -> Result<Self, ConfigError> {
        Ok(Self {
            discord: reader.section::<Written>("discord")?.check()?,
            people: reader.section("people")?,
        })
    }
}

impl Written {
    fn check(self) -> Result<Discord, ConfigError> {
        let token = SecretSource::new("discord.token", &self.token, &self.token_file).read()?;
        let api = self.api_base.as_ref().map(ApiBase::new).transpose();
        let pictures = self.picture_base.as_ref().map(ApiBase::new).transpose();
        let pictures = pictures.map_err(|problem| ConfigError::invalid("discord.picture_base", problem))?;
        let pictures = pictures.as_ref().map_or(PICTURES, ApiBase::as_str);
        if self.max_channels == 0 {
            return Err(ConfigError::invalid("discord.max_channels", "must be at least 1"));
        }
        Ok(Discord {
            token,
            api: api.map_err(|problem| ConfigError::invalid("discord.api_base", problem))?,
            pictures: Url::parse(pictures).map_err(|error| ConfigError::invalid("discord.picture_base", error))?,
            announce: self.announce,
            max_channels: self.max_channels,
            ignore_users: ids("discord.ignore_users", &self.ignore_users)?,
            known_bridges: ids("discord.known_bridges", &self.known_bridges)?,
            bridge_bots: self.bridge_bots,
        })
    }
}

fn ids(key: &str, written: &[Snowflake]) -> Result<Vec<NonZeroU64>, ConfigError> {
    let id = |snowflake: &Snowflake| {
        snowflake
            .id()
            .ok_or_else(|| ConfigError::invalid(key, "must be a list of user ids, such as [\"80351110224678912\"]"))
    };
    written.iter().map(id).collect()
}

#[cfg(test)]
mod tests;
