//! The messages of a group between the voice gateway and its members, and how they look on a websocket.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::tls::{Reader, write_vector};
use crate::{envelope::DecodeError, voice::protocol::Op};

/// What the gateway tells a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ToMember {
    /// Op 21: the call will use another protocol version.
    PrepareTransition { id: u16, version: u16 },
    /// Op 22: what was prepared takes effect.
    ExecuteTransition { id: u16 },
    /// Op 24: with epoch 1, a new group is made.
    PrepareEpoch { version: u16, epoch: u64 },
    /// Op 25: who the gateway is in a group.
    ExternalSender(Arc<[u8]>),
    /// Op 27.
    Proposals(Proposals),
    /// Op 29: the commit that won.
    AnnounceCommit { transition: u16, commit: Arc<[u8]> },
    /// Op 30: the way into the group.
    Welcome { transition: u16, welcome: Vec<u8> },
}

/// How a message is written: JSON, or binary behind its operation.
#[derive(Debug)]
pub(crate) enum Written {
    Json(Op, Value),
    Binary(Op, Vec<u8>),
}

impl ToMember {
    /// The message for a websocket.
    pub(crate) fn write(&self) -> Written {
        match self {
            Self::PrepareTransition { id, version } => Written::Json(
                Op::DavePrepareTransition,
                json!({"transition_id": id, "protocol_version": version}),
            ),
            Self::ExecuteTransition { id } => Written::Json(Op::DaveExecuteTransition, json!({"transition_id": id})),
            Self::PrepareEpoch { version, epoch } => Written::Json(
                Op::DavePrepareEpoch,
                json!({"protocol_version": version, "epoch": epoch}),
            ),
            Self::ExternalSender(package) => Written::Binary(Op::DaveExternalSender, package.to_vec()),
            Self::Proposals(Proposals { operation, list }) => {
                let binary = [&[*operation as u8][..], list].concat();
                Written::Binary(Op::DaveProposals, binary)
            }
            Self::AnnounceCommit { transition, commit } => {
                Written::Binary(Op::DaveAnnounceCommit, behind(*transition, commit))
            }
            Self::Welcome { transition, welcome } => Written::Binary(Op::DaveWelcome, behind(*transition, welcome)),
        }
    }
}

/// What is to be done with a list of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    /// They count from now on.
    Append = 0,
    /// They count no longer.
    Revoke = 1,
}

/// Proposals to append, or references of those to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposals {
    pub(crate) operation: Operation,
    /// The list with its length in front.
    pub(crate) list: Vec<u8>,
}

impl Proposals {
    /// Appends proposals; `None` when there are none.
    pub(crate) fn append<'a>(messages: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        Self::new(Operation::Append, &messages.collect::<Vec<_>>().concat())
    }

    /// Revokes proposals by their references; `None` when there are none.
    pub(crate) fn revoke<'a>(references: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut elements = Vec::new();
        for reference in references {
            write_vector(&mut elements, reference);
        }
        Self::new(Operation::Revoke, &elements)
    }

    fn new(operation: Operation, elements: &[u8]) -> Option<Self> {
        let mut list = Vec::new();
        write_vector(&mut list, elements);
        (!elements.is_empty()).then_some(Self { operation, list })
    }
}

fn behind(transition: u16, message: &[u8]) -> Vec<u8> {
    [&transition.to_be_bytes()[..], message].concat()
}

/// What a member tells the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromMember {
    /// Op 23.
    Ready { transition: u16 },
    /// Op 26.
    KeyPackage(Vec<u8>),
    /// Op 28: a commit and, behind it, the welcome if there is one.
    CommitWelcome(Vec<u8>),
    /// Op 31.
    Invalid { transition: u16 },
}

#[derive(Deserialize)]
struct Transition {
    transition_id: u16,
}

impl FromMember {
    /// Reads ops 23 and 31.
    pub(crate) fn from_json(op: u64, data: Value) -> Result<Self, DecodeError> {
        let Transition { transition_id } = serde_json::from_value(data).map_err(|_| DecodeError::Malformed)?;
        match op {
            23 => Ok(Self::Ready {
                transition: transition_id,
            }),
            31 => Ok(Self::Invalid {
                transition: transition_id,
            }),
            _ => Err(DecodeError::UnknownOperation),
        }
    }

    /// Reads ops 26 and 28.
    pub(crate) fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let op = reader.u8().map_err(|_| DecodeError::Malformed)?;
        match op {
            26 => Ok(Self::KeyPackage(reader.rest().to_vec())),
            28 => Ok(Self::CommitWelcome(reader.rest().to_vec())),
            _ => Err(DecodeError::Malformed),
        }
    }
}
