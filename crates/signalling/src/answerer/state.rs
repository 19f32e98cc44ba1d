//! The states of the answering side.

use std::time::Instant;

use crate::code::Format;
use crate::event::{Channel, Offer, TransactionId};
use crate::timing::Repeat;
use crate::transcript::Asked;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    Idle,
    Admitting(Admitting),
    Reserving(Session),
    Offered(Offered),
    Open(Open),
    Waiting(Waiting),
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) transaction_id: TransactionId,
    pub(super) asked: Asked,
    /// What was chosen.
    pub(super) format: Format,
    /// When to give up; none while packets arrive.
    pub(super) give_up: Option<Instant>,
    /// How often the channel was renegotiated since packets last arrived.
    pub(super) renegotiations: u8,
}

/// Asked for; it is being found out whether the room may have a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Admitting {
    pub(super) session: Session,
    pub(super) until: Instant,
}

/// Offered; the peer has not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Offered {
    pub(super) session: Session,
    pub(super) offer: Offer,
    pub(super) repeat: Repeat,
}

/// Accepted; packets flow, or should.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) channel: Channel,
}

/// Broke again at once: the next step waits a little.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) session: Session,
    pub(super) until: Instant,
    pub(super) step: Step,
}

/// How a renegotiation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// The voice channel is lost: it is entered anew, and the next epoch offered then.
    Admit,
    /// The next epoch is offered.
    Offer,
}

impl Session {
    /// Whether a channel of this transaction was offered before.
    pub(super) const fn renegotiates(&self) -> bool {
        self.renegotiations > 0
    }
}

impl State {
    /// The transaction that is going on.
    pub(super) const fn session(&self) -> Option<&Session> {
        match self {
            State::Idle => None,
            State::Admitting(Admitting { session, .. })
            | State::Reserving(session)
            | State::Offered(Offered { session, .. })
            | State::Open(Open { session, .. })
            | State::Waiting(Waiting { session, .. }) => Some(session),
        }
    }

    /// The epoch that is offered or open.
    pub(super) const fn channel(&self) -> Option<Channel> {
        match self {
            State::Offered(Offered { offer, .. }) => Some(offer.channel),
            State::Open(Open { channel, .. }) => Some(*channel),
            State::Idle | State::Admitting(_) | State::Reserving(_) | State::Waiting(_) => None,
        }
    }
}
