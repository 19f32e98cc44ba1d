//! Events of rooms, as far as a bridge looks into them.

use std::time::Duration;

use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomId};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

/// An event of a room: from a transaction, from the timeline, or from the state.
#[derive(Debug, Clone)]
pub struct RoomEvent {
    /// The room.
    pub room_id: OwnedRoomId,
    /// The event's own id.
    pub event_id: OwnedEventId,
    /// Who sent it.
    pub sender: OwnedUserId,
    /// Its type, such as `m.room.member`.
    pub kind: String,
    /// Present in state events only.
    pub state_key: Option<String>,
    /// Its content, not looked into.
    pub content: Value,
    /// The sending server's clock, in milliseconds since 1970. Anybody can set it to anything.
    pub origin_server_ts: u64,
    /// How old our homeserver said it was when it gave it to us, in milliseconds.
    pub age_ms: Option<u64>,
    /// When it reached us.
    pub received: Instant,
}

#[derive(Deserialize)]
struct Raw {
    room_id: Option<OwnedRoomId>,
    event_id: OwnedEventId,
    sender: OwnedUserId,
    #[serde(rename = "type")]
    kind: String,
    state_key: Option<String>,
    content: Value,
    #[serde(default)]
    origin_server_ts: u64,
    #[serde(default)]
    unsigned: Unsigned,
}

#[derive(Default, Deserialize)]
struct Unsigned {
    age: Option<i64>,
}

impl RoomEvent {
    /// Reads an event; `room` stands in where the event does not name its room, as in answers about one room.
    pub(crate) fn from_json(json: Value, room: Option<&RoomId>) -> Result<Self, serde_json::Error> {
        // serde would read an array as an object whose keys are left out.
        if !json.is_object() {
            return Err(serde::de::Error::custom("an event is an object"));
        }
        let raw = Raw::deserialize(json)?;
        let room_id = raw.room_id.or_else(|| room.map(ToOwned::to_owned));
        Ok(Self {
            room_id: room_id.ok_or_else(|| serde::de::Error::missing_field("room_id"))?,
            event_id: raw.event_id,
            sender: raw.sender,
            kind: raw.kind,
            state_key: raw.state_key,
            content: raw.content,
            origin_server_ts: raw.origin_server_ts,
            // A server whose clock was set back counts below zero.
            age_ms: raw.unsigned.age.map(|age| u64::try_from(age).unwrap_or_default()),
            received: Instant::now(),
        })
    }

    /// How old the event is now: its age when it came, and the time since.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms.unwrap_or_default()) + self.received.elapsed()
    }

    /// For an event that says who is in the room: the user it is about, and `join`, `invite`, `leave`, …
    pub fn membership(&self) -> Option<(&str, &str)> {
        if self.kind != "m.room.member" {
            return None;
        }
        Some((self.state_key.as_deref()?, self.content.get("membership")?.as_str()?))
    }
}
