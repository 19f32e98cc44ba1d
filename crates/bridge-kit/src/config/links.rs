//! `[links]`

use std::collections::BTreeMap;

use ruma::OwnedRoomId;
use serde::{Deserialize, Deserializer, de};

use super::{ConfigError, Homeserver, Pattern, Reader};

/// Which rooms are bridged, and whose word counts for it.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// Whose link and bridge events count. Nobody's by default: anybody may set state in a room of his own.
    pub trusted_bridges: Vec<Pattern>,
    /// Whose invitations the bot accepts, beside its peer's.
    pub invite_from: Vec<Pattern>,
    /// Rooms that are bridged by configuration.
    pub rooms: BTreeMap<OwnedRoomId, RoomTarget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    trusted_bridges: Vec<Pattern>,
    invite_from: Option<Vec<Pattern>>,
    #[serde(default)]
    rooms: BTreeMap<OwnedRoomId, RoomTarget>,
}

impl Links {
    pub(super) fn read(reader: &Reader, homeserver: &Homeserver) -> Result<Self, ConfigError> {
        let Raw {
            trusted_bridges,
            invite_from,
            rooms,
        } = reader.section("links")?;
        let invite_from = invite_from.unwrap_or_else(|| vec![Pattern::everybody_of(homeserver.name.as_str())]);
        Ok(Self {
            trusted_bridges,
            invite_from,
            rooms,
        })
    }
}

/// What a room is bridged to: `"protocol/network/channel"`. The ids mean something to that protocol's bridge only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTarget {
    /// The protocol, such as `discord`.
    pub protocol: String,
    /// The network within it (for Discord, the guild).
    pub network_id: String,
    /// The voice channel.
    pub channel_id: String,
}

impl RoomTarget {
    /// Reads `protocol/network/channel`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (protocol, network, channel) = (parts.next()?, parts.next()?, parts.next()?);
        let complete = parts.next().is_none() && ![protocol, network, channel].contains(&"");
        complete.then(|| Self {
            protocol: protocol.to_owned(),
            network_id: network.to_owned(),
            channel_id: channel.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for RoomTarget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{text}` names no channel; write \"protocol/network/channel\"")))
    }
}
