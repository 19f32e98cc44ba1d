//! Drives the signalling machines: a room's channel from the call for it until it is over.
//!
//! The voice side holds an [`Asker`] and gets a [`Session`] for each call; the Discord side holds an [`Answerer`]
//! and supplies an [`AnswerHandler`] that knows which rooms may have a channel. In between, each room has a task
//! that runs its machine over the control room ([`ControlPort`]) and its voice over the UDP end of VDP. The
//! protocol itself is in the `signalling` crate and in `docs/signalling.md`.

mod answerer;
mod asker;
mod handler;
mod metrics;
mod office;
mod outbox;
mod parked;
mod port;
mod records;
mod registry;
mod room;
mod router;
mod sealing;
mod settings;
mod status;
mod voice;
mod wire;

pub use answerer::Answerer;
pub use asker::{AskError, Asker, Session, SessionEvent};
pub use handler::{AnswerHandler, Entered};
pub use port::{ControlPort, Incoming, PortError, StateEntry};
pub use settings::Settings;
pub use signalling::{
    Audience, Avatar, BrokenReason, CloseReason, Ending, Person, PersonId, Refusal, RejectReason, Side, SpeakerId,
};
pub use status::ChannelStatus;
