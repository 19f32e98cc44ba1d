//! `[appservice]`

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::RngCore;
use ruma::{OwnedUserId, UserId};
use serde::Deserialize;
use url::Url;

use super::homeserver::http_only;
use super::{ConfigError, Homeserver, Program, Reader, Secret, SecretSource};

/// How the bridge is registered with the homeserver.
#[derive(Debug, Clone)]
pub struct Appservice {
    /// Id of the registration.
    pub id: String,
    /// Where the bridge listens for the homeserver's transactions.
    pub listen: SocketAddr,
    /// Where the homeserver reaches that.
    pub url: Url,
    /// The bridge's own user.
    pub bot: OwnedUserId,
    /// What the localparts of its ghosts start with.
    pub ghost_prefix: String,
    /// Proves the bridge to the homeserver.
    pub as_token: Secret,
    /// Proves the homeserver to the bridge.
    pub hs_token: Secret,
}

impl Appservice {
    pub(super) fn read(reader: &Reader, homeserver: &Homeserver) -> Result<Self, ConfigError> {
        let raw: Raw = reader.section("appservice")?;
        let as_token = raw.as_token().read()?;
        let hs_token = raw.hs_token().read()?;
        raw.resolve(reader.program(), homeserver, as_token, hs_token)
    }
}

/// Where a token of a registration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The configuration holds it.
    Configured,
    /// It was made up and written to the file that the configuration names.
    Written(PathBuf),
    /// It was made up; the operator must put it into the configuration.
    MadeUp,
}

/// What a registration is made of: settings whose tokens may have been made up for it.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The settings, tokens included.
    pub appservice: Appservice,
    /// Where `as_token` came from.
    pub as_token: TokenOrigin,
    /// Where `hs_token` came from.
    pub hs_token: TokenOrigin,
}

impl Registration {
    /// Reads `[homeserver]` and `[appservice]`, and makes up tokens that are not there.
    ///
    /// A token whose file is configured but absent is written to that file, readable by its owner only, so that
    /// the registration and the configuration agree.
    pub fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let homeserver = Homeserver::read(reader)?;
        let raw: Raw = reader.section("appservice")?;
        let (as_token, as_origin) = configured_or_made_up(&raw.as_token())?;
        let (hs_token, hs_origin) = configured_or_made_up(&raw.hs_token())?;
        Ok(Self {
            appservice: raw.resolve(reader.program(), &homeserver, as_token, hs_token)?,
            as_token: as_origin,
            hs_token: hs_origin,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Option<String>,
    listen: Option<SocketAddr>,
    url: Option<Url>,
    bot: Option<String>,
    ghost_prefix: Option<String>,
    as_token: Option<Secret>,
    as_token_file: Option<PathBuf>,
    hs_token: Option<Secret>,
    hs_token_file: Option<PathBuf>,
}

impl Raw {
    fn as_token(&self) -> SecretSource<'_> {
        SecretSource::new("appservice.as_token", &self.as_token, &self.as_token_file)
    }

    fn hs_token(&self) -> SecretSource<'_> {
        SecretSource::new("appservice.hs_token", &self.hs_token, &self.hs_token_file)
    }

    fn resolve(
        self,
        program: &Program,
        homeserver: &Homeserver,
        as_token: Secret,
        hs_token: Secret,
    ) -> Result<Appservice, ConfigError> {
        if as_token == hs_token {
            return Err(ConfigError::invalid(
                "appservice.hs_token",
                "the same as as_token; use two different tokens",
            ));
        }
        let listen = self
            .listen
            .unwrap_or_else(|| Program::loopback(program.appservice_port));
        Ok(Appservice {
            id: self.id.unwrap_or_else(|| program.name.to_owned()),
            url: reachable(self.url, listen)?,
            listen,
            bot: bot_id(self.bot.as_deref().unwrap_or(program.bot), homeserver)?,
            ghost_prefix: ghost_prefix(self.ghost_prefix.as_deref().unwrap_or(program.ghost_prefix))?,
            as_token,
            hs_token,
        })
    }
}

fn reachable(url: Option<Url>, listen: SocketAddr) -> Result<Url, ConfigError> {
    const KEY: &str = "appservice.url";
    let url = match url {
        Some(url) => url,
        None if listen.ip().is_unspecified() => {
            return Err(ConfigError::invalid(
                KEY,
                "missing; with this listen address, say where the homeserver reaches the bridge",
            ));
        }
        None => Url::parse(&format!("http://{listen}")).map_err(|error| ConfigError::invalid(KEY, error))?,
    };
    http_only(KEY, &url)?;
    Ok(url)
}

fn bot_id(localpart: &str, homeserver: &Homeserver) -> Result<OwnedUserId, ConfigError> {
    check_localpart("appservice.bot", localpart)?;
    UserId::parse_with_server_name(localpart, &homeserver.name)
        .map_err(|error| ConfigError::invalid("appservice.bot", error))
}

/// An empty prefix would claim every user of the homeserver.
fn ghost_prefix(prefix: &str) -> Result<String, ConfigError> {
    check_localpart("appservice.ghost_prefix", prefix)?;
    Ok(prefix.to_owned())
}

fn check_localpart(key: &str, text: &str) -> Result<(), ConfigError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._=-/+".contains(c);
    if !text.is_empty() && text.chars().all(allowed) {
        return Ok(());
    }
    let problem = format!("`{text}` is not (part of) a localpart; use lower-case letters, digits and ._=-/+ only");
    Err(ConfigError::invalid(key, problem))
}

fn configured_or_made_up(source: &SecretSource<'_>) -> Result<(Secret, TokenOrigin), ConfigError> {
    if source.is_absent() {
        return Ok((made_up(), TokenOrigin::MadeUp));
    }
    match source.missing_file() {
        None => Ok((source.read()?, TokenOrigin::Configured)),
        Some(path) => {
            let token = made_up();
            write_private(path, token.expose()).map_err(|error| {
                ConfigError::invalid(
                    format!("{}_file", source.key()),
                    format!("cannot write {}: {error}", path.display()),
                )
            })?;
            Ok((token, TokenOrigin::Written(path.to_owned())))
        }
    }
}

/// 256 random bits in hexadecimal digits.
fn made_up() -> Secret {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Secret::new(
        digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect::<String>(),
    )
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}
