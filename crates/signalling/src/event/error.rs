//! What can be wrong with an event, and what is said to the one who sent it.

use super::{Body, Event, Header, Refusal, VERSION, names};
use crate::code::{Format, RejectReason};

/// An event that cannot be read: which kind, which field, what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {problem}")]
pub struct EventError {
    /// The event's type.
    pub kind: &'static str,
    /// What is wrong.
    pub problem: Problem,
    /// What could be read of the header, if its ids could be: enough to answer.
    pub(super) header: Option<Box<Header>>,
}

/// What is wrong with an event; a path names a field from the content down, as in `formats[2]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The content is not a JSON object.
    #[error("the content is not an object")]
    NotAnObject,
    /// A field that must be there is not.
    #[error("`{path}` is missing")]
    Missing {
        /// The field.
        path: String,
    },
    /// A field has another JSON type.
    #[error("`{path}` is not {expected}")]
    WrongType {
        /// The field.
        path: String,
        /// The type it must have, with its article.
        expected: &'static str,
    },
    /// A field has the right type and a value that it cannot have.
    #[error("`{path}` is not {expected}")]
    Invalid {
        /// The field.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The event has a version that this side does not speak.
    #[error("version {found} is not spoken here, only version {VERSION}")]
    Version {
        /// The version as it stands in the event.
        found: String,
    },
}

impl EventError {
    /// The rejection to answer with, where the event is a request that says for which room and transaction it asks.
    ///
    /// What else cannot be read gets no answer: the sender repeats it, and ends in a time-out that says so.
    pub fn rejection(&self) -> Option<Event> {
        if self.kind != names::REQUEST {
            return None;
        }
        let reason = match self.problem {
            Problem::Version { .. } => RejectReason::UnsupportedVersion,
            _ => RejectReason::Malformed,
        };
        let header = self.header.as_deref()?.clone();
        Some(Event {
            header,
            body: Body::Reject(Refusal::new(reason, self.to_string())),
        })
    }

    /// The header of an answer needs a format even where the event's own cannot be read.
    pub(super) const FALLBACK_FORMAT: Format = Format::PlainOpus;
}
