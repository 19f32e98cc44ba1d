//! What goes into the machine and what comes out of it.

use std::time::Duration;

use bridge_kit::matrix::UserId;

use crate::voip::event::{CallEvent, IceCandidate, Invite, Version};

/// Whom an invite is for. Invites for other people get no machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// The bridge's bot by name: it owes the caller an answer or a rejection.
    Bot,
    /// Everybody in the room: a rejection by one would end the call for all, so failure is silent.
    Everyone,
}

impl Addressing {
    /// Whom an invite is for, as the bot sees it; `None` for somebody else.
    pub fn of(invitee: Option<&str>, bot: &UserId) -> Option<Self> {
        match invitee {
            None => Some(Self::Everyone),
            Some(user) => (user == bot.as_str()).then_some(Self::Bot),
        }
    }
}

/// Who takes part in a call, and under which names.
#[derive(Debug, Clone)]
pub struct Parties {
    /// The call's name.
    pub call_id: String,
    /// The caller.
    pub caller: String,
    /// The caller's device; absent in version 0.
    pub party_id: Option<String>,
    /// The caller's protocol version.
    pub version: Version,
    /// Whom the caller wants.
    pub addressing: Addressing,
    /// The party id that this bridge uses for itself.
    pub own_party: String,
}

impl Parties {
    /// Whether an event is the calling device's own.
    pub fn is_caller(&self, sender: &str, party_id: Option<&str>) -> bool {
        let same_party = self.version == Version::Zero || party_id == self.party_id.as_deref();
        sender == self.caller && same_party
    }
}

/// Everything that is known when a call starts ringing.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Who takes part.
    pub parties: Parties,
    /// The invite itself.
    pub invite: Invite,
    /// How long ago the invite was sent, by the homeserver's word and the time it has waited here.
    pub age: Duration,
}

/// Everything that is known of a call that an earlier run of this bridge had answered.
#[derive(Debug, Clone)]
pub struct Inherited {
    /// Who takes part.
    pub parties: Parties,
    /// Whether the caller's microphone is muted.
    pub muted: bool,
    /// What the caller described last, be it an offer or an answer.
    pub theirs: String,
    /// Whether that is an offer that nobody has answered.
    pub unanswered: bool,
    /// What the bridge described last.
    pub ours: String,
}

/// What can happen to a call.
#[derive(Debug, Clone)]
pub enum Input {
    /// An event of this call, from anybody.
    Event {
        /// Who sent it.
        sender: String,
        /// How old it is.
        age: Duration,
        /// What it says.
        event: CallEvent,
    },
    /// The way to the other network is open: the call can be answered.
    ChannelOpen,
    /// The way to the other network was refused, or is closed for good.
    ChannelEnded(ChannelEnd),
    /// The answer that [`Action::Accept`] or [`Action::Renegotiate`] asked for.
    Described(Description),
    /// The offer that [`Action::Propose`] asked for.
    Proposed(Description),
    /// The caller's description cannot be used.
    Unusable,
    /// Media can flow.
    Connected,
    /// The media path broke; it may come back.
    Disconnected,
    /// The media session is over.
    MediaFailed(MediaFailure),
    /// An event of ours could not be sent.
    SendFailed,
    /// The caller is no longer in the room.
    MemberLeft,
    /// End the call from this side.
    HangUp(EndReason),
    /// A deadline has passed.
    Timeout,
}

/// Why there is no way to the other network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelEnd {
    /// It is full.
    Busy,
    /// Any other rejection.
    Refused,
    /// It was open, and the other side ended it.
    Closed,
}

/// Why the media session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFailure {
    /// The peer ended it (DTLS close).
    ClosedByPeer,
    /// It can go no further, by its own fault or the peer's.
    Broken,
}

/// A session description of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The SDP.
    pub sdp: String,
    /// The id of the stream in it, which names it in the metadata.
    pub stream_id: String,
}

/// What the driver of the machine must do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask for the way to the other network; the reply is `ChannelOpen` or `ChannelEnded`.
    AskChannel,
    /// Make the media session from this offer; the reply is `Described` or `Unusable`.
    Accept {
        /// The caller's offer.
        sdp: String,
    },
    /// Apply a new offer to the media session; the reply is `Described` or `Unusable`.
    Renegotiate {
        /// The caller's offer.
        sdp: String,
    },
    /// Make a media session for a call whose earlier one is lost, without anything agreed on yet.
    Resume {
        /// The description whose stream the voice goes on under.
        ours: String,
    },
    /// Offer the caller to connect to the new media session; the reply is `Proposed` or `Unusable`.
    Propose {
        /// What the caller described last.
        theirs: String,
    },
    /// Apply the caller's answer to the media session; the reply, if it cannot be done, is `Unusable`.
    Conclude {
        /// The caller's answer.
        sdp: String,
    },
    /// Give the caller's candidates to the media session.
    AddCandidates(Vec<IceCandidate>),
    /// Send an event to the room.
    Send(CallEvent),
    /// The caller's microphone was muted or unmuted.
    Muted(bool),
    /// Tell the room what went wrong.
    Notify(Trouble),
    /// Something came that has no place here; count it.
    Ignored(Ignored),
    /// The call is over: tear everything down. Nothing follows.
    End(EndReason),
}

/// What the room's people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The offer has nothing that this bridge can answer.
    UnusableOffer,
}

/// Why an input was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Our own event, come back.
    OwnEcho,
    /// From a user or device that is not in this call.
    OtherParty,
    /// Not meant for the state the call is in.
    OutOfPlace,
    /// Its lifetime is over.
    Expired,
    /// More candidates than any client has.
    TooMany,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The caller hung up.
    HungUp,
    /// The caller took somebody else's answer.
    AnsweredElsewhere,
    /// The caller left the room.
    MemberLeft,
    /// The invite's lifetime ran out before there was a way to the other network.
    InviteExpired,
    /// There is no way to the other network.
    ChannelEnded,
    /// The offer could not be answered.
    UnusableOffer,
    /// Media never connected.
    NeverConnected,
    /// Media broke and did not come back.
    MediaLost,
    /// The media session failed.
    MediaFailed,
    /// The caller ended the media session, and said nothing.
    MediaClosed,
    /// The room does not take our events.
    SendFailed,
    /// The same device placed another call.
    Superseded,
    /// The bridge stops, or no longer serves the room.
    Stopping,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The invite stops ringing.
    InviteExpires,
    /// Media must have connected.
    Connect,
    /// Media must have come back.
    Reconnect,
    /// The caller must have answered a bridge that takes over.
    TakeOver,
    /// The caller's hangup should have come.
    Goodbye,
}
