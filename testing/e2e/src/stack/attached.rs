//! A stack that something else has started, and will end.

use super::{Bridge, OPERATOR, Stack, Standin, Synapse};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// Where its parts are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The homeserver's client API.
    pub homeserver: String,
    /// The passwords of its people by their names, the operator's among them.
    pub passwords: BTreeMap<String, String>,
    /// The bridge of the Matrix side.
    pub voice_bridge: BridgePlace,
    /// The bridge of the Discord side.
    pub discord_bridge: BridgePlace,
    /// The control interface of the local Discord, if there is one.
    pub standin: Option<String>,
    /// Why there are no calls of MatrixRTC, where there are none.
    pub rtc_missing: Option<String>,
}

/// Where a bridge is.
#[derive(Clone, Debug)]
pub struct BridgePlace {
    /// The base of `/status` and `/metrics`.
    pub telemetry: String,
    /// Its process, where that is on this machine and to be looked at.
    pub process: Option<u32>,
}

impl Stack {
    /// Attaches to what runs at these places. What is known of it as files is in `folder`.
    pub async fn attach(folder: &Path, places: Places) -> Result<Self> {
        let bridge = |name, place| Bridge::attached(name, folder.join(name), place);
        let voice_bridge = bridge("voice-bridge", &places.voice_bridge);
        let discord_bridge = bridge("discord-bridge", &places.discord_bridge);
        let synapse = Synapse::attached(places.homeserver, places.passwords);
        let operator = synapse.person(OPERATOR).await?;
        let standin = match places.standin {
            Some(control) => Some(Standin::attached(control).await?),
            None => None,
        };
        Ok(Self {
            folder: folder.to_owned(),
            synapse,
            focus: None,
            rtc_missing: places.rtc_missing,
            standin,
            voice_bridge,
            discord_bridge,
            operator,
        })
    }
}
