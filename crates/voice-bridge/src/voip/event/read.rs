//! Reads call events, within limits.

use std::time::Duration;

use serde_json::Value;

use super::content::{Body, CallEvent, IceCandidate, Invite, Negotiate, SdpKind, Version};
use super::error::EventError;
use super::reason::HangupReason;
use crate::voip::metadata::StreamMetadata;

/// Longest `call_id` or `party_id` that is read, in bytes.
pub(super) const MAX_ID: usize = 255;
/// Most candidates that one event may carry; browsers send about ten.
pub(super) const MAX_CANDIDATES: usize = 64;
/// Longest candidate line that is read, in bytes.
const MAX_CANDIDATE: usize = 1024;
/// Longest session description that is read, in bytes: no Matrix event is longer.
const MAX_SDP: usize = 65_536;
/// What an invite without a usable lifetime gets: the value that matrix-js-sdk sends.
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// An invite that wants to ring for ever rings this long.
pub(super) const MAX_LIFETIME: Duration = Duration::from_mins(5);

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
