//! What the two machines have in common: what goes in, what comes out, and when they want to be woken.

use std::net::SocketAddr;
use std::time::Instant;

use crate::code::{BrokenReason, CloseReason, Format};
use crate::event::{Audience, Channel, ChannelRecord, End, Event, Extensions, Header, KeyShare, Person, Refusal};

/// One side of one room's channel.
///
/// The shell calls [`handle`](Self::handle) for everything that happens, does all actions in their order, then
/// asks [`poll_timeout`](Self::poll_timeout) and waits for the next input or for that moment.
pub trait Machine {
    /// Takes in what happened and says what to do. What is late, repeated or not expected does nothing.
    #[must_use = "the actions have to be done"]
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Action>;

    /// When, and for which reason, to call `handle` with [`Input::Timeout`] if nothing else happens before.
    ///
    /// To be asked anew after every `handle`.
    #[must_use]
    fn poll_timeout(&self) -> Option<(Instant, Timer)>;

    /// What an event about the open channel carries; none while none is open.
    #[must_use]
    fn header(&self) -> Option<Header>;

    /// Where the machine stands.
    fn status(&self) -> Status;
}

/// What happens to a machine.
///
/// Epochs tie what the shell reports to what the machine asked for; a report on an earlier epoch does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// An event of the configured peer arrived in the control room.
    Received(Event),
    /// Answering side: the room may have a channel, and its voice channel is ready ([`Action::Admit`]).
    Admitted,
    /// Answering side: it may not, or could not.
    Refused(Refusal),
    /// Answering side: the voice channel was lost, and has to be entered anew.
    VoiceLost {
        /// What happened, for people.
        text: String,
    },
    /// Our own end of an epoch is ready ([`Action::Reserve`]).
    Reserved {
        /// The epoch it was reserved for.
        epoch: u32,
        /// Where we hear, as the peer has to send to it, and our key share where the format is sealed.
        end: End,
    },
    /// No address could be reserved, or the link could not be set up.
    Failed {
        /// The epoch it was asked for.
        epoch: u32,
        /// What went wrong, for people.
        text: String,
    },
    /// The first packet of the peer arrived on the link: the way to us works.
    Heard {
        /// The epoch of the link.
        epoch: u32,
    },
    /// The link does not work any more.
    Lost {
        /// The epoch of the link.
        epoch: u32,
        /// How that was noticed.
        reason: BrokenReason,
        /// For people.
        text: String,
    },
    /// Our own side wants the channel closed.
    End {
        /// Why.
        reason: CloseReason,
        /// For people.
        text: String,
    },
    /// The moment of [`Machine::poll_timeout`] has come. Acts if that timer is still running.
    Timeout(Timer),
}

/// What the shell has to do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send this event into the control room. It may get lost: what matters is repeated.
    Send(Event),
    /// Answering side: find out whether the room may have a channel, enter its voice channel (anew, where it was
    /// entered before), and report [`Input::Admitted`] or [`Input::Refused`].
    Admit,
    /// Reserve an address of our own for this epoch, and make a key share where the format is sealed, in place of
    /// any other reservation, and report [`Input::Reserved`] or [`Input::Failed`]. An open link stays until the next
    /// one takes its place.
    Reserve {
        /// The epoch it is for.
        epoch: u32,
        /// What the epoch's packets will look like.
        format: Format,
    },
    /// Turn the reservation into a link, in place of any other, and report [`Input::Heard`], [`Input::Lost`] or
    /// [`Input::Failed`].
    Connect(Connection),
    /// Answering side: remember the open channel in the control room's state, or that there is none.
    Record(Option<Box<ChannelRecord>>),
    /// Tell the program.
    Notify(Notice),
    /// It is over: end reservation and link, leave the voice channel if it was or is being entered, and tell the
    /// program.
    Finish(Ending),
}

/// Both ends of an epoch are known: packets may flow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The channel and its epoch.
    pub channel: Channel,
    /// How its packets look.
    pub format: Format,
    /// Where the peer hears, and sends from.
    pub peer: SocketAddr,
    /// What the keys are made of, where the format is sealed.
    pub seal: Option<Seal>,
    /// Which further keys packets may have: those that both sides can do.
    pub extensions: Extensions,
}

/// What the keys of a sealed epoch are made of, beside this side's own secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal {
    /// The peer's share.
    pub peer: KeyShare,
    /// The SHA-256 of request, offer and accept: equal at both ends, or the keys are not.
    pub transcript: [u8; 32],
}

/// What the program wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Notice {
    /// An epoch is open. The next may open without a [`Notice::Broken`] in between.
    Opened(Connection),
    /// The epoch broke; renegotiation goes on by itself.
    Broken {
        /// How that was noticed.
        reason: BrokenReason,
        /// For people.
        text: String,
        /// Who noticed.
        by: Side,
    },
    /// Asking side: who is in the voice channel now.
    People(Vec<Person>),
    /// For whom the peer takes in our voice, as long as this epoch is open.
    Audience(Audience),
}

/// How the negotiation or the channel ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The answering side refused.
    Rejected(Refusal),
    /// One side closed.
    Closed {
        /// Why.
        reason: CloseReason,
        /// For people.
        text: String,
        /// Who closed.
        by: Side,
    },
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// This bridge.
    Us,
    /// The other bridge.
    Peer,
}

/// Why a machine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Asking side: no offer came; ask again.
    RequestRepeat,
    /// Answering side: no accept came; offer again.
    OfferRepeat,
    /// Answering side: the decision takes too long.
    Admission,
    /// Answering side: the next step of a renegotiation may be taken now.
    Renegotiate,
    /// Nothing came of it for too long: close, and say so.
    GiveUp,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// Which state.
    pub phase: Phase,
    /// The highest epoch that was negotiated so far; 0 if none was.
    pub epoch: u32,
}

/// The states of both machines, as far as others care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing is wanted.
    Idle,
    /// Asked for, not decided.
    Requested,
    /// One side has offered, the other has not accepted.
    Offered,
    /// Packets flow, or should.
    Open,
    /// It broke; the next epoch is being negotiated.
    Broken,
    /// Over for good.
    Ended,
}

impl Phase {
    /// The phase as one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Requested => "requested",
            Self::Offered => "offered",
            Self::Open => "open",
            Self::Broken => "broken",
            Self::Ended => "ended",
        }
    }
}
