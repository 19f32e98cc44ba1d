//! Events that the homeserver sends later, or keeps for newcomers: MSC4140 (delayed) and MSC4354 (sticky).

use std::time::Duration;

use reqwest::Method;
use ruma::{OwnedEventId, RoomId, TransactionId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::MatrixClient;
use crate::matrix::MatrixError;

const DELAY: &str = "org.matrix.msc4140.delay";
const STICKY: &str = "org.matrix.msc4354.sticky_duration_ms";

/// What a homeserver says to an event that is to be sent later.
#[derive(Deserialize)]
struct Delayed {
    /// Missing where the server knew nothing of delays and sent the event at once.
    delay_id: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    event_id: OwnedEventId,
}

impl MatrixClient {
    /// Has a piece of a room's state set after `delay`, and returns the name by which that can be put off again.
    ///
    /// `None`: the homeserver does not know MSC4140, and has set the state at once.
    pub async fn send_state_later(
        &self,
        room: &RoomId,
        kind: &str,
        state_key: &str,
        content: &impl Serialize,
        delay: Duration,
    ) -> Result<Option<String>, MatrixError> {
        let path = ["v3", "rooms", room.as_str(), "state", kind, state_key];
        let body = value(content)?;
        let answer: Delayed = self
            .proposed(Method::PUT, &path, &[(DELAY, &millis(delay))], Some(&body))
            .await?;
        Ok(answer.delay_id)
    }

    /// Sends an event that the homeserver gives to newcomers too, for as long as it is `sticky`.
    pub async fn send_sticky(
        &self,
        room: &RoomId,
        kind: &str,
        content: &impl Serialize,
        sticky: Duration,
    ) -> Result<OwnedEventId, MatrixError> {
        let transaction = TransactionId::new();
        let path = ["v3", "rooms", room.as_str(), "send", kind, transaction.as_str()];
        let body = value(content)?;
        let answer: Sent = self
            .proposed(Method::PUT, &path, &[(STICKY, &millis(sticky))], Some(&body))
            .await?;
        Ok(answer.event_id)
    }

    /// Has a sticky event sent after `delay`; see [`MatrixClient::send_state_later`].
    pub async fn send_sticky_later(
        &self,
        room: &RoomId,
        kind: &str,
        content: &impl Serialize,
        sticky: Duration,
        delay: Duration,
    ) -> Result<Option<String>, MatrixError> {
        let transaction = TransactionId::new();
        let path = ["v3", "rooms", room.as_str(), "send", kind, transaction.as_str()];
        let query = [(STICKY, &*millis(sticky)), (DELAY, &*millis(delay))];
        let answer: Delayed = self
            .proposed(Method::PUT, &path, &query, Some(&value(content)?))
            .await?;
        Ok(answer.delay_id)
    }

    /// Puts a delayed event off: its time starts anew.
    pub async fn restart_delayed(&self, delay_id: &str) -> Result<(), MatrixError> {
        self.update_delayed(delay_id, "restart").await
    }

    /// Takes a delayed event back.
    pub async fn cancel_delayed(&self, delay_id: &str) -> Result<(), MatrixError> {
        self.update_delayed(delay_id, "cancel").await
    }

    /// Has a delayed event sent now.
    pub async fn send_delayed_now(&self, delay_id: &str) -> Result<(), MatrixError> {
        self.update_delayed(delay_id, "send").await
    }

    /// Older homeservers want the action in the body, and know the newer path under no method or want a token there.
    async fn update_delayed(&self, delay_id: &str, action: &str) -> Result<(), MatrixError> {
        let path = ["unstable", "org.matrix.msc4140", "delayed_events", delay_id, action];
        let nothing = json!({});
        let newer = self.proposed::<Value>(Method::POST, &path, &[], Some(&nothing)).await;
        let answer = match newer {
            Err(error) if is_of_older_server(&error) => {
                let [older @ .., _] = path;
                let body = json!({ "action": action });
                self.proposed::<Value>(Method::POST, &older, &[], Some(&body)).await
            }
            other => other,
        };
        answer.map(drop)
    }
}

fn is_of_older_server(error: &MatrixError) -> bool {
    matches!(error, MatrixError::Refused { code, .. } if code == "M_UNRECOGNIZED" || code == "M_MISSING_TOKEN")
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn value(content: &impl Serialize) -> Result<Value, MatrixError> {
    serde_json::to_value(content).map_err(|error| MatrixError::Request(error.to_string()))
}
