//! What people ask for, read as strictly as lk-jwt-service reads it: a key that it does not know is an error.

use super::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The only slot that calls of the older form can be in.
const SLOT: &str = "m.call#ROOM";

/// What `openid/request_token` of the client API gives.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OpenIdToken {
    pub(super) access_token: String,
    pub(super) matrix_server_name: String,
    #[serde(rename = "token_type")]
    _kind: String,
    #[serde(rename = "expires_in")]
    _expires_in: u64,
}

/// The body of `/sfu/get`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SfuGet {
    room: String,
    openid_token: OpenIdToken,
    device_id: String,
    delay_id: String,
    delay_timeout: i64,
    delay_cs_api_url: String,
}

/// The body of `/get_token`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GetToken {
    room_id: String,
    slot_id: String,
    openid_token: OpenIdToken,
    member: Member,
    delay_id: String,
    delay_timeout: i64,
    delay_cs_api_url: String,
}

/// Whom a sticky membership event speaks of.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Member {
    id: String,
    #[serde(rename = "claimed_user_id")]
    user: String,
    #[serde(rename = "claimed_device_id")]
    device: String,
}

/// Somebody who wants to get into the call of a room.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) token: OpenIdToken,
    room_id: String,
    slot_id: String,
    who: Who,
}

/// As what he takes part.
#[derive(Debug)]
enum Who {
    /// As a device of his, which the state event of his membership names.
    Device(String),
    /// As the member of a sticky event.
    Member(Member),
}

impl Entry {
    /// Reads the body of `/sfu/get`.
    pub(super) fn by_device(body: &[u8]) -> Result<Self, Refusal> {
        let asked: SfuGet = read(body)?;
        present(&[&asked.room], "room is missing")?;
        not_delegated(&asked.delay_id, asked.delay_timeout, &asked.delay_cs_api_url)?;
        Ok(Self {
            token: asked.openid_token.checked()?,
            room_id: asked.room,
            slot_id: SLOT.to_owned(),
            who: Who::Device(asked.device_id),
        })
    }

    /// Reads the body of `/get_token`.
    pub(super) fn by_member(body: &[u8]) -> Result<Self, Refusal> {
        let asked: GetToken = read(body)?;
        present(&[&asked.room_id, &asked.slot_id], "room_id or slot_id is missing")?;
        let Member { id, user, device } = &asked.member;
        present(
            &[id, user, device],
            "member lacks id, claimed_user_id or claimed_device_id",
        )?;
        not_delegated(&asked.delay_id, asked.delay_timeout, &asked.delay_cs_api_url)?;
        Ok(Self {
            token: asked.openid_token.checked()?,
            room_id: asked.room_id,
            slot_id: asked.slot_id,
            who: Who::Member(asked.member),
        })
    }

    /// Who he says that he is, where he says it.
    pub(super) fn claimed_user(&self) -> Option<&str> {
        match &self.who {
            Who::Device(_) => None,
            Who::Member(member) => Some(&member.user),
        }
    }

    /// LiveKit's name of the call.
    pub(super) fn room(&self) -> String {
        digest(&[&self.room_id, &self.slot_id])
    }

    /// LiveKit's name of this user in the call.
    pub(super) fn identity(&self, user: &str) -> String {
        match &self.who {
            Who::Device(device) => format!("{user}:{device}"),
            Who::Member(member) => digest(&[user, &member.device, &member.id]),
        }
    }
}

impl OpenIdToken {
    fn checked(self) -> Result<Self, Refusal> {
        let needed = [&self.access_token, &self.matrix_server_name];
        present(&needed, "openid_token lacks access_token or matrix_server_name")?;
        Ok(self)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::NOT_JSON)
}

fn present(values: &[&String], otherwise: &'static str) -> Result<(), Refusal> {
    if values.iter().any(|value| value.is_empty()) {
        return Err(Refusal::malformed(otherwise));
    }
    Ok(())
}

fn not_delegated(delay_id: &str, timeout: i64, homeserver: &str) -> Result<(), Refusal> {
    if delay_id.is_empty() && timeout == 0 && homeserver.is_empty() {
        return Ok(());
    }
    Err(Refusal::malformed("delayed events are not watched over here"))
}

/// What a list of words is called by those who must not learn the words: its SHA-256, in base64 without padding.
fn digest(words: &[&str]) -> String {
    STANDARD_NO_PAD.encode(Sha256::digest(json!(words).to_string()))
}
