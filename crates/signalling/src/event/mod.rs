//! The events that two bridges exchange in their control room.

mod audience;
mod error;
mod extensions;
mod fields;
mod json;
mod member;
pub mod names;
mod person;
mod share;
mod state;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

pub use audience::{Audience, BITRATES};
pub use error::{EventError, Problem};
pub use extensions::Extensions;
pub use member::Member;
pub use person::{Avatar, MAX_AVATAR, MAX_NAME, Person, SpeakerId};
pub use share::KeyShare;
pub use state::{ChannelRecord, Mark};

use self::fields::is_code;
use crate::code::{BrokenReason, CloseReason, Format, RejectReason};

/// The version of the protocol that this crate speaks; every event carries it.
pub const VERSION: u64 = 1;

/// The longest room id, in bytes (Matrix's own limit).
pub const MAX_ROOM_ID: usize = 255;

/// The longest transaction id, in bytes.
pub const MAX_TRANSACTION_ID: usize = 128;

/// The most people that an event names.
pub const MAX_PEOPLE: usize = 256;

/// One event: what all of them carry (requirement S4), and what this kind adds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// What every event carries beside the version.
    pub header: Header,
    /// What this kind of event says.
    pub body: Body,
}

/// What every event carries beside the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    /// The bridged room that the channel carries.
    pub room_id: String,
    /// Chosen by the asking side; ties everything about one channel together, through all its epochs.
    pub transaction_id: TransactionId,
    /// The format of the channel; in a request, the one the asking side likes best.
    pub format: Format,
}

/// What a kind of event says beside its [`Header`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Body {
    /// The asking side wants a channel, or the next epoch of one.
    Request(Request),
    /// The answering side offers its end of an epoch.
    Offer(Offer),
    /// The asking side answers with its own end.
    Accept(Accept),
    /// The answering side refuses.
    Reject(Refusal),
    /// The answering side tells who is in the voice channel.
    People(Vec<Person>),
    /// One side tells for whom it takes in the other's voice, as long as an epoch is open.
    Audience(Channel, Audience),
    /// One side finds that an epoch does not work.
    Broken(Broken),
    /// One side is done with the channel.
    Close(Close),
}

/// The asking side wants a channel, or the next epoch of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The formats that the asking side can do, the one it likes best first.
    pub formats: Vec<Format>,
    /// The highest epoch the asking side knows of for this room, 0 if none: the offer's must be above it.
    pub after_epoch: u32,
}

/// The answering side's end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Offer {
    /// Which channel, and which epoch of it.
    pub channel: Channel,
    /// The answering side's end.
    pub end: End,
}

/// The asking side's end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Accept {
    /// The channel of the offer that is accepted.
    pub channel: Channel,
    /// The asking side's end.
    pub end: End,
}

/// One side's end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct End {
    /// Where it hears.
    pub address: SocketAddr,
    /// Its key share, new for every epoch, where the format is sealed.
    pub share: Option<KeyShare>,
    /// Which further keys of packets it can do.
    pub extensions: Extensions,
}

/// Why no channel is opened (requirement S8).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// For programs.
    pub reason: RejectReason,
    /// For people; may be empty.
    pub text: String,
    /// How long to wait before it makes sense to ask again, in whole seconds, where that is known.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a text for people.
    pub fn new(reason: RejectReason, text: impl Into<String>) -> Self {
        Self {
            reason,
            text: text.into(),
            retry_after: None,
        }
    }

    /// Says how long to wait before it makes sense to ask again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }
}

/// Why an epoch does not work any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Broken {
    /// The channel that broke.
    pub channel: Channel,
    /// For programs.
    pub reason: BrokenReason,
    /// For people; may be empty.
    pub text: String,
}

/// Why a channel is over for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Close {
    /// The last epoch that the sender knows of; absent where it has seen no offer.
    pub channel: Option<Channel>,
    /// For programs.
    pub reason: CloseReason,
    /// For people; may be empty.
    pub text: String,
}

/// One epoch of a room's channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel {
    /// New for every room and epoch.
    pub id: ChannelId,
    /// Counts from 1; rises with every renegotiation.
    pub epoch: u32,
}

/// Names one epoch of one room's channel: eight bytes, written as 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl ChannelId {
    /// Reads the 16 hexadecimal digits; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(digits) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

/// Ties a request to everything that follows from it; unique for the asking side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(String);

impl TransactionId {
    /// Takes an id of 1 to [`MAX_TRANSACTION_ID`] bytes of visible ASCII; anything else is none.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        let fits = (1..=MAX_TRANSACTION_ID).contains(&id.len());
        (fits && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(id))
    }

    /// An id from a random number.
    pub fn from_number(number: u128) -> Self {
        Self(format!("{number:032x}"))
    }

    /// The id as it stands in events.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names somebody on the answering side as that side does, for Discord by his user id: 1 to 64 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(String);

impl PersonId {
    /// Takes an id; none where it cannot be one.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        is_code(&id).then_some(Self(id))
    }

    /// The id as it stands in events.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Event {
    /// The event's type.
    pub const fn kind(&self) -> &'static str {
        match self.body {
            Body::Request(_) => names::REQUEST,
            Body::Offer(_) => names::OFFER,
            Body::Accept(_) => names::ACCEPT,
            Body::Reject(_) => names::REJECT,
            Body::People(_) => names::PEOPLE,
            Body::Audience(..) => names::AUDIENCE,
            Body::Broken(_) => names::BROKEN,
            Body::Close(_) => names::CLOSE,
        }
    }

    /// Whether its transaction is over with it, whichever side said it.
    pub const fn is_final(&self) -> bool {
        matches!(self.body, Body::Reject(_) | Body::Close(_))
    }

    /// Whether it ends a transaction because another took its place.
    pub(crate) fn is_superseded(&self) -> bool {
        matches!(&self.body, Body::Close(close) if close.reason == CloseReason::Superseded)
    }
}
