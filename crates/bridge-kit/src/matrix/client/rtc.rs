//! What calls over an SFU need of a homeserver: proof of who we are, and the SFUs that it names.

use std::time::Duration;

use reqwest::Method;
use ruma::OwnedServerName;
use ruma::api::client::account::request_openid_token;
use serde_json::Value;

use super::MatrixClient;
use crate::config::Secret;
use crate::matrix::MatrixError;

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
}
