//! What the membership of a room needs of the world outside, as narrow traits; tests have fakes.

use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::{Fault, MatrixClient, MatrixError, OwnedEventId, RoomId};
use futures_util::future::BoxFuture;

use super::event::Written;
use super::focus::Focus;
use super::machine::Refusal;
use super::transport::{Caller, Credentials, Transports};

/// How long an event is tried; the machine goes on trying as long as there is a reason to.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long putting the delayed leave off may take: the next attempt may be faster.
const RESTART_WITHIN: Duration = Duration::from_secs(2);
/// How long the homeserver gives sticky events to newcomers: the longest that there is.
const STICKY: Duration = Duration::from_hours(1);

/// Where the bridge's membership is handed in.
pub trait Desk: Send + Sync + 'static {
    /// Sends an event.
    fn put(&self, room: &RoomId, event: Written) -> BoxFuture<'static, Result<OwnedEventId, Refusal>>;

    /// Has an event sent after a while; `None` where it was sent at once.
    fn put_later(
        &self,
        room: &RoomId,
        event: Written,
        delay: Duration,
    ) -> BoxFuture<'static, Result<Option<String>, Refusal>>;

    /// Starts the while anew.
    fn put_off(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>>;

    /// Takes such an event back.
    fn take_back(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>>;
}

/// Where SFUs are found.
pub trait Foci: Send + Sync + 'static {
    /// Finds one to publish on; the best of those that members use comes first.
    fn find_focus(&self, caller: &Caller, offered: Vec<Focus>) -> BoxFuture<'static, Option<Focus>>;
}

impl Desk for MatrixClient {
    fn put(&self, room: &RoomId, event: Written) -> BoxFuture<'static, Result<OwnedEventId, Refusal>> {
        let (client, room) = (self.with_patience(PATIENCE), room.to_owned());
        Box::pin(async move {
            let Written { kind, content, .. } = &event;
            let sent = match &event.state_key {
                Some(key) => client.send_state(&room, kind, key, content).await,
                None => client.send_sticky(&room, kind, content, STICKY).await,
            };
            sent.map_err(|error| refusal(&error))
        })
    }

    fn put_later(
        &self,
        room: &RoomId,
        event: Written,
        delay: Duration,
    ) -> BoxFuture<'static, Result<Option<String>, Refusal>> {
        let (client, room) = (self.with_patience(PATIENCE), room.to_owned());
        Box::pin(async move {
            let Written { kind, content, .. } = &event;
            let taken = match &event.state_key {
                Some(key) => client.send_state_later(&room, kind, key, content, delay).await,
                None => client.send_sticky_later(&room, kind, content, STICKY, delay).await,
            };
            taken.map_err(|error| refusal(&error))
        })
    }

    fn put_off(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>> {
        let (client, id) = (self.impatient(), delay_id.to_owned());
        Box::pin(async move {
            let answer = tokio::time::timeout(RESTART_WITHIN, client.restart_delayed(&id)).await;
            match answer {
                Ok(answer) => answer.map_err(|error| refusal(&error)),
                Err(_) => Err(Refusal::Later),
            }
        })
    }

    fn take_back(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>> {
        let (client, id) = (self.with_patience(PATIENCE), delay_id.to_owned());
        Box::pin(async move { client.cancel_delayed(&id).await.map_err(|error| refusal(&error)) })
    }
}

impl<C: Credentials> Foci for Arc<Transports<C>> {
    fn find_focus(&self, caller: &Caller, offered: Vec<Focus>) -> BoxFuture<'static, Option<Focus>> {
        let (transports, caller) = (Self::clone(self), caller.clone());
        Box::pin(async move { transports.find(&caller, &offered).await })
    }
}

fn refusal(error: &MatrixError) -> Refusal {
    tracing::debug!(%error, "the homeserver does not take a membership");
    match error {
        MatrixError::DelayTooLong { most } => Refusal::DelayTooLong(*most),
        error if error.is_unsupported() => Refusal::Unsupported,
        error if error.is_transient() => Refusal::Later,
        error => match error.fault() {
            Fault::Forbidden => Refusal::Forbidden,
            Fault::NotFound => Refusal::NotFound,
            _ => Refusal::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> MatrixError {
        MatrixError::Refused {
            status,
            code: code.to_owned(),
            message: String::new(),
            retry_after: None,
        }
    }

    #[test]
    fn refusals_say_what_can_be_done() {
        for (error, expected) in [
            (refused(403, "M_FORBIDDEN"), Refusal::Forbidden),
            (refused(404, "M_NOT_FOUND"), Refusal::NotFound),
            (refused(404, "M_UNRECOGNIZED"), Refusal::Unsupported),
            (refused(400, "M_MAX_DELAY_UNSUPPORTED"), Refusal::Unsupported),
            (refused(429, "M_LIMIT_EXCEEDED"), Refusal::Later),
            (refused(502, "M_UNKNOWN"), Refusal::Later),
            (refused(400, "M_BAD_JSON"), Refusal::Other),
        ] {
            assert_eq!(refusal(&error), expected, "{error}");
        }
        let most = Duration::from_secs(3);
        assert_eq!(
            refusal(&MatrixError::DelayTooLong { most }),
            Refusal::DelayTooLong(most)
        );
    }
}
