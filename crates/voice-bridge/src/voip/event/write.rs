//! Writes call events.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::content::{Body, CallEvent, IceCandidate, SdpKind, Version};

impl CallEvent {
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

fn millis(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
