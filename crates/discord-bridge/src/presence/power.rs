//! Whether a room lets the bot show who is in its voice channel.

use bridge_kit::matrix::UserId;
use serde_json::Value;
use signalling::names;

/// The type of the event that says who may do what.
pub(crate) const LEVELS: &str = "m.room.power_levels";

/// What a room is told, and the doctor says.
pub(crate) fn advice(bot: &UserId) -> String {
    format!(
        "give {bot} the power level 50 (moderator), or set the level of {} to 0 in the room's permissions",
        names::MEMBER
    )
}

/// Whether power levels let a user set the state event. Where a room has none, everybody may do everything.
pub(crate) fn suffices(levels: &Value, user: &UserId) -> bool {
    let Some(levels) = levels.as_object() else {
        return true;
    };
    let part = |key: &str, name: &str| levels.get(key)?.get(name).and_then(level);
    let own = |key: &str| levels.get(key).and_then(level);
    let power = part("users", user.as_str())
        .or_else(|| own("users_default"))
        .unwrap_or(0);
    let needed = part("events", names::MEMBER)
        .or_else(|| own("state_default"))
        .unwrap_or(50);
    power >= needed
}

/// Rooms before version 10 may have levels as texts.
fn level(level: &Value) -> Option<i64> {
    level.as_i64().or_else(|| level.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moderators_may_and_everybody_where_the_room_says_so() {
        let bot = <&UserId>::try_from("@bot:hs").unwrap();
        for (levels, may) in [
            (json!({}), false),
            (json!({ "users": { "@bot:hs": 50 } }), true),
            (json!({ "users": { "@bot:hs": "50" } }), true),
            (json!({ "users": { "@bot:hs": 50 }, "state_default": 100 }), false),
            (json!({ "events": { "vdp.member": 0 } }), true),
            (
                json!({ "events": { "vdp.member": 60 }, "users": { "@bot:hs": 50 } }),
                false,
            ),
            (json!({ "users_default": 50 }), true),
            (json!({ "state_default": 0 }), true),
            (Value::Null, true),
        ] {
            assert_eq!(suffices(&levels, bot), may, "{levels}");
        }
    }
}
