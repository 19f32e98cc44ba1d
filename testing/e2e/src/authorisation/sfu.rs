//! A LiveKit, as one may see it who holds its keys.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a token lets somebody in; whoever is in stays in.
const VALID_FOR: Duration = Duration::from_hours(1);
/// How long a call lasts in which nobody is yet.
const EMPTY_FOR: Duration = Duration::from_mins(5);
/// How long it lasts when the last one has left.
const LEFT_FOR: Duration = Duration::from_secs(20);

/// A LiveKit and the key by which it trusts tokens.
#[derive(Clone, Debug)]
pub struct Sfu {
    /// Where clients connect to.
    pub url: String,
    /// Where its own interface is.
    pub api: String,
    /// The name of the key.
    pub key: String,
    /// The key itself.
    pub secret: String,
    /// Whether tokens let people set attributes of theirs, as those of lk-jwt-service do since mid 2026.
    pub lets_set_attributes: Arc<AtomicBool>,
}

impl Sfu {
    /// A token for a participant of a call, who may speak and listen but create no call.
    pub(super) fn entrance(&self, room: &str, identity: &str) -> Result<String> {
        let mut grant = json!({
            "room": room, "roomJoin": true, "canPublish": true, "canSubscribe": true,
        });
        if self.lets_set_attributes.load(Ordering::Relaxed) {
            grant["canUpdateOwnMetadata"] = true.into();
        }
        self.token(identity, &grant)
    }

    /// Creates a call unless it is there already.
    pub(super) async fn create_room(&self, client: &reqwest::Client, room: &str) -> Result<()> {
        let token = self.token("", &json!({ "roomCreate": true }))?;
        let call = json!({
            "name": room, "empty_timeout": EMPTY_FOR.as_secs(), "departure_timeout": LEFT_FOR.as_secs(),
        });
        let url = format!("{}/twirp/livekit.RoomService/CreateRoom", self.api);
        let answer = client.post(url).bearer_auth(token).json(&call).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// A JSON web token. It takes one signature by one algorithm, and nothing is verified here: no more than an HMAC.
    fn token(&self, subject: &str, grant: &Value) -> Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let claims = json!({
            "iss": self.key, "sub": subject, "video": grant,
            "nbf": now.as_secs(), "exp": now.saturating_add(VALID_FOR).as_secs(),
        });
        let part = |content: &Value| URL_SAFE_NO_PAD.encode(content.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(&claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())?;
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok(format!("{signed}.{signature}"))
    }
}
