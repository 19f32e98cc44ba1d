//! What call events say.

use std::time::Duration;

use super::reason::HangupReason;
use crate::voip::metadata::StreamMetadata;

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
