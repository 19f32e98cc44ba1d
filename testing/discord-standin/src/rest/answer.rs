//! Who asks, and how Discord answers.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    guild::{GUILD, Guild, permissions::Permissions},
    server::Server,
    snowflake::Snowflake,
};

/// The bot whose token came with a request.
pub(super) struct Bot(pub(super) Snowflake);

impl FromRequestParts<Arc<Server>> for Bot {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Self::Rejection> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bot "));
        let bot = token.and_then(|token| server.world.lock().guild.bot_by_token(token));
        bot.map(Self).ok_or_else(|| {
            server.counters.count("rest_unauthorized");
            Refusal::Unauthorized
        })
    }
}

/// Discord's errors, as far as they are used here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    BadRequest,
    UnknownChannel,
    UnknownGuild,
    UnknownMember,
    UnknownMessage,
    UnknownUser,
    UnknownVoiceState,
    MissingAccess,
    MissingPermissions,
    NotInVoice,
    EmptyMessage,
    NotAuthor,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::Unauthorized => (401, 0, "401: Unauthorized"),
            Self::NotFound => (404, 0, "404: Not Found"),
            Self::MethodNotAllowed => (405, 0, "405: Method Not Allowed"),
            Self::BadRequest => (400, 50_109, "The request body contains invalid JSON."),
            Self::UnknownChannel => (404, 10_003, "Unknown Channel"),
            Self::UnknownGuild => (404, 10_004, "Unknown Guild"),
            Self::UnknownMember => (404, 10_007, "Unknown Member"),
            Self::UnknownMessage => (404, 10_008, "Unknown Message"),
            Self::UnknownUser => (404, 10_013, "Unknown User"),
            Self::UnknownVoiceState => (404, 10_065, "Unknown Voice State"),
            Self::MissingAccess => (403, 50_001, "Missing Access"),
            Self::MissingPermissions => (403, 50_013, "Missing Permissions"),
            Self::NotInVoice => (400, 40_032, "Target user is not connected to voice."),
            Self::EmptyMessage => (400, 50_006, "Cannot send an empty message"),
            Self::NotAuthor => (403, 50_005, "Cannot edit a message authored by another user"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        respond(status, &json!({"message": message, "code": code}))
    }
}

/// 200 with a body.
pub(super) fn ok(body: &Value) -> Response {
    respond(StatusCode::OK, body)
}

/// A body whose type is exactly `application/json`: discord.py takes nothing else.
fn respond(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}

/// Reads a JSON body, whatever type the client claims.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::BadRequest)
}

/// The guild of a path, if the bot is in it.
pub(super) fn check_guild(guild: &Guild, bot: Snowflake, id: &str) -> Result<(), Refusal> {
    if id.parse() != Ok(GUILD) {
        return Err(Refusal::UnknownGuild);
    }
    let member = guild.accounts.get(&bot).is_some_and(|account| account.in_guild);
    if member { Ok(()) } else { Err(Refusal::MissingAccess) }
}

/// The channel of a path, if the bot has `needed` there.
pub(super) fn check_channel(
    guild: &Guild,
    bot: Snowflake,
    id: &str,
    needed: Permissions,
) -> Result<Snowflake, Refusal> {
    let id = id.parse().map_err(|_| Refusal::UnknownChannel)?;
    if !guild.channels.contains_key(&id) {
        return Err(Refusal::UnknownChannel);
    }
    let permissions = guild.permissions(bot, id);
    if !permissions.contains(Permissions::VIEW_CHANNEL) {
        return Err(Refusal::MissingAccess);
    }
    if !permissions.contains(needed) {
        return Err(Refusal::MissingPermissions);
    }
    Ok(id)
}
