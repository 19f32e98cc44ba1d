use std::time::Duration;

use serde_json::{Value, json};

use super::read::{DEFAULT_LIFETIME, MAX_CANDIDATES, MAX_ID, MAX_LIFETIME};
use super::*;
use crate::voip::metadata::StreamMetadata;

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
