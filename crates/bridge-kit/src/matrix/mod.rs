//! The Matrix end of a bridge: client, transactions, control room, links between rooms and voice channels.

mod backoff;
mod client;
mod error;
mod event;

pub use ruma::{EventId, OwnedEventId, OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, UserId};

pub use self::client::MatrixClient;
pub use self::error::{Fault, MatrixError};
pub use self::event::RoomEvent;

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
}
