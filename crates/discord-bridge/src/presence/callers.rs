//! Who is in the Matrix call of a room, as the room itself tells.

use std::collections::{BTreeMap, BTreeSet};

use bridge_kit::matrix::{OwnedUserId, RoomEvent, UserId};

/// The state event by which people take part in a call of MatrixRTC.
pub(super) const MEMBERSHIP: &str = "org.matrix.msc3401.call.member";

/// What the events of VoIP calls begin with.
pub(super) const CALL: &str = "m.call.";

/// How long a membership lasts that says nothing of it: 4 h.
const USUAL: u64 = 4 * 60 * 60 * 1_000;

/// Memberships and calls that are known at most; what is beyond is left out.
const MOST: usize = 256;

/// The callers of one room. It is for showing names, and decides nothing: whoever is missing in it is heard all the same.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// By their state keys.
    memberships: BTreeMap<String, Membership>,
    /// VoIP calls by their ids.
    calls: BTreeMap<String, Call>,
}

#[derive(Debug)]
struct Membership {
    user: OwnedUserId,
    /// In milliseconds since 1970.
    ends: u64,
}

#[derive(Debug)]
struct Call {
    user: OwnedUserId,
    answered: bool,
}

impl Callers {
    /// Takes note of an event of the room. `peer` is the bridge that answers its calls.
    pub(super) fn take(&mut self, event: &RoomEvent, peer: &UserId) {
        match (event.kind.as_str(), &event.state_key) {
            (MEMBERSHIP, Some(key)) => self.take_membership(event, key),
            (kind, None) => {
                if let Some(kind) = kind.strip_prefix(CALL) {
                    self.take_call(event, kind, peer);
                }
            }
            _ => {}
        }
    }

    fn take_membership(&mut self, event: &RoomEvent, key: &str) {
        if event.content.get("application").and_then(|value| value.as_str()) != Some("m.call") {
            self.memberships.remove(key);
            return;
        }
        let number = |name: &str| event.content.get(name).and_then(serde_json::Value::as_u64);
        let began = number("created_ts").unwrap_or(event.origin_server_ts);
        let membership = Membership {
            user: event.sender.clone(),
            ends: began.saturating_add(number("expires").unwrap_or(USUAL)),
        };
        if self.memberships.len() < MOST || self.memberships.contains_key(key) {
            self.memberships.insert(key.to_owned(), membership);
        }
    }

    fn take_call(&mut self, event: &RoomEvent, kind: &str, peer: &UserId) {
        let Some(id) = event.content.get("call_id").and_then(|id| id.as_str()) else {
            return;
        };
        match kind {
            "invite" if event.sender != peer && self.calls.len() < MOST => {
                let call = Call {
                    user: event.sender.clone(),
                    answered: false,
                };
                self.calls.insert(id.to_owned(), call);
            }
            "answer" if event.sender == peer => {
                if let Some(call) = self.calls.get_mut(id) {
                    call.answered = true;
                }
            }
            "hangup" | "reject" => {
                let concerned = |call: &Call| event.sender == peer || event.sender == call.user;
                if self.calls.get(id).is_some_and(concerned) {
                    self.calls.remove(id);
                }
            }
            _ => {}
        }
    }

    /// Who is in the call at `now`, in milliseconds since 1970, but for the bridges.
    pub(super) fn present(&self, now: u64, bridges: [&UserId; 2]) -> BTreeSet<OwnedUserId> {
        let memberships = self.memberships.values().filter(|membership| membership.ends > now);
        let members = memberships.map(|membership| &membership.user);
        let callers = self.calls.values().filter(|call| call.answered).map(|call| &call.user);
        let is_person = |user: &&OwnedUserId| !bridges.contains(&user.as_ref());
        members.chain(callers).filter(is_person).cloned().collect()
    }
}

/// The longest status that Discord takes, in characters.
const LONGEST: usize = 500;

/// Callers who are named; of more it is told how many they are.
pub(super) const NAMED: usize = 8;

/// The longest name that is shown, in characters.
const LONGEST_NAME: usize = 32;

/// What a voice channel's status says of so many callers, the first of whom have these names.
pub(super) fn status(names: &[String], callers: usize) -> String {
    let shown = |name: &String| -> String {
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        name.chars().take(LONGEST_NAME).map(plain).collect()
    };
    let listed: Vec<String> = names.iter().take(NAMED).map(shown).collect();
    let text = match callers.saturating_sub(listed.len()) {
        0 => format!("In the Matrix call: {}", listed.join(", ")),
        more => format!("In the Matrix call: {} and {more} more", listed.join(", ")),
    };
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn user(id: &str) -> &UserId {
        <&UserId>::try_from(id).unwrap()
    }

    fn event(kind: &str, sender: &str, state_key: Option<&str>, content: &Value) -> RoomEvent {
        RoomEvent {
            room_id: "!room:hs".try_into().unwrap(),
            event_id: "$event".try_into().unwrap(),
            sender: user(sender).to_owned(),
            kind: kind.to_owned(),
            state_key: state_key.map(str::to_owned),
            content: content.clone(),
            origin_server_ts: 1_000,
            age_ms: None,
            received: tokio::time::Instant::now(),
        }
    }

    fn present(callers: &Callers, now: u64) -> Vec<String> {
        let present = callers.present(now, [user("@voice:hs"), user("@discord:hs")]);
        present.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn members_are_in_the_call_until_they_leave_or_their_time_is_over() {
        let mut callers = Callers::default();
        let mut take = |sender: &str, content: Value| {
            let key = format!("_{sender}_DEVICE_m.call");
            callers.take(&event(MEMBERSHIP, sender, Some(&key), &content), user("@voice:hs"));
        };
        take("@ada:hs", json!({ "application": "m.call", "expires": 500 }));
        take(
            "@bob:hs",
            json!({ "application": "m.call", "created_ts": 2_000, "expires": 500 }),
        );
        take("@cyd:hs", json!({ "application": "m.call" }));
        take("@voice:hs", json!({ "application": "m.call" }));
        take("@dan:hs", json!({ "application": "m.call" }));
        take("@dan:hs", json!({}));
        assert_eq!(present(&callers, 1_400), ["@ada:hs", "@bob:hs", "@cyd:hs"]);
        assert_eq!(present(&callers, 1_500), ["@bob:hs", "@cyd:hs"]);
        assert_eq!(present(&callers, 2_500), ["@cyd:hs"]);
    }

    #[test]
    fn a_caller_is_in_the_call_from_the_answer_to_the_hang_up() {
        let mut callers = Callers::default();
        let mut take = |kind: &str, sender: &str, id: &str| {
            callers.take(&event(kind, sender, None, &json!({ "call_id": id })), user("@voice:hs"));
            present(&callers, 0)
        };
        assert!(take("m.call.invite", "@ada:hs", "1").is_empty());
        assert!(take("m.call.answer", "@mallory:hs", "1").is_empty());
        assert_eq!(take("m.call.answer", "@voice:hs", "1"), ["@ada:hs"]);
        assert_eq!(take("m.call.hangup", "@mallory:hs", "1"), ["@ada:hs"]);
        assert!(take("m.call.hangup", "@ada:hs", "1").is_empty());
        take("m.call.invite", "@ada:hs", "2");
        assert_eq!(take("m.call.answer", "@voice:hs", "2"), ["@ada:hs"]);
        assert!(take("m.call.hangup", "@voice:hs", "2").is_empty());
    }

    #[test]
    fn a_status_names_a_few_and_is_never_too_long() {
        let names = |count: usize| (0..count).map(|n| format!("n{n}")).collect::<Vec<_>>();
        assert_eq!(status(&names(2), 2), "In the Matrix call: n0, n1");
        let many = status(&names(8), 10);
        assert!(many.ends_with("n7 and 2 more"), "{many}");
        let long = status(&vec!["x\n".repeat(500); 40], 40);
        assert!(long.chars().count() <= LONGEST && !long.contains('\n'), "{long}");
    }
}
