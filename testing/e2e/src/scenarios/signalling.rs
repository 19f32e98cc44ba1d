//! What the two bridges say to each other in the control room, and who they are there.

use crate::stack::{Bridge, Person, Stack, wait_for};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the control room is to be found, unless the configuration says otherwise.
pub(crate) const CONTROL_ALIAS: &str = "#_vdp_control:localhost";
/// How much of the control room's timeline is read.
const LATEST: usize = 100;

/// The control room as the voice bridge sees it, which made it.
pub(crate) struct ControlRoom {
    /// The voice bridge's own account.
    pub(crate) asker: Person,
    /// The id of the room.
    pub(crate) id: String,
}

impl ControlRoom {
    /// The room under the alias.
    pub(crate) async fn of(stack: &Stack) -> Result<Self> {
        let asker = bot(stack, &stack.voice_bridge, &stack.voice_bot())?;
        let id = asker.room_of_alias(CONTROL_ALIAS).await?;
        Ok(Self { asker, id })
    }

    /// The events of a type that are about a room, the latest first.
    pub(crate) async fn events(&self, kind: &str, room: &str) -> Result<Vec<Value>> {
        let events = self.asker.latest(&self.id, LATEST).await?.into_iter();
        let about = |event: &Value| event["type"] == kind && event["content"]["room_id"] == room;
        Ok(events.filter(about).collect())
    }

    /// Waits for the first event of a type about a room, and gives its latest.
    pub(crate) async fn said(&self, kind: &str, room: &str, within: Duration) -> Result<Value> {
        wait_for(&format!("{kind} in the control room"), within, || async {
            Ok(self.events(kind, room).await?.into_iter().next())
        })
        .await
    }

    /// The rooms whose channel is recorded as open, each with the record.
    pub(crate) async fn open_channels(&self) -> Result<BTreeMap<String, Value>> {
        let state = self.asker.state(&self.id).await?.into_iter();
        let records = state.filter(|event| event["type"] == "vdp.channel");
        let open = records.filter(|event| event["content"].as_object().is_some_and(|content| !content.is_empty()));
        Ok(open
            .filter_map(|event| Some((event["state_key"].as_str()?.to_owned(), event["content"].clone())))
            .collect())
    }

    /// Asks for a room's channel with the voice bridge's own account, where the bridge itself sees no reason to.
    pub(crate) async fn request(&self, room: &str) -> Result<()> {
        let transaction = format!("asked-for-{}", crate::audio::unix_ms());
        let request = json!({
            "version": 1, "format": "sealed-opus-chacha20poly1305", "room_id": room, "transaction_id": transaction,
        });
        self.asker.send(&self.id, "vdp.channel.request", request).await
    }
}

/// A bridge's own account, to do in its name what it would not do.
pub(crate) fn bot(stack: &Stack, bridge: &Bridge, user_id: &str) -> Result<Person> {
    let token = std::fs::read_to_string(stack.folder.join(bridge.name()).join("as_token"))?;
    Ok(Person::with_token(&stack.synapse.url, user_id, token.trim()))
}
