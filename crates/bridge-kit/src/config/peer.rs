//! `[peer]`

use ruma::{OwnedRoomAliasId, OwnedUserId, RoomAliasId};
use serde::Deserialize;

use super::{ConfigError, Homeserver, Reader, Role};

/// Localpart of the control room's alias where none is configured.
const CONTROL_ALIAS: &str = "_vdp_control";

const ALIAS_KEY: &str = "peer.control_alias";

/// The other bridge: the root of trust for signalling.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its bot. Signalling from anybody else is ignored.
    pub user_id: OwnedUserId,
    /// The alias under which the control room is found; it is made by the voice side, in its own namespace.
    pub control_alias: OwnedRoomAliasId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    user_id: OwnedUserId,
    control_alias: Option<OwnedRoomAliasId>,
}

impl Peer {
    pub(super) fn read(reader: &Reader, homeserver: &Homeserver) -> Result<Self, ConfigError> {
        let Raw { user_id, control_alias } = reader.section("peer")?;
        let server = match reader.program().role {
            Role::Asks => &homeserver.name,
            Role::Answers => user_id.server_name(),
        };
        let control_alias = match control_alias {
            Some(alias) => alias,
            None => RoomAliasId::parse(format!("#{CONTROL_ALIAS}:{server}"))
                .map_err(|error| ConfigError::invalid(ALIAS_KEY, error))?,
        };
        let foreign = control_alias.server_name() != homeserver.name;
        if reader.program().role == Role::Asks && foreign {
            return Err(ConfigError::invalid(
                ALIAS_KEY,
                format!(
                    "`{control_alias}` is on another server; only an alias of {} can be reserved for this bridge",
                    homeserver.name
                ),
            ));
        }
        Ok(Self { user_id, control_alias })
    }

    /// Reads the alias of the control room, for the registration that reserves it.
    pub(crate) fn control_alias(reader: &Reader) -> Result<OwnedRoomAliasId, ConfigError> {
        Ok(Self::read(reader, &Homeserver::read(reader)?)?.control_alias)
    }
}
