//! What calls over an SFU need of a homeserver: proof of who we are, the SFUs that it names, who is in a call.

use std::time::Duration;

use reqwest::Method;
use ruma::api::client::account::request_openid_token;
use ruma::{OwnedServerName, RoomId};
use serde_json::{Value, json};

use super::MatrixClient;
use crate::config::Secret;
use crate::matrix::{MatrixError, RoomEvent};

/// Proves to a third party which user we are, without giving it power over that user.
#[derive(Debug, Clone)]
pub struct OpenIdToken {
    /// The token itself.
    pub access_token: Secret,
    /// How it is to be used; `Bearer`.
    pub token_type: String,
    /// The homeserver that vouches for us.
    pub matrix_server_name: OwnedServerName,
    /// How long it does.
    pub expires_in: Duration,
}

impl MatrixClient {
    /// Asks for a token that proves to others which user this client acts as.
    pub async fn openid_token(&self) -> Result<OpenIdToken, MatrixError> {
        let request = request_openid_token::v3::Request::new(self.user().to_owned());
        let answer = self.request(request).await?;
        Ok(OpenIdToken {
            access_token: Secret::new(answer.access_token),
            token_type: answer.token_type.to_string(),
            matrix_server_name: answer.matrix_server_name,
            expires_in: answer.expires_in,
        })
    }

    /// The means of carrying calls that the homeserver names for its users (MSC4143), not looked into.
    pub async fn rtc_transports(&self) -> Result<Value, MatrixError> {
        let path = ["unstable", "org.matrix.msc4143", "rtc", "transports"];
        self.proposed(Method::GET, &path, &[], None).await
    }

    /// What the homeserver publishes about itself under `/.well-known/matrix/client`, not looked into.
    pub async fn well_known(&self) -> Result<Value, MatrixError> {
        self.published(&[".well-known", "matrix", "client"]).await
    }

    /// Reads the sticky events (MSC4354) of a room that are still in force, the oldest first. Transactions bring each
    /// of them once, and not those that were sent before the bridge came. Events that make no sense are left out.
    pub async fn sticky_events(&self, room: &RoomId) -> Result<Vec<RoomEvent>, MatrixError> {
        let none = json!({ "types": [] });
        let filter = json!({
            "account_data": none,
            "presence": none,
            "room": { "rooms": [room], "state": none, "timeline": none, "ephemeral": none, "account_data": none },
        });
        let query = [("filter", &*filter.to_string()), ("timeout", "0")];
        let answer: Value = self.proposed(Method::GET, &["v3", "sync"], &query, None).await?;
        let joined = answer.pointer("/rooms/join").and_then(|rooms| rooms.get(room.as_str()));
        let sticky = joined.and_then(|room| room.get("msc4354_sticky").or_else(|| room.get("sticky")));
        let events = sticky.and_then(|sticky| sticky.get("events")?.as_array());
        let read = |event: &Value| RoomEvent::from_json(event.clone(), Some(room)).ok();
        Ok(events.into_iter().flatten().filter_map(read).collect())
    }
}
