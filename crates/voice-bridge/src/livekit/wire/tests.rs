use proptest::prelude::*;

use super::*;

fn given(message: Response) -> FromServer {
    let message = Some(message);
    read(&proto::SignalResponse { message }.encode_to_vec()).expect("message")
}

fn sent(message: ToServer) -> Request {
    let request = proto::SignalRequest::decode(&*write(message)).expect("request");
    request.message.expect("message")
}

#[test]
fn s11_an_attribute_is_set_and_nothing_else_of_us_changes() {
    let attribute = Attribute {
        name: "vdp.speaking",
        value: "[]".into(),
    };
    let Request::UpdateMetadata(update) = sent(ToServer::SetAttribute(attribute)) else {
        panic!("no update");
    };
    assert_eq!(update.attributes, [("vdp.speaking".to_owned(), "[]".to_owned())].into());
    assert_eq!((update.metadata.as_str(), update.name.as_str()), ("", ""));
    assert!(update.request_id > 0, "it is to be answered");
}

#[test]
fn s11_a_note_is_a_packet_of_data_with_a_topic() {
    let attribute = Attribute {
        name: "vdp.speaking",
        value: "[]".into(),
    };
    let packet = proto::DataPacket::decode(&*note(attribute)).expect("a packet");
    let Some(proto::data_packet::Value::User(user)) = packet.value else {
        panic!("{packet:?}");
    };
    assert_eq!(
        (user.topic.as_deref(), &*user.payload),
        (Some("vdp.speaking"), &b"[]"[..])
    );
}

#[test]
fn s11_a_refused_attribute_is_known_as_such() {
    use proto::request_response::{Reason, Request};

    let answer = |reason: Reason, request| {
        given(Response::RequestResponse(proto::RequestResponse {
            reason: reason.into(),
            request,
            ..Default::default()
        }))
    };
    let ours = || Some(Request::UpdateMetadata(proto::UpdateParticipantMetadata::default()));
    let others = Some(Request::Mute(proto::MuteTrackRequest::default()));
    assert_eq!(answer(Reason::NotAllowed, ours()), FromServer::AttributeRefused);
    assert_eq!(answer(Reason::NotAllowed, None), FromServer::AttributeRefused);
    assert_eq!(answer(Reason::NotAllowed, others), FromServer::Other);
    assert_eq!(answer(Reason::Ok, ours()), FromServer::Other);
}

#[test]
fn b1_a_welcome_tells_who_we_are_and_only_of_audio() {
    let track = |sid: &str, kind: proto::TrackType, encryption: proto::encryption::Type| proto::TrackInfo {
        sid: sid.into(),
        r#type: kind.into(),
        encryption: encryption.into(),
        muted: sid == "TR_1",
        ..Default::default()
    };
    let clear = proto::encryption::Type::None;
    let join = proto::JoinResponse {
        room: Some(proto::Room {
            name: "hashed".into(),
            ..Default::default()
        }),
        participant: Some(proto::ParticipantInfo {
            sid: "PA_me".into(),
            identity: "bridge".into(),
            ..Default::default()
        }),
        other_participants: vec![proto::ParticipantInfo {
            sid: "PA_a".into(),
            identity: "anna".into(),
            version: 3,
            tracks: vec![
                track("TR_1", proto::TrackType::Audio, clear),
                track("TR_2", proto::TrackType::Video, clear),
                track("TR_3", proto::TrackType::Audio, proto::encryption::Type::Gcm),
            ],
            ..Default::default()
        }],
        ping_interval: 7,
        ping_timeout: -1,
        ..Default::default()
    };
    let FromServer::Welcome(welcome) = given(Response::Join(join)) else {
        panic!("no welcome");
    };
    assert_eq!(
        (welcome.room.as_str(), welcome.identity.as_str(), welcome.sid.as_str()),
        ("hashed", "bridge", "PA_me")
    );
    assert_eq!(welcome.ping_interval, Duration::from_secs(7));
    assert_eq!(welcome.ping_timeout, PING_TIMEOUT);
    let [anna] = welcome.people.as_slice() else {
        panic!("{:?}", welcome.people);
    };
    let heard: Vec<_> = anna
        .tracks
        .iter()
        .map(|track| (track.sid.as_str(), track.muted, track.encrypted))
        .collect();
    assert_eq!(heard, [("TR_1", true, false), ("TR_3", false, true)]);
}

#[test]
fn b1_a_candidate_is_taken_out_of_its_json() {
    let trickle = |candidate_init: &str, target: proto::SignalTarget| {
        given(Response::Trickle(proto::TrickleRequest {
            candidate_init: candidate_init.into(),
            target: target.into(),
            r#final: false,
        }))
    };
    let line = "candidate:1 1 udp 1 127.0.0.1 7882 typ host";
    let init = format!(r#"{{"candidate":"{line}","sdpMid":"0","sdpMLineIndex":0}}"#);
    assert_eq!(
        trickle(&init, proto::SignalTarget::Subscriber),
        FromServer::Candidate {
            side: Side::Subscriber,
            line: line.into()
        }
    );
    for nothing in ["", "{}", "null", "[1]", r#"{"candidate":5}"#, "{"] {
        let empty = FromServer::Candidate {
            side: Side::Publisher,
            line: String::new(),
        };
        assert_eq!(trickle(nothing, proto::SignalTarget::Publisher), empty, "{nothing}");
    }
}

#[test]
fn b1_what_the_server_wants_at_the_end_is_told_apart() {
    use proto::DisconnectReason as Reason;
    use proto::leave_request::Action;

    let leave = |action: Action, reason: Reason| {
        given(Response::Leave(proto::LeaveRequest {
            action: action.into(),
            reason: reason.into(),
            ..Default::default()
        }))
    };
    let ends = [
        (Action::Resume, Reason::UnknownReason, LeaveAction::Resume),
        (Action::Reconnect, Reason::StateMismatch, LeaveAction::Reconnect),
        (
            Action::Disconnect,
            Reason::DuplicateIdentity,
            LeaveAction::Disconnect(LeaveReason::DuplicateIdentity),
        ),
        (
            Action::Disconnect,
            Reason::MediaFailure,
            LeaveAction::Disconnect(LeaveReason::Other),
        ),
    ];
    for (action, reason, wanted) in ends {
        assert_eq!(leave(action, reason), FromServer::Leave(wanted));
    }
}

#[test]
fn b1_our_track_is_a_microphone_with_dtx_and_without_red() {
    let publication = Publication {
        cid: "c".into(),
        name: "Discord".into(),
        stereo: true,
        muted: false,
    };
    let Request::AddTrack(track) = sent(ToServer::Publish(publication)) else {
        panic!("no track");
    };
    assert_eq!(track.source(), proto::TrackSource::Microphone);
    assert!(track.disable_red);
    assert_eq!(track.audio_features, [i32::from(proto::AudioTrackFeature::TfStereo)]);
}

#[test]
fn b1_a_resume_says_what_we_have() {
    let standing = Standing {
        published: Some(("c".into(), "TR_me".into())),
        subscribed: vec![
            ("PA_a".into(), vec!["TR_1".into()]),
            ("PA_b".into(), vec!["TR_2".into()]),
        ],
    };
    let Request::SyncState(state) = sent(ToServer::Sync(standing)) else {
        panic!("no state");
    };
    let subscription = state.subscription.expect("subscription");
    assert!(subscription.subscribe);
    assert_eq!(subscription.track_sids, ["TR_1", "TR_2"]);
    assert_eq!(subscription.participant_tracks.len(), 2);
    let [published] = state.publish_tracks.as_slice() else {
        panic!("{:?}", state.publish_tracks);
    };
    assert_eq!(published.track.as_ref().expect("track").sid, "TR_me");
}

proptest! {
    #[test]
    fn b1_no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }
}
