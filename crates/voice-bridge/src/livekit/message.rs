//! What a LiveKit server and its client say to each other, as far as voice needs it.

use std::fmt;
use std::time::Duration;

use crate::reach::Reach;

/// Which of the two peer connections something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Carries our voice. We offer.
    Publisher,
    /// Carries everybody else's. The server offers.
    Subscriber,
}

/// An offer or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Number of the offer, which its answer repeats; 0 from servers that do not number.
    pub id: u32,
    /// The session description.
    pub sdp: String,
}

/// An audio track of a participant. Tracks of other kinds are not read at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The server's id of it.
    pub sid: String,
    /// Whether its owner has muted it.
    pub muted: bool,
    /// Whether its packets are encrypted from end to end, and so cannot be understood here.
    pub encrypted: bool,
}

/// A participant, as the server describes him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The server's id of his presence: another one each time that he joins.
    pub sid: String,
    /// Who he is, as his token says.
    pub identity: String,
    /// Counts what the server said of him: a lower number than before is old news.
    pub version: u32,
    /// Whether he has left.
    pub gone: bool,
    /// His audio tracks.
    pub tracks: Vec<Track>,
}

/// How loud somebody speaks, measured by the server from the audio level header of his packets.
#[derive(Debug, Clone, PartialEq)]
pub struct Loudness {
    /// Whose presence.
    pub sid: String,
    /// 0 to 1, where 1 is loudest.
    pub level: f32,
    /// Whether the server takes him for an active speaker.
    pub active: bool,
}

/// The answer to a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The room's name.
    pub room: String,
    /// Our identity.
    pub identity: String,
    /// The id of our presence, which a resume names.
    pub sid: String,
    /// Who else is in the room.
    pub people: Vec<Person>,
    /// How often to ping.
    pub ping_interval: Duration,
    /// How long an answer may take.
    pub ping_timeout: Duration,
}

/// What the server wants when it ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveAction {
    /// To be left alone.
    Disconnect(LeaveReason),
    /// The same session on a new connection.
    Resume,
    /// A new session.
    Reconnect,
}

/// Why the server wants to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// Somebody has joined with the same identity.
    DuplicateIdentity,
    /// The server stops.
    Shutdown,
    /// We were removed.
    Removed,
    /// The room was closed.
    RoomClosed,
    /// Something else.
    Other,
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum FromServer {
    /// The answer to a join.
    Welcome(Welcome),
    /// The answer to a resume.
    Resumed,
    /// The server's offer for the subscriber connection.
    Offer(Description),
    /// The server's answer for the publisher connection.
    Answer(Description),
    /// One of the server's ICE candidates.
    Candidate {
        /// For which connection.
        side: Side,
        /// The candidate line; empty at the end of the list.
        line: String,
    },
    /// What is new about participants; those who are not mentioned have not changed.
    People(Vec<Person>),
    /// Our track is known.
    Published {
        /// Our own id of it.
        ours: String,
        /// The server's id of it.
        sid: String,
    },
    /// Our track is no longer known.
    Unpublished {
        /// The server's id of it.
        sid: String,
    },
    /// A moderator mutes or unmutes our track.
    Muted {
        /// The server's id of it.
        sid: String,
        /// Whether it is muted.
        muted: bool,
    },
    /// Whose loudness has changed.
    Speakers(Vec<Loudness>),
    /// A new token in the place of ours.
    Token(String),
    /// The session ends.
    Leave(LeaveAction),
    /// The answer to a ping.
    Pong,
    /// A track cannot be subscribed to.
    SubscriptionFailed {
        /// The server's id of it.
        sid: String,
    },
    /// Our token does not let us change attributes of ours.
    AttributeRefused,
    /// Something that does not concern voice.
    Other,
}

/// A message to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToServer {
    /// Our offer for the publisher connection.
    Offer(Description),
    /// Our answer for the subscriber connection.
    Answer(Description),
    /// Announces our microphone track.
    Publish(Publication),
    /// Shows whether our track is muted.
    Mute {
        /// The server's id of it.
        sid: String,
        /// Whether it is muted.
        muted: bool,
    },
    /// Sets an attribute of ours, which everybody else is shown.
    SetAttribute(Attribute),
    /// Asks for tracks of one participant.
    Subscribe {
        /// The id of his presence.
        person: String,
        /// The ids of his tracks.
        tracks: Vec<String>,
    },
    /// What we have, after a resume.
    Sync(Standing),
    /// Asks whether the server is there.
    Ping {
        /// Milliseconds by a clock of our own.
        timestamp: i64,
        /// How long the last answer took, in milliseconds.
        rtt: i64,
    },
    /// Says goodbye.
    Leave,
}

/// A text about a participant, under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// The text.
    pub value: String,
}

/// How our voice is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Our own id of the track, which the offer repeats.
    pub cid: String,
    /// The name that clients may show.
    pub name: String,
    /// Whether packets may be stereo.
    pub stereo: bool,
    /// Whether it starts muted.
    pub muted: bool,
}

/// What a client believes to have when it resumes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Our track by both of its ids, if it was published.
    pub published: Option<(String, String)>,
    /// The tracks that are subscribed to, by the presence of their owner.
    pub subscribed: Vec<(String, Vec<String>)>,
}

/// Where the server is, and the leave to enter a room of it. The room and our identity are in the token, which only
/// the server reads; it repeats them in its [`Welcome`].
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// `wss://…` or `ws://…`.
    pub url: String,
    /// A JWT.
    pub token: String,
    /// How far the bridge goes for whoever named the server.
    pub reach: Reach,
    /// Whether the token lets us set attributes of ours.
    pub attributes: bool,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("url", &self.url).finish_non_exhaustive()
    }
}
