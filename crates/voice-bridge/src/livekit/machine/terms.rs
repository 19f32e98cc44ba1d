//! What the machine is told, what it wants done, and what it tells.

use crate::livekit::message::{Access, Attribute, Description, FromServer, LeaveReason, Loudness, Side, ToServer};

/// A track, by its id, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackRef {
    /// Who publishes it.
    pub identity: String,
    /// The server's id of it; a track that is published again has another one.
    pub sid: String,
}

/// What is told of a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// We are in the room, for the first time or anew. Who else is there follows as [`Joined`](Self::Joined).
    Entered {
        /// The room's name, as the server says.
        room: String,
        /// Our identity, as the server says.
        identity: String,
    },
    /// Our voice gets through, for the first time or again; where we only listen, the voices of others can.
    Connected,
    /// That is over. It comes back by itself, or the session ends.
    Interrupted,
    /// The session was resumed: as the same participant, and our voice on a new path.
    Resumed,
    /// Somebody has joined.
    Joined {
        /// Who.
        identity: String,
    },
    /// Somebody has left.
    Left {
        /// Who.
        identity: String,
    },
    /// Somebody has an audio track, which will be heard.
    TrackStarted(TrackRef),
    /// An audio track is gone.
    TrackEnded(TrackRef),
    /// Somebody has muted or unmuted his track.
    TrackMuted {
        /// Which.
        track: TrackRef,
        /// Whether it is muted now.
        muted: bool,
    },
    /// Whose loudness has changed, by identity, our own included.
    Speakers(Vec<(String, Loudness)>),
    /// A moderator has muted or unmuted our track.
    MutedByServer(bool),
    /// The server does not take the token. Nothing happens until another one is given.
    AccessRefused,
    /// The session is over. Nothing follows.
    Ended(EndReason),
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// We left.
    Left,
    /// The server wanted it.
    ByServer(LeaveReason),
}

/// What the machine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The signal connection is open.
    Opened,
    /// The signal connection could not be opened, or is lost.
    Closed(SignalLoss),
    /// The server says something.
    Message(FromServer),
    /// The state of a peer connection.
    Path {
        /// Which.
        side: Side,
        /// Its state.
        state: PathState,
    },
    /// The reply to [`Action::Offer`].
    Offered {
        /// Our offer.
        sdp: String,
        /// The id of our track in it.
        track: String,
    },
    /// The reply to [`Action::Accept`].
    Answered(Description),
    /// The reply to an action with a description that WebRTC does not take.
    Unusable(Side),
    /// Our track is to be shown as muted, or not.
    Mute(bool),
    /// Others are to be shown this about us, also after we had to join anew.
    Describe(Attribute),
    /// Look for new media paths.
    Restart,
    /// Another token, to be used from the next connection on.
    Renew(Access),
    /// Say goodbye and end.
    Leave,
    /// A deadline has come.
    Timeout,
}

/// Why there is no signal connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalLoss {
    /// The server refuses the token.
    Denied,
    /// There is no server, or it has gone.
    Lost,
}

/// How a peer connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// Media flows.
    Up,
    /// It does not, and may again.
    Down,
    /// It never will.
    Failed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Open a signal connection, in the place of the one there is.
    Open {
        /// Where, and with which token.
        access: Access,
        /// The presence to be resumed.
        resume: Option<String>,
    },
    /// Close the signal connection.
    Close,
    /// Send a message.
    Send(ToServer),
    /// Tell those who are in the room, beside our voice: the token does not let us set the attribute. The last one counts.
    Note(Attribute),
    /// Make new peer connections, in the place of those there are.
    Prepare,
    /// Drop the peer connections.
    DropMedia,
    /// Offer our voice; replied to by [`Input::Offered`] or [`Input::Unusable`].
    Offer {
        /// Whether only a new path is to be found.
        restart: bool,
    },
    /// Take the server's answer to it; replied to only if it cannot be used.
    Conclude {
        /// The answer.
        sdp: String,
    },
    /// Answer the server's offer; replied to by [`Input::Answered`] or [`Input::Unusable`].
    Accept(Description),
    /// Use one of the server's candidates.
    AddCandidate {
        /// For which peer connection.
        side: Side,
        /// The candidate line.
        line: String,
    },
    /// Tell the owner of the session.
    Tell(Event),
    /// Count something that has no effect.
    Count(Oddity),
}

/// Things that have no effect, and should not happen often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// An answer to none of our offers.
    StrayAnswer,
    /// A track that the server does not let us hear.
    SubscriptionFailed,
    /// More candidates than are kept.
    TooManyCandidates,
    /// An attribute that our token does not let us set.
    AttributeRefused,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The next try.
    Retry,
    /// The signal connection should be open.
    Opening,
    /// The server should have greeted.
    Greeting,
    /// The next ping.
    Ping,
    /// The last ping should have been answered.
    Pong,
    /// A media path should be up.
    Media,
}

/// How our voice is announced to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// The track's name, which clients may show.
    pub name: String,
    /// Whether its packets may be stereo.
    pub stereo: bool,
}
