//! `[homeserver]`

use ruma::OwnedServerName;
use serde::Deserialize;
use url::Url;

use super::{ConfigError, Reader};

/// The homeserver that the bridge is registered with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Homeserver {
    /// Address of its client-server API, as the bridge reaches it.
    pub url: Url,
    /// Its name: the part after the colon in its users' ids.
    pub name: OwnedServerName,
}

impl Homeserver {
    pub(super) fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let homeserver: Self = reader.section("homeserver")?;
        http_only("homeserver.url", &homeserver.url)?;
        Ok(homeserver)
    }
}

/// Refuses addresses that reqwest could not use, such as `localhost:8008`, which parses as the scheme `localhost`.
pub(super) fn http_only(key: &str, url: &Url) -> Result<(), ConfigError> {
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        return Ok(());
    }
    Err(ConfigError::invalid(
        key,
        format!("`{url}` is no HTTP address; write it as \"http://host:port\""),
    ))
}
