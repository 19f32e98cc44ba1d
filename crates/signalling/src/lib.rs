//! Events and state machines by which two bridges agree on a VDP channel, without any I/O.
//!
//! [`Event`] is what goes through the control room, and this crate alone knows it as JSON. [`Asker`] and
//! [`Answerer`] are the two ends of one room's channel. They know no clock, no randomness and no network:
//! time, ids and what happened come in, what to do comes out. `docs/signalling.md` is their specification.

mod answerer;
mod asker;
mod code;
mod event;
mod finished;
mod machine;
#[cfg(test)]
mod model;
mod rules;
mod timing;
mod transcript;

pub use answerer::Answerer;
pub use asker::{Asker, Call};
pub use code::{BrokenReason, CloseReason, Format, RejectReason};
pub use event::{
    Accept, Audience, Avatar, BITRATES, Body, Broken, Channel, ChannelId, ChannelRecord, Close, End, Event, EventError,
    Extensions, Header, KeyShare, MAX_AVATAR, MAX_NAME, MAX_PEOPLE, MAX_ROOM_ID, MAX_TRANSACTION_ID, Mark, Member,
    Offer, Person, PersonId, Problem, Refusal, Request, SpeakerId, TransactionId, VERSION, names,
};
pub use machine::{Action, Connection, Ending, Input, Machine, Notice, Phase, Seal, Side, Status, Timer};
pub use timing::{Backoff, Timing};
