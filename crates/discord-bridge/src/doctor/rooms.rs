//! Whether the rooms let the bot show who is in their voice channels.

use bridge_kit::config::Config;
use bridge_kit::doctor::Finding;
use bridge_kit::matrix::{Links, MatrixClient, MatrixError, OwnedRoomId};
use serde_json::Value;

use crate::config::{Own, Show};
use crate::presence::power::{self, LEVELS};

/// How many rooms are looked at.
const MOST: usize = 200;

/// The linked rooms that do not let the bot show anybody; none where the homeserver did not say, of which another part of the
/// doctor tells, or where nobody is to be shown.
pub(super) async fn ask(config: &Config<Own>) -> Option<Vec<OwnedRoomId>> {
    if config.own.people.show != Show::State {
        return None;
    }
    powerless(config).await.ok()
}

async fn powerless(config: &Config<Own>) -> Result<Vec<OwnedRoomId>, MatrixError> {
    let matrix = MatrixClient::new(&config.homeserver, &config.appservice)?.impatient();
    let links = Links::new(matrix.clone(), config.links.clone());
    let mut powerless = Vec::new();
    for room in matrix.joined_rooms().await?.into_iter().take(MOST) {
        if links.resolve(&room).await?.is_none() {
            continue;
        }
        let levels = matrix.state_event(&room, LEVELS, "").await?;
        let levels = levels.map_or(Value::Null, |event| event.content);
        if !power::suffices(&levels, matrix.bot()) {
            powerless.push(room);
        }
    }
    Ok(powerless)
}

/// What the answer means.
pub(super) fn finding(config: &Config<Own>, powerless: &[OwnedRoomId]) -> Finding {
    match powerless {
        [] => Finding::fine("people.show: every linked room lets the bot show who is in its voice channel"),
        [first, ..] => Finding::note(
            format!(
                "people.show: {} linked rooms do not let the bot show who is in their voice channels, such as {first}",
                powerless.len()
            ),
            format!(
                "in each, {}; or set people.show to \"notices\" or \"off\"",
                power::advice(&config.appservice.bot)
            ),
        ),
    }
}
