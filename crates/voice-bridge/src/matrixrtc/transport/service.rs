//! The authorisation service of an SFU (lk-jwt-service). This module alone knows its JSON.

use std::time::Duration;

use bridge_kit::matrix::{OpenIdToken, OwnedRoomId, OwnedUserId};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::TransportError;
use super::grant::Grant;
use super::transports::Credentials;
use crate::matrixrtc::ROOM_SLOT;
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::moment::Moment;
use crate::reach::{PublicNames, Reach};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read: a token has a kilobyte or two.
const LONGEST_ANSWER: usize = 64 << 10;

/// Who wants to be let in, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The Matrix room.
    pub room: OwnedRoomId,
    /// The bridge's bot.
    pub user: OwnedUserId,
    /// Its device.
    pub device: String,
    /// The id of its membership.
    pub member_id: String,
}

/// By which door. It decides under which identity the SFU shows somebody, and so whether others play what he says:
/// they expect the one that goes with the kind of his membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// `/sfu/get`: user and device, spelled out. For memberships that are state.
    SpelledOut,
    /// `/get_token`: a hash. For memberships that are sticky events.
    Hashed,
}

/// Speaks to authorisation services.
#[derive(Debug, Clone)]
pub(super) struct Services {
    anywhere: Client,
    public: Client,
}

#[derive(Deserialize)]
struct Answer {
    url: String,
    jwt: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    errcode: String,
}

impl Services {
    pub(super) fn new() -> Result<Self, TransportError> {
        // A redirect could lead anywhere, and these services have no use for one. A proxy would look up names by itself.
        let client = || Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let public = client()
            .dns_resolver(std::sync::Arc::new(PublicNames))
            .no_proxy()
            .https_only(true);
        Ok(Self {
            anywhere: client().build().map_err(TransportError::unreachable)?,
            public: public.build().map_err(TransportError::unreachable)?,
        })
    }

    /// Asks for a token. Who is out of reach gets no proof of who we are.
    pub(super) async fn ask(
        &self,
        focus: &Focus,
        reach: Reach,
        entry: Entry,
        caller: &Caller,
        credentials: &impl Credentials,
    ) -> Result<Grant, TransportError> {
        let endpoint = match entry {
            Entry::SpelledOut => "sfu/get",
            Entry::Hashed => "get_token",
        };
        let url = focus.endpoint(endpoint).ok_or(TransportError::Nonsense("no address"))?;
        reach.check(&url)?;
        let openid = credentials.openid_token().await.map_err(TransportError::OpenId)?;
        let body = match entry {
            Entry::SpelledOut => spelled_out(caller, &openid),
            Entry::Hashed => hashed(caller, &openid),
        };
        let request = self.client(reach).post(url).json(&body);
        let response = request.send().await.map_err(TransportError::unreachable)?;
        let Answer { url, jwt } = read(response).await?;
        Grant::read(Moment::now(), reach, &url, jwt)
    }

    /// What a server publishes about itself, not looked into.
    pub(super) async fn well_known(&self, server_name: &str) -> Result<Value, TransportError> {
        let request = self
            .public
            .get(format!("https://{server_name}/.well-known/matrix/client"));
        read(request.send().await.map_err(TransportError::unreachable)?).await
    }

    fn client(&self, reach: Reach) -> &Client {
        match reach {
            Reach::Anywhere => &self.anywhere,
            Reach::Public => &self.public,
        }
    }
}

/// Services since 0.4.0 refuse a request with a key that they do not know, so there must be no other.
fn spelled_out(caller: &Caller, openid: &OpenIdToken) -> Value {
    json!({
        "room": caller.room,
        "openid_token": proof(openid),
        "device_id": caller.device,
    })
}

fn hashed(caller: &Caller, openid: &OpenIdToken) -> Value {
    json!({
        "room_id": caller.room,
        "slot_id": ROOM_SLOT,
        "openid_token": proof(openid),
        "member": {
            "id": caller.member_id,
            "claimed_user_id": caller.user,
            "claimed_device_id": caller.device,
        },
    })
}

fn proof(openid: &OpenIdToken) -> Value {
    json!({
        "access_token": openid.access_token.expose(),
        "token_type": openid.token_type,
        "matrix_server_name": openid.matrix_server_name,
        "expires_in": openid.expires_in.as_secs(),
    })
}

async fn read<T: DeserializeOwned>(mut response: Response) -> Result<T, TransportError> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(TransportError::unreachable)? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(TransportError::Nonsense("it is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        return Err(TransportError::Refused {
            status: status.as_u16(),
            code: refusal.errcode.chars().take(64).collect(),
        });
    }
    serde_json::from_slice(&body).map_err(|_| TransportError::Nonsense("a field is missing or of another type"))
}
