//! How the control interface answers, and whom a path names.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, Query},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{control::types::AccountKind, discord::Discord, guild::Guild, server::Server, snowflake::Snowflake};

/// The guild that a request is about: the one of its parameter `guild`, or the first.
pub(crate) struct Here(pub(crate) Arc<Server>);

impl FromRequestParts<Arc<Discord>> for Here {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, discord: &Arc<Discord>) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Parameters {
            guild: Option<String>,
        }
        let invalid = |error| Refusal::Invalid(format!("{error}"));
        let Query(Parameters { guild }) = Query::try_from_uri(&parts.uri).map_err(invalid)?;
        let found = match &guild {
            Some(id) => id.parse().ok().and_then(|id| discord.server(id)),
            None => discord.servers().into_iter().next(),
        };
        found.map(Self).ok_or_else(|| {
            let id = guild.unwrap_or_default();
            Refusal::NotFound(format!("no guild has the id {id}"))
        })
    }
}

/// A request that cannot be fulfilled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Internal(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

/// An answer of the control interface.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// An answer without content.
pub(super) fn done() -> Json<Value> {
    Json(json!({}))
}

pub(crate) async fn unknown() -> Refusal {
    Refusal::NotFound("no such route".to_owned())
}

/// The user that a path names by id or name.
pub(super) fn user(server: &Server, who: &str) -> Result<Snowflake, Refusal> {
    let world = server.world.lock();
    world
        .guild
        .find_account(who)
        .map(|account| account.id)
        .ok_or_else(|| Refusal::NotFound(format!("nobody is called {who}")))
}

/// The person that a path names; a bot moves itself.
pub(crate) fn person(server: &Server, who: &str) -> Result<Snowflake, Refusal> {
    let user = user(server, who)?;
    let kind = {
        let world = server.world.lock();
        world.guild.accounts.get(&user).map(|account| account.kind)
    };
    match kind {
        Some(AccountKind::Person) => Ok(user),
        _ => Err(Refusal::Conflict(format!("{who} is a bot and acts by itself"))),
    }
}

/// A channel that exists.
pub(super) fn channel(guild: &Guild, id: &str) -> Result<Snowflake, Refusal> {
    id.parse()
        .ok()
        .filter(|id| guild.channels.contains_key(id))
        .ok_or_else(|| Refusal::NotFound(format!("no channel has the id {id}")))
}
