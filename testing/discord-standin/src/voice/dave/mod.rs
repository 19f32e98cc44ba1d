//! The server's side of DAVE, Discord's end-to-end encryption of voice: the delivery service of one MLS group for each
//! voice channel.
//!
//! A [`Group`] has no clock and no socket: what happens is told to it, and what it wants members to be told is taken
//! from it with [`Group::take_messages`] after every call. The server never holds a key to what is said.

mod commit;
mod frame;
mod group;
mod handshake;
mod message;
mod mls;
mod sender;
mod tls;
mod transition;

pub(crate) use frame::{is_encrypted, is_encrypted_opus};
pub(crate) use group::Group;
pub(crate) use message::{FromMember, Operation, Proposals, ToMember, Written};
pub(crate) use sender::{NoIdentity, Proposer};

/// The highest protocol version that is spoken here.
pub(crate) const VERSION: u16 = 1;
