//! The JSON of `m.call.*` events (Matrix specification, "Voice over IP", version 1).
//!
//! This module alone knows how a call event is written; everything else works with [`CallEvent`].

use std::time::Duration;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::metadata::StreamMetadata;

/// Longest `call_id` or `party_id` that is read, in bytes.
const MAX_ID: usize = 255;
/// Most candidates that one event may carry; browsers send about ten.
const MAX_CANDIDATES: usize = 64;
/// Longest candidate line that is read, in bytes.
const MAX_CANDIDATE: usize = 1024;
/// Longest session description that is read, in bytes: no Matrix event is longer.
const MAX_SDP: usize = 65_536;
/// What an invite without a usable lifetime gets: the value that matrix-js-sdk sends.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// An invite that wants to ring for ever rings this long.
const MAX_LIFETIME: Duration = Duration::from_mins(5);

/// Why the content of an `m.call.*` event cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// A required field is absent.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field has the wrong type or an impossible value.
    #[error("the field `{0}` cannot be read")]
    Invalid(&'static str),
    /// A field is longer than anything a client has reason to send.
    #[error("the field `{0}` is too long")]
    TooLong(&'static str),
}

/// Version of the call protocol an event was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The number 0: clients without parties, `select_answer` and `reject`.
    Zero,
    /// The string `"1"`, and whatever else is not the number 0.
    One,
}

/// One event of a call: what all have in common, and its own part.
#[derive(Debug, Clone, PartialEq)]
pub struct CallEvent {
    /// The call, named by whoever placed it.
    pub call_id: String,
    /// The device that speaks; absent in version 0.
    pub party_id: Option<String>,
    /// The protocol version that the sender states.
    pub version: Version,
    /// What the event says.
    pub body: Body,
}

/// The part of a call event that its type determines.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `m.call.invite`.
    Invite(Invite),
    /// `m.call.answer`.
    Answer {
        /// The session description of the answer.
        sdp: String,
        /// What the answerer's streams are.
        metadata: StreamMetadata,
    },
    /// `m.call.candidates`.
    Candidates(Vec<IceCandidate>),
    /// `m.call.select_answer`: the party whose answer the caller took.
    SelectAnswer {
        /// That party; absent where a version 0 client answered.
        selected: Option<String>,
    },
    /// `m.call.reject`.
    Reject {
        /// Not in the specification, which gives no place for a reason; readers skip it.
        reason: Option<HangupReason>,
    },
    /// `m.call.hangup`.
    Hangup {
        /// Why the call ended.
        reason: HangupReason,
    },
    /// `m.call.negotiate`.
    Negotiate(Negotiate),
    /// `m.call.sdp_stream_metadata_changed`.
    Metadata(StreamMetadata),
}

/// The own part of an `m.call.invite`.
#[derive(Debug, Clone, PartialEq)]
pub struct Invite {
    /// The session description of the offer.
    pub sdp: String,
    /// How long the call rings, counted from when the event was sent.
    pub lifetime: Duration,
    /// The user the call is for; absent: everybody in the room.
    pub invitee: Option<String>,
    /// What the caller's streams are.
    pub metadata: StreamMetadata,
}

/// The own part of an `m.call.negotiate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiate {
    /// Whether this is an offer or the answer to one.
    pub kind: SdpKind,
    /// The session description.
    pub sdp: String,
    /// How long an offer stands, counted from when the event was sent.
    pub lifetime: Duration,
    /// What the sender's streams are from now on.
    pub metadata: StreamMetadata,
}

/// The kind of a session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpKind {
    /// It proposes.
    Offer,
    /// It agrees.
    Answer,
}

/// One entry of an `m.call.candidates` event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IceCandidate {
    /// A candidate line (RFC 8839), without the leading `a=`.
    Line(String),
    /// There will be no more: written as the empty candidate.
    End,
}

/// The reasons of the specification for the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangupReason {
    /// No way between the two ends was found.
    IceFailed,
    /// The way between the two ends broke.
    IceTimeout,
    /// Nobody answered in time.
    InviteTimeout,
    /// Somebody hung up.
    UserHangup,
    /// No access to a microphone.
    UserMediaFailed,
    /// In another call, or full.
    UserBusy,
    /// Anything else, unknown words included.
    UnknownError,
}

impl HangupReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IceFailed => "ice_failed",
            Self::IceTimeout => "ice_timeout",
            Self::InviteTimeout => "invite_timeout",
            Self::UserHangup => "user_hangup",
            Self::UserMediaFailed => "user_media_failed",
            Self::UserBusy => "user_busy",
            Self::UnknownError => "unknown_error",
        }
    }

    fn from_wire(word: &str) -> Self {
        match word {
            "ice_failed" => Self::IceFailed,
            "ice_timeout" => Self::IceTimeout,
            "invite_timeout" => Self::InviteTimeout,
            "user_hangup" => Self::UserHangup,
            "user_media_failed" => Self::UserMediaFailed,
            "user_busy" => Self::UserBusy,
            _ => Self::UnknownError,
        }
    }
}

impl CallEvent {
    /// Reads the content of an event of type `kind`; `None` for a type that this bridge has no use for.
    pub fn from_json(kind: &str, content: &Value) -> Result<Option<Self>, EventError> {
        let Some(body) = read_body(kind, content)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            call_id: identifier(content, "call_id")?,
            party_id: optional_identifier(content, "party_id")?,
            version: read_version(content),
            body,
        }))
    }

    /// The event's type and its content.
    pub fn to_json(&self) -> (&'static str, Value) {
        let mut content = Map::new();
        let version = match self.version {
            Version::Zero => json!(0),
            Version::One => json!("1"),
        };
        content.insert("version".into(), version);
        content.insert("call_id".into(), json!(self.call_id));
        if let Some(party) = &self.party_id {
            content.insert("party_id".into(), json!(party));
        }
        let kind = write_body(&self.body, &mut content);
        (kind, Value::Object(content))
    }
}

fn read_version(content: &Value) -> Version {
    match content.get("version").and_then(Value::as_i64) {
        Some(0) => Version::Zero,
        _ => Version::One,
    }
}

fn read_body(kind: &str, content: &Value) -> Result<Option<Body>, EventError> {
    let body = match kind {
        "m.call.invite" => Body::Invite(Invite {
            sdp: description(content, "offer")?.1,
            lifetime: lifetime(content),
            invitee: optional_identifier(content, "invitee")?,
            metadata: StreamMetadata::from_content(content),
        }),
        "m.call.answer" => Body::Answer {
            sdp: description(content, "answer")?.1,
            metadata: StreamMetadata::from_content(content),
        },
        "m.call.candidates" => Body::Candidates(candidates(content)?),
        "m.call.select_answer" => Body::SelectAnswer {
            selected: optional_identifier(content, "selected_party_id")?,
        },
        "m.call.reject" => Body::Reject {
            reason: reason(content),
        },
        "m.call.hangup" => Body::Hangup {
            // Version 0 gives no reason when a person hangs up.
            reason: reason(content).unwrap_or(HangupReason::UserHangup),
        },
        "m.call.negotiate" => {
            let (kind, sdp) = description(content, "description")?;
            Body::Negotiate(Negotiate {
                kind,
                sdp,
                lifetime: lifetime(content),
                metadata: StreamMetadata::from_content(content),
            })
        }
        "m.call.sdp_stream_metadata_changed" | "org.matrix.call.sdp_stream_metadata_changed" => {
            Body::Metadata(StreamMetadata::from_content(content))
        }
        _ => return Ok(None),
    };
    Ok(Some(body))
}

fn write_body(body: &Body, content: &mut Map<String, Value>) -> &'static str {
    match body {
        Body::Invite(invite) => {
            content.insert("offer".into(), json!({"type": "offer", "sdp": invite.sdp}));
            content.insert("lifetime".into(), millis(invite.lifetime));
            if let Some(invitee) = &invite.invitee {
                content.insert("invitee".into(), json!(invitee));
            }
            invite.metadata.write(content);
            "m.call.invite"
        }
        Body::Answer { sdp, metadata } => {
            content.insert("answer".into(), json!({"type": "answer", "sdp": sdp}));
            content.insert(
                "capabilities".into(),
                json!({"m.call.transferee": false, "m.call.dtmf": false}),
            );
            metadata.write(content);
            "m.call.answer"
        }
        Body::Candidates(list) => {
            let list: Vec<Value> = list.iter().map(write_candidate).collect();
            content.insert("candidates".into(), Value::Array(list));
            "m.call.candidates"
        }
        Body::SelectAnswer { selected } => {
            content.insert("selected_party_id".into(), json!(selected));
            "m.call.select_answer"
        }
        Body::Reject { reason } => {
            if let Some(reason) = reason {
                content.insert("reason".into(), json!(reason.as_str()));
            }
            "m.call.reject"
        }
        Body::Hangup { reason } => {
            content.insert("reason".into(), json!(reason.as_str()));
            "m.call.hangup"
        }
        Body::Negotiate(negotiate) => {
            let kind = match negotiate.kind {
                SdpKind::Offer => "offer",
                SdpKind::Answer => "answer",
            };
            content.insert("description".into(), json!({"type": kind, "sdp": negotiate.sdp}));
            content.insert("lifetime".into(), millis(negotiate.lifetime));
            negotiate.metadata.write(content);
            "m.call.negotiate"
        }
        Body::Metadata(metadata) => {
            metadata.write(content);
            "m.call.sdp_stream_metadata_changed"
        }
    }
}

fn write_candidate(candidate: &IceCandidate) -> Value {
    match candidate {
        // All media share the transport of the first m-line (BUNDLE).
        IceCandidate::Line(line) => json!({"sdpMLineIndex": 0, "candidate": line}),
        IceCandidate::End => json!({"candidate": ""}),
    }
}

fn candidates(content: &Value) -> Result<Vec<IceCandidate>, EventError> {
    let list = content
        .get("candidates")
        .ok_or(EventError::Missing("candidates"))?
        .as_array()
        .ok_or(EventError::Invalid("candidates"))?;
    if list.len() > MAX_CANDIDATES {
        return Err(EventError::TooLong("candidates"));
    }
    list.iter().map(candidate).collect()
}

fn candidate(entry: &Value) -> Result<IceCandidate, EventError> {
    let line = entry
        .get("candidate")
        .and_then(Value::as_str)
        .ok_or(EventError::Invalid("candidates"))?;
    match line {
        "" => Ok(IceCandidate::End),
        line if line.len() > MAX_CANDIDATE => Err(EventError::TooLong("candidates")),
        line => Ok(IceCandidate::Line(line.to_owned())),
    }
}

fn description(content: &Value, field: &'static str) -> Result<(SdpKind, String), EventError> {
    let object = content.get(field).ok_or(EventError::Missing(field))?;
    let sdp = object
        .get("sdp")
        .and_then(Value::as_str)
        .ok_or(EventError::Invalid(field))?;
    if sdp.len() > MAX_SDP {
        return Err(EventError::TooLong(field));
    }
    let kind = match object.get("type").and_then(Value::as_str) {
        Some("offer") => SdpKind::Offer,
        Some("answer") => SdpKind::Answer,
        _ => return Err(EventError::Invalid(field)),
    };
    Ok((kind, sdp.to_owned()))
}

fn identifier(content: &Value, field: &'static str) -> Result<String, EventError> {
    optional_identifier(content, field)?.ok_or(EventError::Missing(field))
}

fn optional_identifier(content: &Value, field: &'static str) -> Result<Option<String>, EventError> {
    match content.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if id.len() <= MAX_ID => Ok(Some(id.clone())),
        Some(Value::String(_)) => Err(EventError::TooLong(field)),
        Some(_) => Err(EventError::Invalid(field)),
    }
}

fn lifetime(content: &Value) -> Duration {
    content
        .get("lifetime")
        .and_then(Value::as_u64)
        .map_or(DEFAULT_LIFETIME, Duration::from_millis)
        .min(MAX_LIFETIME)
}

fn reason(content: &Value) -> Option<HangupReason> {
    let word = content.get("reason").and_then(Value::as_str)?;
    Some(HangupReason::from_wire(word))
}

fn millis(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, content: &Value) -> CallEvent {
        CallEvent::from_json(kind, content).expect("readable").expect("known")
    }

    #[test]
    fn b2_invite_of_matrix_js_sdk_is_read() {
        let event = read(
            "m.call.invite",
            &json!({
                "version": "1", "call_id": "c1", "party_id": "P1", "lifetime": 60000,
                "invitee": "@u:hs", "offer": {"type": "offer", "sdp": "v=0"},
                "org.matrix.msc3077.sdp_stream_metadata":
                    {"s": {"purpose": "m.usermedia", "audio_muted": true}},
                "capabilities": {"m.call.dtmf": true}
            }),
        );
        assert_eq!(event.call_id, "c1");
        assert_eq!(event.party_id.as_deref(), Some("P1"));
        assert_eq!(event.version, Version::One);
        let Body::Invite(invite) = event.body else {
            panic!("not an invite")
        };
        assert_eq!(invite.sdp, "v=0");
        assert_eq!(invite.lifetime, Duration::from_mins(1));
        assert_eq!(invite.invitee.as_deref(), Some("@u:hs"));
        assert!(invite.metadata.usermedia_muted());
    }

    #[test]
    fn b2_only_the_number_zero_is_version_zero() {
        for (version, expected) in [
            (json!(0), Version::Zero),
            (json!("0"), Version::One),
            (json!("1"), Version::One),
            (json!("2"), Version::One),
            (json!(1), Version::One),
            (Value::Null, Version::One),
        ] {
            let event = read("m.call.hangup", &json!({"call_id": "c", "version": version}));
            assert_eq!(event.version, expected, "{version}");
        }
    }

    #[test]
    fn b2_every_body_survives_a_round_trip() {
        let metadata = StreamMetadata::usermedia("stream", false);
        let bodies = [
            Body::Invite(Invite {
                sdp: "v=0".into(),
                lifetime: Duration::from_secs(30),
                invitee: Some("@bot:hs".into()),
                metadata: metadata.clone(),
            }),
            Body::Answer {
                sdp: "v=0".into(),
                metadata: metadata.clone(),
            },
            Body::Candidates(vec![
                IceCandidate::Line("candidate:1 1 udp 1 127.0.0.1 9 typ host".into()),
                IceCandidate::End,
            ]),
            Body::SelectAnswer {
                selected: Some("P2".into()),
            },
            Body::Reject {
                reason: Some(HangupReason::UserBusy),
            },
            Body::Hangup {
                reason: HangupReason::IceFailed,
            },
            Body::Negotiate(Negotiate {
                kind: SdpKind::Answer,
                sdp: "v=0".into(),
                lifetime: Duration::from_mins(1),
                metadata: metadata.clone(),
            }),
            Body::Metadata(metadata),
        ];
        for body in bodies {
            let event = CallEvent {
                call_id: "c".into(),
                party_id: Some("P".into()),
                version: Version::One,
                body,
            };
            let (kind, content) = event.to_json();
            assert_eq!(content["version"], "1");
            assert_eq!(CallEvent::from_json(kind, &content), Ok(Some(event)));
        }
    }

    #[test]
    fn b2_the_end_of_candidates_is_the_empty_candidate_without_a_mid() {
        let event = CallEvent {
            call_id: "c".into(),
            party_id: Some("P".into()),
            version: Version::One,
            body: Body::Candidates(vec![IceCandidate::End]),
        };
        assert_eq!(event.to_json().1["candidates"], json!([{"candidate": ""}]));
    }

    #[test]
    fn broken_events_name_the_field() {
        let long = "x".repeat(MAX_ID + 1);
        let many = vec![json!({"candidate": "x"}); MAX_CANDIDATES + 1];
        for (kind, content, expected) in [
            ("m.call.hangup", json!({}), EventError::Missing("call_id")),
            ("m.call.hangup", json!({"call_id": 7}), EventError::Invalid("call_id")),
            (
                "m.call.hangup",
                json!({"call_id": long}),
                EventError::TooLong("call_id"),
            ),
            ("m.call.invite", json!({"call_id": "c"}), EventError::Missing("offer")),
            (
                "m.call.invite",
                json!({"call_id": "c", "offer": {"type": "offer", "sdp": 1}}),
                EventError::Invalid("offer"),
            ),
            (
                "m.call.candidates",
                json!({"call_id": "c", "candidates": many}),
                EventError::TooLong("candidates"),
            ),
            (
                "m.call.candidates",
                json!({"call_id": "c", "candidates": [null]}),
                EventError::Invalid("candidates"),
            ),
        ] {
            assert_eq!(CallEvent::from_json(kind, &content), Err(expected));
        }
    }

    #[test]
    fn types_without_a_use_here_are_passed_over() {
        for kind in ["m.call.replaces", "m.call.asserted_identity", "m.room.message"] {
            assert_eq!(CallEvent::from_json(kind, &json!({})), Ok(None));
        }
    }

    #[test]
    fn an_invite_rings_neither_for_ever_nor_not_at_all_by_mistake() {
        let lifetime_of = |lifetime: Value| {
            let content = json!({"call_id": "c", "lifetime": lifetime,
                "offer": {"type": "offer", "sdp": ""}});
            match read("m.call.invite", &content).body {
                Body::Invite(invite) => invite.lifetime,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(lifetime_of(json!(u64::MAX)), MAX_LIFETIME);
        assert_eq!(lifetime_of(json!("soon")), DEFAULT_LIFETIME);
        assert_eq!(lifetime_of(json!(0)), Duration::ZERO);
    }
}
