//! Events and names for tests.

use std::sync::atomic::{AtomicU64, Ordering};

use bridge_kit::matrix::{EventId, OwnedUserId, RoomEvent, RoomId, UserId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Focus;
use crate::matrixrtc::ROOM_SLOT;

pub(crate) const ALICE: &str = "@alice:hs";

pub(crate) fn user(id: &str) -> OwnedUserId {
    UserId::parse(id).expect("a user id")
}

pub(crate) fn focus(address: &str) -> Focus {
    Focus::parse(address).expect("an address")
}

/// An event with an id of its own.
pub(crate) fn event(sender: &str, kind: &str, key: Option<&str>, content: Value, sent_ms: u64) -> RoomEvent {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = format!("$event{}", NEXT.fetch_add(1, Ordering::Relaxed));
    RoomEvent {
        room_id: RoomId::parse("!room:hs").expect("a room id"),
        event_id: EventId::parse(id).expect("an event id"),
        sender: user(sender),
        kind: kind.to_owned(),
        state_key: key.map(ToOwned::to_owned),
        content,
        origin_server_ts: sent_ms,
        age_ms: None,
        received: Instant::now(),
    }
}

/// What Element Call 0.26 sends in its mode `matrix_2_0`, as Alice.
pub(crate) fn sticky(member_id: &str, device: &str, service: &str) -> Value {
    json!({
        "application": { "type": "m.call", "m.call.intent": "audio" },
        "slot_id": ROOM_SLOT,
        "rtc_transports": [{ "type": "livekit", "livekit_service_url": service }],
        "member": { "user_id": ALICE, "device_id": device, "id": member_id },
        "versions": [],
        "msc4354_sticky_key": member_id,
    })
}
