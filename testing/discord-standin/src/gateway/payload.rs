//! What clients send to the gateway.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{
    envelope::{DecodeError, Envelope},
    snowflake::Snowflake,
};

/// An operation of a client, decoded.
#[derive(Debug)]
pub(crate) enum Operation {
    /// With the last sequence number that the client has seen.
    Heartbeat(Option<u64>),
    Identify(Identify),
    Resume(Resume),
    PresenceUpdate(Presence),
    VoiceStateUpdate(VoiceStateUpdate),
    RequestMembers(RequestMembers),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Identify {
    pub(crate) token: String,
    pub(crate) intents: u64,
    #[serde(default)]
    pub(crate) shard: Option<[u64; 2]>,
    #[serde(default)]
    pub(crate) presence: Option<Presence>,
}

/// How a bot wants to be seen.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Presence {
    #[serde(default)]
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) activities: Vec<Value>,
    /// A time, or whatever else a client takes for one.
    #[serde(default)]
    pub(crate) since: Value,
    #[serde(default)]
    pub(crate) afk: bool,
}

/// A status that a client may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    #[default]
    Online,
    Dnd,
    Idle,
    Invisible,
    Offline,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resume {
    pub(crate) token: String,
    pub(crate) session_id: String,
    pub(crate) seq: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct VoiceStateUpdate {
    pub(crate) guild_id: Snowflake,
    pub(crate) channel_id: Option<Snowflake>,
    #[serde(default)]
    pub(crate) self_mute: bool,
    #[serde(default)]
    pub(crate) self_deaf: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RequestMembers {
    pub(crate) guild_id: Snowflake,
    #[serde(default)]
    pub(crate) query: Option<String>,
    #[serde(default)]
    pub(crate) limit: usize,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(crate) user_ids: Option<Vec<Snowflake>>,
    #[serde(default)]
    pub(crate) nonce: Option<Value>,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Snowflake>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Snowflake),
        Many(Vec<Snowflake>),
    }
    let ids = Option::deserialize(deserializer)?;
    Ok(ids.map(|ids| match ids {
        OneOrMany::One(id) => vec![id],
        OneOrMany::Many(ids) => ids,
    }))
}

/// Decodes one operation.
pub(crate) fn decode(message: Envelope) -> Result<Operation, DecodeError> {
    match message.op {
        1 => message.read().map(Operation::Heartbeat),
        2 => message.read().map(Operation::Identify),
        3 => message.read().map(Operation::PresenceUpdate),
        4 => message.read().map(Operation::VoiceStateUpdate),
        6 => message.read().map(Operation::Resume),
        8 => message.read().map(Operation::RequestMembers),
        _ => Err(DecodeError::UnknownOperation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Operation, DecodeError> {
        super::decode(Envelope::open(text)?)
    }

    #[test]
    fn a_presence_needs_a_status_that_exists() {
        let presence =
            |status: &str| format!("{{\"op\":3,\"d\":{{\"status\":\"{status}\",\"since\":null,\"afk\":false}}}}");
        let Ok(Operation::PresenceUpdate(idle)) = decode(&presence("idle")) else {
            panic!("not decoded");
        };
        assert_eq!(idle.status, Status::Idle);
        assert_eq!(decode(&presence("asleep")).unwrap_err(), DecodeError::Malformed);
    }

    #[test]
    fn members_are_asked_for_by_one_id_or_by_many() {
        for ids in ["\"7\"", "[\"7\"]", "[7]"] {
            let text = format!("{{\"op\":8,\"d\":{{\"guild_id\":\"1\",\"user_ids\":{ids}}}}}");
            let Ok(Operation::RequestMembers(request)) = decode(&text) else {
                panic!("not decoded: {text}");
            };
            assert_eq!(request.user_ids, Some(vec![Snowflake(7)]));
        }
    }

    #[test]
    fn ids_are_read_as_integers_and_strings() {
        for ids in ["1,\"channel_id\":2", "\"1\",\"channel_id\":\"2\""] {
            let text = format!("{{\"op\":4,\"d\":{{\"guild_id\":{ids}}}}}");
            let Ok(Operation::VoiceStateUpdate(update)) = decode(&text) else {
                panic!("not decoded: {text}");
            };
            assert_eq!(update.guild_id, Snowflake(1));
            assert_eq!(update.channel_id, Some(Snowflake(2)));
        }
    }

    #[test]
    fn garbage_is_malformed_and_a_strange_operation_unknown() {
        assert_eq!(decode("garbage").unwrap_err(), DecodeError::Malformed);
        assert_eq!(decode("{\"op\":2,\"d\":7}").unwrap_err(), DecodeError::Malformed);
        assert_eq!(decode("{\"op\":99}").unwrap_err(), DecodeError::UnknownOperation);
    }
}
