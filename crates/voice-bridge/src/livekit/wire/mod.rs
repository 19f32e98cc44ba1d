//! The messages as they are on the wire: the only place that sees LiveKit's protobuf types.

use std::time::Duration;

use livekit_protocol as proto;
use prost::Message;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;

use super::message::{
    Attribute, Description, FromServer, LeaveAction, LeaveReason, Loudness, Person, Publication, Side, Standing,
    ToServer, Track, Welcome,
};

/// Pings where the server names no interval, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// A message that is not LiveKit's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's message cannot be read: {0}")]
pub struct Unreadable(#[from] prost::DecodeError);

/// Reads a message of the server.
pub fn read(bytes: &[u8]) -> Result<FromServer, Unreadable> {
    let response = proto::SignalResponse::decode(bytes)?;
    Ok(response.message.map_or(FromServer::Other, from_server))
}

/// Writes a message to the server.
pub fn write(message: ToServer) -> Vec<u8> {
    let message = Some(to_server(message));
    proto::SignalRequest { message }.encode_to_vec()
}

fn from_server(message: Response) -> FromServer {
    match message {
        Response::Join(join) => FromServer::Welcome(welcome(join)),
        Response::Reconnect(_) => FromServer::Resumed,
        Response::Offer(offer) => FromServer::Offer(description(offer)),
        Response::Answer(answer) => FromServer::Answer(description(answer)),
        Response::Trickle(trickle) => candidate(&trickle),
        Response::Update(update) => FromServer::People(update.participants.into_iter().map(person).collect()),
        Response::TrackPublished(published) => FromServer::Published {
            ours: published.cid,
            sid: published.track.unwrap_or_default().sid,
        },
        Response::TrackUnpublished(unpublished) => FromServer::Unpublished {
            sid: unpublished.track_sid,
        },
        Response::Mute(mute) => FromServer::Muted {
            sid: mute.sid,
            muted: mute.muted,
        },
        Response::SpeakersChanged(changed) => {
            FromServer::Speakers(changed.speakers.into_iter().map(loudness).collect())
        }
        Response::RefreshToken(token) => FromServer::Token(token),
        Response::Leave(leave) => FromServer::Leave(leave_action(&leave)),
        Response::Pong(_) | Response::PongResp(_) => FromServer::Pong,
        Response::SubscriptionResponse(response) => FromServer::SubscriptionFailed {
            sid: response.track_sid,
        },
        Response::RequestResponse(response) if is_attribute_refused(&response) => FromServer::AttributeRefused,
        _ => FromServer::Other,
    }
}

fn is_attribute_refused(response: &proto::RequestResponse) -> bool {
    use proto::request_response::{Reason, Request};

    // Servers that do not repeat the request answer no other of ours so.
    let about_attributes = matches!(response.request, None | Some(Request::UpdateMetadata(_)));
    about_attributes && response.reason() == Reason::NotAllowed
}

fn welcome(join: proto::JoinResponse) -> Welcome {
    let me = join.participant.unwrap_or_default();
    Welcome {
        room: join.room.unwrap_or_default().name,
        identity: me.identity,
        sid: me.sid,
        people: join.other_participants.into_iter().map(person).collect(),
        ping_interval: seconds(join.ping_interval).unwrap_or(PING_INTERVAL),
        ping_timeout: seconds(join.ping_timeout).unwrap_or(PING_TIMEOUT),
    }
}

fn seconds(seconds: i32) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(seconds))
}

fn description(description: proto::SessionDescription) -> Description {
    Description {
        id: description.id,
        sdp: description.sdp,
    }
}

/// The candidate is JSON inside of protobuf, as `RTCIceCandidate` prints itself.
fn candidate(trickle: &proto::TrickleRequest) -> FromServer {
    let side = match trickle.target() {
        proto::SignalTarget::Publisher => Side::Publisher,
        proto::SignalTarget::Subscriber => Side::Subscriber,
    };
    let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).unwrap_or_default();
    let line = init.get("candidate").and_then(serde_json::Value::as_str);
    FromServer::Candidate {
        side,
        line: line.unwrap_or_default().to_owned(),
    }
}

fn person(info: proto::ParticipantInfo) -> Person {
    Person {
        gone: info.state() == proto::participant_info::State::Disconnected,
        sid: info.sid,
        identity: info.identity,
        version: info.version,
        tracks: info.tracks.into_iter().filter_map(track).collect(),
    }
}

fn track(info: proto::TrackInfo) -> Option<Track> {
    (info.r#type() == proto::TrackType::Audio).then(|| Track {
        muted: info.muted,
        encrypted: info.encryption() != proto::encryption::Type::None,
        sid: info.sid,
    })
}

fn loudness(info: proto::SpeakerInfo) -> Loudness {
    Loudness {
        sid: info.sid,
        level: info.level,
        active: info.active,
    }
}

fn leave_action(leave: &proto::LeaveRequest) -> LeaveAction {
    use proto::DisconnectReason as Reason;
    use proto::leave_request::Action;

    match leave.action() {
        Action::Resume => LeaveAction::Resume,
        Action::Reconnect => LeaveAction::Reconnect,
        Action::Disconnect => LeaveAction::Disconnect(match leave.reason() {
            Reason::DuplicateIdentity => LeaveReason::DuplicateIdentity,
            Reason::ServerShutdown => LeaveReason::Shutdown,
            Reason::ParticipantRemoved => LeaveReason::Removed,
            Reason::RoomDeleted | Reason::RoomClosed => LeaveReason::RoomClosed,
            _ => LeaveReason::Other,
        }),
    }
}

fn to_server(message: ToServer) -> Request {
    match message {
        ToServer::Offer(offer) => Request::Offer(session_description("offer", offer)),
        ToServer::Answer(answer) => Request::Answer(session_description("answer", answer)),
        ToServer::Publish(publication) => Request::AddTrack(add_track(publication)),
        ToServer::Mute { sid, muted } => Request::Mute(proto::MuteTrackRequest { sid, muted }),
        ToServer::SetAttribute(attribute) => Request::UpdateMetadata(set_attribute(attribute)),
        ToServer::Subscribe { person, tracks } => Request::Subscription(subscription(vec![(person, tracks)])),
        ToServer::Sync(standing) => Request::SyncState(sync_state(standing)),
        ToServer::Ping { timestamp, rtt } => Request::PingReq(proto::Ping { timestamp, rtt }),
        ToServer::Leave => Request::Leave(proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated.into(),
            ..Default::default()
        }),
    }
}

fn session_description(kind: &str, description: Description) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp: description.sdp,
        id: description.id,
        ..Default::default()
    }
}

/// A microphone whose packets may stop in silence (DTX) and are sent once (no RED): what Discord's are like.
fn add_track(publication: Publication) -> proto::AddTrackRequest {
    let stereo = publication.stereo.then_some(proto::AudioTrackFeature::TfStereo);
    proto::AddTrackRequest {
        cid: publication.cid,
        name: publication.name,
        r#type: proto::TrackType::Audio.into(),
        source: proto::TrackSource::Microphone.into(),
        muted: publication.muted,
        disable_red: true,
        audio_features: stereo.into_iter().map(i32::from).collect(),
        ..Default::default()
    }
}

/// What is left empty stays as it is. Only requests with a number are answered.
fn set_attribute(Attribute { name, value }: Attribute) -> proto::UpdateParticipantMetadata {
    proto::UpdateParticipantMetadata {
        attributes: [(name.to_owned(), value)].into(),
        request_id: 1,
        ..Default::default()
    }
}

/// The same for those who are in the room, where the server does not take it: a packet of data, the name as its topic.
pub fn note(Attribute { name, value }: Attribute) -> Vec<u8> {
    let packet = proto::UserPacket {
        payload: value.into_bytes(),
        topic: Some(name.to_owned()),
        ..Default::default()
    };
    let value = Some(proto::data_packet::Value::User(packet));
    proto::DataPacket {
        value,
        ..Default::default()
    }
    .encode_to_vec()
}

/// The tracks are named twice because older servers read the one list and newer ones the other.
fn subscription(wanted: Vec<(String, Vec<String>)>) -> proto::UpdateSubscription {
    let tracks = wanted.iter().flat_map(|(_, tracks)| tracks.clone());
    proto::UpdateSubscription {
        track_sids: tracks.collect(),
        subscribe: true,
        participant_tracks: wanted
            .into_iter()
            .map(|(person, track_sids)| proto::ParticipantTracks {
                participant_sid: person,
                track_sids,
            })
            .collect(),
    }
}

fn sync_state(standing: Standing) -> proto::SyncState {
    let published = standing.published.map(|(ours, sid)| proto::TrackPublishedResponse {
        cid: ours,
        track: Some(proto::TrackInfo {
            sid,
            r#type: proto::TrackType::Audio.into(),
            source: proto::TrackSource::Microphone.into(),
            ..Default::default()
        }),
    });
    proto::SyncState {
        subscription: Some(subscription(standing.subscribed)),
        publish_tracks: published.into_iter().collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
