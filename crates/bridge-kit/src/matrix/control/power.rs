//! Power levels of the control room.

use ruma::UserId;
use serde_json::{Map, Value, json};
use signalling::names;

/// The type of the event that holds them.
pub(super) const POWER: &str = "m.room.power_levels";

/// The levels of a new control room. Nobody needs power for signalling; nobody but the creator has any. The creator
/// is not listed: in room version 12 he must not be, and before it homeservers add him.
pub(super) fn power_levels() -> Value {
    json!({
        "events": {
            names::CHANNEL: 0,
            POWER: 100,
            "m.room.encryption": 100,
            "m.room.history_visibility": 100,
            "m.room.server_acl": 100,
            super::TOMBSTONE: 100,
        },
        "invite": 100,
    })
}

/// Returns the levels as they should be, where the peer lacks what it needs: to send events, and to record open
/// channels as state, which both bridges do.
pub(super) fn mended(levels: &Value, peer: &UserId) -> Option<Value> {
    let mut levels = levels.as_object().cloned().unwrap_or_default();
    let mut events = part(&levels, "events");
    let power = level(&part(&levels, "users"), peer.as_str())
        .or_else(|| level(&levels, "users_default"))
        .unwrap_or(0);
    let channel = level(&events, names::CHANNEL)
        .or_else(|| level(&levels, "state_default"))
        .unwrap_or(50);
    let timeline = level(&levels, "events_default").unwrap_or(0);
    if power >= channel && power >= timeline {
        return None;
    }
    events.insert(names::CHANNEL.to_owned(), json!(channel.min(power)));
    levels.insert("events_default".to_owned(), json!(timeline.min(power)));
    levels.insert("events".to_owned(), Value::Object(events));
    Some(Value::Object(levels))
}

fn part(levels: &Map<String, Value>, key: &str) -> Map<String, Value> {
    levels.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn level(levels: &Map<String, Value>, key: &str) -> Option<i64> {
    levels.get(key)?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mend(levels: &Value) -> Option<Value> {
        mended(levels, <&UserId>::try_from("@peer:hs").expect("a user"))
    }

    #[test]
    fn a_new_room_needs_no_mending() {
        assert_eq!(mend(&power_levels()), None);
    }

    #[test]
    fn the_peer_gets_what_it_needs_and_the_rest_stays() {
        for damaged in [
            json!({}),
            json!({ "events": { "vdp.channel": 50, "m.room.name": 7 }, "ban": 60 }),
            json!({ "events": { "vdp.channel": 0 }, "events_default": 10 }),
            json!({ "users": { "@peer:hs": -1 }, "events": { "vdp.channel": 0 } }),
            json!({ "users": { "@owner:hs": 100 }, "events": { "vdp.channel": 100 } }),
            json!({ "events": "nonsense" }),
            Value::Null,
        ] {
            let mended = mend(&damaged).unwrap_or_else(|| panic!("{damaged} was left as it was"));
            assert_eq!(mend(&mended), None, "{damaged} became {mended}");
            assert_eq!(mended.get("ban"), damaged.get("ban"));
            assert_eq!(mended.get("users"), damaged.get("users"), "the owner's own power too");
            assert_eq!(
                mended.pointer("/events/m.room.name"),
                damaged.pointer("/events/m.room.name")
            );
        }
    }

    #[test]
    fn a_peer_with_power_of_its_own_needs_no_mending() {
        assert_eq!(mend(&json!({ "users": { "@peer:hs": 50 } })), None);
    }
}
