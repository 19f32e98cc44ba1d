//! Writes the bridge's own membership.

use std::time::Duration;

use bridge_kit::matrix::{OwnedUserId, RoomId};
use serde_json::{Value, json};

use super::content::Place;
use super::read::{STATE, STICKY};
use crate::matrixrtc::ROOM_SLOT;
use crate::matrixrtc::config::Mode;
use crate::matrixrtc::focus::Focus;

/// The bridge's own membership in the call of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The bridge's bot.
    pub user: OwnedUserId,
    /// Its device.
    pub device: String,
    /// The membership's own id; only sticky memberships have one of their own.
    pub member_id: String,
    /// Where the bridge publishes.
    pub focus: Focus,
    /// When it joined, in milliseconds since 1970; `None` on joining, which is when the event itself is sent.
    pub created_ms: Option<u64>,
    /// How long after that the membership is over, unless it is renewed.
    pub expires: Duration,
}

/// An event to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its type.
    pub kind: &'static str,
    /// Its state key; a sticky event has none.
    pub state_key: Option<String>,
    /// Its content.
    pub content: Value,
}

/// Where the membership of a device goes in a room of this version.
pub fn place(mode: Mode, user: &OwnedUserId, device: &str, member_id: &str, room_version: &str) -> Place {
    match mode {
        Mode::Compatibility => {
            // Other rooms keep keys that start with a user id for events of that user alone, without a suffix.
            let owned = ["org.matrix.msc3757", "org.matrix.msc3779"];
            let bare = owned.iter().any(|version| room_version.starts_with(version));
            let mark = if bare { "" } else { "_" };
            Place::State(format!("{mark}{user}_{device}_m.call"))
        }
        Mode::Matrix2 => Place::Sticky {
            sender: user.clone(),
            key: member_id.to_owned(),
        },
    }
}

/// The event that empties a place: nobody is in the call there any more.
pub fn leave(place: &Place) -> Written {
    written(place, |key| {
        key.map_or_else(|| json!({}), |key| json!({ "msc4354_sticky_key": key }))
    })
}

impl Own {
    /// The event that puts this membership into a place.
    pub fn to_event(&self, place: &Place, room: &RoomId) -> Written {
        written(place, |key| match key {
            None => self.state(room),
            Some(key) => self.sticky(key),
        })
    }

    /// The shape of Element Call's mode "compatibility". Synapse passes over a renewal that says the same again.
    fn state(&self, room: &RoomId) -> Value {
        let mut content = json!({
            "application": "m.call",
            "call_id": "",
            "scope": "m.room",
            "device_id": self.device,
            "membershipID": format!("{}:{}", self.user, self.device),
            "expires": millis(self.expires),
            "m.call.intent": "audio",
            "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
            "foci_preferred": [{
                "type": "livekit", "livekit_service_url": self.focus.as_str(), "livekit_alias": room,
            }],
        });
        if let (Some(created), Some(fields)) = (self.created_ms, content.as_object_mut()) {
            fields.insert("created_ts".into(), json!(created));
        }
        content
    }

    /// The shape of Element Call's mode `matrix_2_0`: transports under the name of Element Call 0.26, and under that of
    /// later matrix-js-sdk.
    fn sticky(&self, key: &str) -> Value {
        let transport = json!({ "type": "livekit", "livekit_service_url": self.focus.as_str() });
        json!({
            "application": { "type": "m.call", "m.call.intent": "audio" },
            "slot_id": ROOM_SLOT,
            "rtc_transports": [transport],
            "transports": { "published": [transport], "can_subscribe": ["livekit"] },
            "member": { "user_id": self.user, "device_id": self.device, "id": self.member_id },
            "versions": [],
            "msc4354_sticky_key": key,
        })
    }
}

fn written(place: &Place, content: impl FnOnce(Option<&str>) -> Value) -> Written {
    match place {
        Place::State(key) => Written {
            kind: STATE,
            state_key: Some(key.clone()),
            content: content(None),
        },
        Place::Sticky { key, .. } => Written {
            kind: STICKY,
            state_key: None,
            content: content(Some(key)),
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
