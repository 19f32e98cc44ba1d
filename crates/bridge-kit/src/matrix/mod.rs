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

pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        "vdp_matrix_retries_total",
        "Requests to the homeserver that were sent again"
    );
    metrics::describe_histogram!(
        "vdp_matrix_request_seconds",
        metrics::Unit::Seconds,
        "Time from a request to the homeserver to its answer, one attempt"
    );
    metrics::describe_counter!(
        "vdp_matrix_transactions_total",
        "Transactions of the homeserver, by outcome"
    );
    metrics::describe_counter!("vdp_matrix_events_total", "Events in transactions, by outcome");
    metrics::describe_counter!("vdp_matrix_invitations_total", "Invitations of the bot, by answer");
    metrics::describe_counter!(
        "vdp_matrix_chores_dropped_total",
        "Invitations that came too fast to be answered"
    );
    metrics::describe_counter!(
        "vdp_control_ignored_total",
        "What was ignored around the control room, by reason"
    );
}
