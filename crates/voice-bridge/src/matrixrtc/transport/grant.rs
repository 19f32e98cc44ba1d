//! The token for an SFU, and what it says.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_kit::config::Secret;
use reqwest::Url;
use serde::Deserialize;

use super::error::TransportError;
use crate::matrixrtc::moment::Moment;
use crate::reach::Reach;

/// How long a token is taken to hold that does not say so.
const SILENT: Duration = Duration::from_mins(10);

/// Leave to be in one room of an SFU.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The SFU.
    pub url: Url,
    /// Where the bridge may go for it: the authorisation service's word weighs no more than its own address.
    pub reach: Reach,
    /// The token, which the SFU checks. Here it is only read: it is the SFU's secret that signs it.
    pub jwt: Secret,
    /// The room's name at the SFU. Services have changed four times how they make it, so it is never computed.
    pub room: String,
    /// The bridge's identity there.
    pub identity: String,
    /// Whether the bridge may set attributes of its participant.
    pub attributes: bool,
    /// When a new token should be fetched.
    pub refresh_at: Instant,
    /// When this one is over.
    pub expires_at: Instant,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Option<f64>,
    video: Video,
}

#[derive(Deserialize)]
struct Video {
    room: String,
    #[serde(default, rename = "canUpdateOwnMetadata")]
    own_metadata: bool,
}

impl Grant {
    /// Reads an authorisation service's answer.
    pub(super) fn read(now: Moment, reach: Reach, url: &str, jwt: String) -> Result<Self, TransportError> {
        let url = Url::parse(url).map_err(|_| TransportError::Nonsense("`url` is no address"))?;
        reach.check(&url)?;
        let claims = claims(&jwt).ok_or(TransportError::Nonsense("`jwt` cannot be read"))?;
        let expires_at = match claims.exp {
            None => now.instant + SILENT,
            Some(exp) => now
                .when(millis(exp))
                .ok_or(TransportError::Nonsense("`jwt` is over already"))?,
        };
        let lasts = expires_at.saturating_duration_since(now.instant);
        Ok(Self {
            url,
            reach,
            jwt: Secret::new(jwt),
            room: claims.video.room,
            identity: claims.sub,
            attributes: claims.video.own_metadata,
            refresh_at: now.instant + lasts / 4 * 3,
            expires_at,
        })
    }
}

fn claims(jwt: &str) -> Option<Claims> {
    let mut parts = jwt.split('.');
    let (_header, claims) = (parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time out of range becomes the nearest that is in it"
)]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn now() -> Moment {
        Moment {
            instant: Instant::now(),
            unix_ms: NOW_MS,
        }
    }

    /// A token as SFUs' libraries make it; whoever reads it cannot check its end.
    pub(in super::super) fn jwt(claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        format!("{}.{}.c2ln", part(&json!({ "alg": "HS256" })), part(claims))
    }

    fn read(jwt: String) -> Result<Grant, TransportError> {
        Grant::read(now(), Reach::Public, "wss://sfu.example", jwt)
    }

    #[test]
    fn b1_room_and_identity_are_those_of_the_token() {
        let exp = NOW_MS / 1000 + 3600;
        let token = jwt(&json!({ "sub": "@bot:hs:VB", "exp": exp, "video": { "room": "hash", "roomJoin": true } }));
        let grant = read(token).unwrap();
        assert_eq!((grant.room.as_str(), grant.identity.as_str()), ("hash", "@bot:hs:VB"));
        let left = grant.expires_at - grant.refresh_at;
        assert_eq!(left, Duration::from_mins(15));
        assert!(!format!("{grant:?}").contains("c2ln"));
    }

    #[test]
    fn tokens_that_cannot_be_used_are_errors() {
        let video = json!({ "room": "r" });
        for token in [
            String::new(),
            "a.b.c".into(),
            "only.".into(),
            jwt(&json!({ "video": video })),
            jwt(&json!({ "sub": "s" })),
            jwt(&json!({ "sub": "s", "video": video, "exp": NOW_MS / 1000 - 1 })),
            jwt(&json!({ "sub": "s", "video": video, "exp": -1e300 })),
        ] {
            assert!(matches!(read(token), Err(TransportError::Nonsense(_))));
        }
        assert!(read(jwt(&json!({ "sub": "s", "video": video }))).is_ok());
    }

    #[test]
    fn a_service_sends_nobody_where_it_may_not_go_itself() {
        let token = || jwt(&json!({ "sub": "s", "video": { "room": "r" } }));
        for url in ["ws://sfu.example", "wss://10.0.0.1", "https://localhost"] {
            let refused = Grant::read(now(), Reach::Public, url, token());
            assert!(matches!(refused, Err(TransportError::OutOfReach(_))), "{url}");
            assert!(Grant::read(now(), Reach::Anywhere, url, token()).is_ok());
        }
    }
}
