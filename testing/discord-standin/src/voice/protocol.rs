//! The voice gateway's messages and their framing in versions 4 and 8.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{Value, json};

use super::dave::{FromMember, ToMember, Written};
use crate::{
    envelope::{DecodeError, Envelope},
    gateway::sessions::ToClient,
    snowflake::Snowflake,
};

/// Messages kept for a buffered resume.
const KEPT: usize = 1_000;

/// A version of the voice gateway that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Without sequence numbers; songbird's.
    V4,
    /// With sequence numbers and buffered resume.
    V8,
}

impl Version {
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V8 => 8,
        }
    }

    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            4 => Some(Self::V4),
            8 => Some(Self::V8),
            _ => None,
        }
    }
}

/// What the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Op {
    Ready = 2,
    SessionDescription = 4,
    Speaking = 5,
    HeartbeatAck = 6,
    Hello = 8,
    Resumed = 9,
    ClientsConnect = 11,
    ClientDisconnect = 13,
    Flags = 18,
    Platform = 20,
    DavePrepareTransition = 21,
    DaveExecuteTransition = 22,
    DavePrepareEpoch = 24,
    DaveExternalSender = 25,
    DaveProposals = 27,
    DaveAnnounceCommit = 29,
    DaveWelcome = 30,
}

impl Op {
    /// Whether version 8 numbers this message and repeats it in a resume.
    const fn is_sequenced(self) -> bool {
        !matches!(self, Self::Ready | Self::HeartbeatAck | Self::Hello | Self::Resumed)
    }
}

/// Writes messages in one version, and keeps those that a resume needs.
///
/// JSON and binary messages are numbered together. A binary message has 16 bits for that, so all wrap there.
#[derive(Debug)]
pub(crate) struct Framing {
    version: Version,
    sequence: u16,
    sent: VecDeque<(u16, ToClient)>,
}

impl Framing {
    pub(crate) const fn new(version: Version) -> Self {
        Self {
            version,
            sequence: 0,
            sent: VecDeque::new(),
        }
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }

    /// A message of JSON. `op` comes first and version 4 has no `seq`: songbird understands nothing else.
    pub(crate) fn encode(&mut self, op: Op, data: &Value) -> String {
        let number = op as u8;
        if self.version == Version::V4 || !op.is_sequenced() {
            return format!("{{\"op\":{number},\"d\":{data}}}");
        }
        let sequence = self.next_sequence();
        let text = format!("{{\"op\":{number},\"d\":{data},\"seq\":{sequence}}}");
        self.keep(ToClient::Text(text.clone()));
        text
    }

    /// A message of a group: its operation in front, and before that in version 8 its number.
    pub(crate) fn encode_group(&mut self, message: &ToMember) -> ToClient {
        match message.write() {
            Written::Json(op, data) => ToClient::Text(self.encode(op, &data)),
            Written::Binary(op, body) if self.version == Version::V4 => {
                ToClient::Binary([&[op as u8][..], &body].concat())
            }
            Written::Binary(op, body) => {
                let sequence = self.next_sequence().to_be_bytes();
                let message = ToClient::Binary([&sequence[..], &[op as u8], &body].concat());
                self.keep(message.clone());
                message
            }
        }
    }

    const fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn keep(&mut self, message: ToClient) {
        if self.sent.len() == KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back((self.sequence, message));
    }

    /// What a client that has seen everything up to `acknowledged` still needs.
    pub(crate) fn missed(&self, acknowledged: Option<u16>) -> Vec<ToClient> {
        let Some(acknowledged) = acknowledged else {
            return Vec::new();
        };
        self.sent
            .iter()
            .filter(|(sequence, _)| sequence.wrapping_sub(acknowledged).cast_signed() > 0)
            .map(|(_, message)| message.clone())
            .collect()
    }
}

/// What a client sends, decoded.
#[derive(Debug)]
pub(crate) enum ClientMessage {
    Identify(Identify),
    SelectProtocol(SelectProtocol),
    /// With the data of its acknowledgement.
    Heartbeat(Value),
    Speaking(Speaking),
    Resume(Resume),
    /// About the channel's encryption group.
    Dave(FromMember),
    /// Known, and of no consequence for voice: video and the like.
    Ignored,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Identify {
    pub(crate) server_id: Snowflake,
    pub(crate) user_id: Snowflake,
    pub(crate) session_id: String,
    pub(crate) token: String,
    /// Absent from clients without DAVE.
    #[serde(default)]
    pub(crate) max_dave_protocol_version: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resume {
    pub(crate) server_id: Snowflake,
    pub(crate) session_id: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) seq_ack: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SelectProtocol {
    pub(crate) protocol: String,
    pub(crate) data: ProtocolData,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ProtocolData {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) mode: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Speaking {
    pub(crate) speaking: u32,
    #[serde(default)]
    pub(crate) ssrc: Option<u32>,
}

/// Decodes a text message.
pub(crate) fn decode(version: Version, text: &str) -> Result<ClientMessage, DecodeError> {
    let message = Envelope::open(text)?;
    match message.op {
        0 => message.read().map(ClientMessage::Identify),
        1 => message.read().map(ClientMessage::SelectProtocol),
        3 => heartbeat_ack(version, &message.data).map(ClientMessage::Heartbeat),
        5 => message.read().map(ClientMessage::Speaking),
        7 => message.read().map(ClientMessage::Resume),
        op @ (23 | 31) => FromMember::from_json(op, message.data).map(ClientMessage::Dave),
        10 | 12 | 14 | 15 | 16 | 18 | 20 => Ok(ClientMessage::Ignored),
        _ => Err(DecodeError::UnknownOperation),
    }
}

/// Version 4 sends a bare integer and gets it back, version 8 an object with `t` and gets that.
fn heartbeat_ack(version: Version, data: &Value) -> Result<Value, DecodeError> {
    match version {
        Version::V4 if data.is_u64() => Ok(data.clone()),
        Version::V8 if data.get("t").is_some_and(Value::is_number) => Ok(json!({"t": data["t"]})),
        Version::V4 | Version::V8 => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_4_has_no_sequence_and_op_first() {
        let mut framing = Framing::new(Version::V4);
        let text = framing.encode(Op::Speaking, &json!({"a": 1}));
        assert_eq!(text, "{\"op\":5,\"d\":{\"a\":1}}");
        assert!(framing.missed(Some(0)).is_empty());
    }

    #[test]
    fn version_8_numbers_messages_and_keeps_them_for_a_resume() {
        let mut framing = Framing::new(Version::V8);
        assert_eq!(framing.encode(Op::Hello, &json!({})), "{\"op\":8,\"d\":{}}");
        framing.encode(Op::Speaking, &json!({}));
        let second = framing.encode(Op::ClientDisconnect, &json!({}));
        assert_eq!(second, "{\"op\":13,\"d\":{},\"seq\":2}");
        let welcome = ToMember::Welcome {
            transition: 0x0102,
            welcome: vec![9],
        };
        let third = ToClient::Binary(vec![0, 3, 30, 1, 2, 9]);
        assert_eq!(framing.encode_group(&welcome), third);
        assert_eq!(framing.missed(Some(1)), [ToClient::Text(second), third]);
        assert!(framing.missed(None).is_empty());
        assert_eq!(
            Framing::new(Version::V4).encode_group(&welcome),
            ToClient::Binary(vec![30, 1, 2, 9])
        );
    }

    #[test]
    fn numbers_wrap_after_16_bits() {
        let mut framing = Framing::new(Version::V8);
        for _ in 0..=u32::from(u16::MAX) {
            framing.encode(Op::Speaking, &json!({}));
        }
        let first = framing.encode(Op::Speaking, &json!({}));
        assert!(first.ends_with("\"seq\":1}"), "{first}");
        assert_eq!(framing.missed(Some(u16::MAX)).len(), 2);
    }

    #[test]
    fn each_version_has_its_own_heartbeat() {
        let bare = "{\"op\":3,\"d\":7}";
        let object = "{\"op\":3,\"d\":{\"t\":7,\"seq_ack\":1}}";
        assert!(matches!(decode(Version::V4, bare), Ok(ClientMessage::Heartbeat(d)) if d == json!(7)));
        assert!(matches!(decode(Version::V8, object), Ok(ClientMessage::Heartbeat(d)) if d == json!({"t": 7})));
        assert_eq!(decode(Version::V8, bare).unwrap_err(), DecodeError::Malformed);
        assert_eq!(decode(Version::V4, object).unwrap_err(), DecodeError::Malformed);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert_eq!(decode(Version::V8, "{").unwrap_err(), DecodeError::Malformed);
        assert_eq!(
            decode(Version::V8, "{\"op\":0,\"d\":[]}").unwrap_err(),
            DecodeError::Malformed
        );
        assert_eq!(
            decode(Version::V8, "{\"op\":77}").unwrap_err(),
            DecodeError::UnknownOperation
        );
    }
}
