//! Who asks, and how Discord answers.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    control::types::RateScope,
    discord::Discord,
    guild::{Guild, permissions::Permissions},
    interactions::form::FormErrors,
    server::Server,
    snowflake::Snowflake,
};

/// The bot whose token came with a request.
pub(super) struct Bot(pub(super) Snowflake);

impl FromRequestParts<Arc<Discord>> for Bot {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, discord: &Arc<Discord>) -> Result<Self, Self::Rejection> {
        bot_of(discord, &parts.headers).map(Self).ok_or_else(|| {
            discord.counters.count("rest_unauthorized");
            Refusal::Unauthorized
        })
    }
}

/// The guild that a path names, by its own id or by that of one of its channels.
pub(super) struct Here(pub(super) Arc<Server>);

impl FromRequestParts<Arc<Discord>> for Here {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, discord: &Arc<Discord>) -> Result<Self, Self::Rejection> {
        let names = RawPathParams::from_request_parts(parts, discord).await;
        let names = names.map_err(|_| Refusal::NotFound)?;
        let id_of = |what| {
            let value = names.iter().find_map(|(name, value)| (name == what).then_some(value));
            value.map(|id| id.parse().ok())
        };
        let found = match (id_of("guild"), id_of("channel")) {
            (Some(guild), _) => guild.and_then(|id| discord.server(id)).ok_or(Refusal::UnknownGuild),
            (None, Some(channel)) => channel
                .and_then(|id| discord.server_of_channel(id))
                .ok_or(Refusal::UnknownChannel),
            (None, None) => Err(Refusal::NotFound),
        };
        found.map(Self)
    }
}

/// The bot whose token these headers carry.
pub(super) fn bot_of(discord: &Discord, headers: &HeaderMap) -> Option<Snowflake> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bot "))?;
    discord.bots.lock().by_token(token)
}

/// Discord's errors, as far as they are used here.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Unauthorized,
    /// A limit is exceeded for so long.
    RateLimited {
        scope: RateScope,
        wait_ns: u64,
    },
    /// A body that is JSON, but not what it should be; with what is wrong where.
    InvalidForm(FormErrors),
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
    UnknownRole,
    InvalidRole,
    UnknownOverwrite,
    UnknownCommand,
    NotYourApplication,
    UnknownInteraction,
    AlreadyAcknowledged,
    UnknownWebhook,
    InvalidWebhookToken,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::RateLimited { scope, wait_ns } => return too_many(scope, wait_ns),
            Self::InvalidForm(errors) => {
                let body = json!({"message": "Invalid Form Body", "code": 50_035, "errors": errors.into_json()});
                return respond(StatusCode::BAD_REQUEST, &body);
            }
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
            Self::UnknownRole => (404, 10_011, "Unknown Role"),
            Self::InvalidRole => (400, 50_028, "Invalid Role"),
            Self::UnknownOverwrite => (404, 10_009, "Unknown Overwrite"),
            Self::UnknownCommand => (404, 10_063, "Unknown application command"),
            Self::NotYourApplication => (
                403,
                20_012,
                "You are not authorized to perform this action on this application",
            ),
            Self::UnknownInteraction => (404, 10_062, "Unknown interaction"),
            Self::AlreadyAcknowledged => (400, 40_060, "Interaction has already been acknowledged."),
            Self::UnknownWebhook => (404, 10_015, "Unknown Webhook"),
            Self::InvalidWebhookToken => (401, 50_027, "Invalid Webhook Token"),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        respond(status, &json!({"message": message, "code": code}))
    }
}

fn too_many(scope: RateScope, wait_ns: u64) -> Response {
    let seconds = Duration::from_nanos(wait_ns).as_secs_f64();
    let body = json!({
        "message": "You are being rate limited.", "retry_after": seconds, "global": scope == RateScope::Global,
    });
    respond(StatusCode::TOO_MANY_REQUESTS, &body)
}

/// 201 with a body.
pub(super) fn created(body: &Value) -> Response {
    respond(StatusCode::CREATED, body)
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

/// A guild is for those who are in it.
pub(super) fn check_member(guild: &Guild, bot: Snowflake) -> Result<(), Refusal> {
    if guild.has_member(bot) {
        Ok(())
    } else {
        Err(Refusal::MissingAccess)
    }
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
