//! The Matrix end of a bridge: client, transactions, control room, links between rooms and voice channels.
//!
//! [`MatrixEnd`] starts all of it; the parts can be used by themselves.

mod appservice;
mod backoff;
mod client;
mod control;
mod end;
mod error;
mod event;
mod invites;
mod links;
mod notices;
mod seen;

pub use ruma::{EventId, OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, UserId};

pub(crate) use self::appservice::Receiving;
pub use self::appservice::{Appservice, Connection, StartError};
pub use self::backoff::Backoff;
pub use self::client::{MatrixClient, OpenIdToken};
pub use self::control::{ControlError, ControlRoom};
pub use self::end::{MatrixEnd, MatrixEvent, MatrixFeed};
pub use self::error::{Fault, MatrixError};
pub use self::event::RoomEvent;
pub use self::invites::{Invites, PeerInviter};
pub use self::links::{Link, LinkChange, LinkSource, Links};
pub use self::notices::Notices;
