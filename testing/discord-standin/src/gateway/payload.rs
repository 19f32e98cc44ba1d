//! What clients send to the gateway.

use serde::Deserialize;
use serde_json::Value;

use crate::snowflake::Snowflake;

/// An operation of a client, decoded.
#[derive(Debug)]
pub(crate) enum Operation {
    Heartbeat,
    Identify(Identify),
    Resume(Resume),
    PresenceUpdate,
    VoiceStateUpdate(VoiceStateUpdate),
    RequestMembers(RequestMembers),
}

/// Why an operation could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// No JSON, or not of the operation's shape: close code 4002.
    Malformed,
    /// An operation that does not exist: close code 4001.
    UnknownOperation,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Identify {
    pub(crate) token: String,
    pub(crate) intents: u64,
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
    #[serde(default)]
    pub(crate) nonce: Option<Value>,
}

#[derive(Deserialize)]
struct Envelope {
    op: u64,
    #[serde(default)]
    d: Value,
}

/// Decodes one message.
pub(crate) fn decode(text: &str) -> Result<Operation, DecodeError> {
    let Envelope { op, d } = serde_json::from_str(text).map_err(|_| DecodeError::Malformed)?;
    match op {
        1 => Ok(Operation::Heartbeat),
        2 => read(d).map(Operation::Identify),
        3 => Ok(Operation::PresenceUpdate),
        4 => read(d).map(Operation::VoiceStateUpdate),
        6 => read(d).map(Operation::Resume),
        8 => read(d).map(Operation::RequestMembers),
        _ => Err(DecodeError::UnknownOperation),
    }
}

fn read<T: for<'de> Deserialize<'de>>(data: Value) -> Result<T, DecodeError> {
    serde_json::from_value(data).map_err(|_| DecodeError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

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
