//! What is done to a bot's gateway session, and what went over gateway and REST.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query},
    routing::{get, patch, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{CloseWith, GatewayMessages, GatewayRules, Invalidate, RefuseRequests, RestRequests, SetRate},
};
use crate::{
    discord::Discord,
    gateway::{intents, sessions::ToClient},
    server::Server,
};

/// Requests that one answer holds.
const REQUESTS_ANSWERED: usize = 1_000;

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/people/{who}/gateway", patch(set_rules))
        .route("/people/{who}/close_gateway", post(close))
        .route("/people/{who}/reconnect_gateway", post(reconnect))
        .route("/people/{who}/invalidate_gateway", post(invalidate))
        .route("/people/{who}/silence_gateway", post(silence))
        .route("/people/{who}/request_heartbeat", post(request_heartbeat))
        .route("/gateway/messages", get(messages))
        .route("/rest/requests", get(requests))
        .route("/rest/limits", put(set_limit))
        .route("/rest/refusals", post(refuse))
}

async fn set_rules(Here(server): Here, Path(who): Path<String>, Json(rules): Json<GatewayRules>) -> Answer<Value> {
    let user = answer::user(&server, &who)?;
    let privileged = rules.privileged_intents.map(|names| intents::privileged(&names));
    let privileged = privileged
        .transpose()
        .map_err(|name| Refusal::Invalid(format!("{name} is no privileged intent")))?;
    let now = server.discord.clock.now_ns();
    let mut bots = server.discord.bots.lock();
    let Some(login) = bots.get_mut(user) else {
        return Err(Refusal::Conflict(format!("{who} is no bot")));
    };
    login.privileged_intents = privileged.unwrap_or(login.privileged_intents);
    login.sharding_required = rules.sharding_required.unwrap_or(login.sharding_required);
    if let Some(starts) = rules.session_starts {
        login.starts.set_remaining(starts, now);
    }
    Ok(done())
}

async fn close(
    Here(server): Here,
    Path(who): Path<String>,
    Json(CloseWith { code }): Json<CloseWith>,
) -> Answer<Value> {
    tell(&server, &who, || match code {
        0 => ToClient::Cut,
        code => ToClient::Close(code),
    })
}

async fn reconnect(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 7, "d": null}).to_string())
    })
}

/// A session that may not be resumed is over at once, with the voice that belongs to it.
async fn invalidate(
    Here(server): Here,
    Path(who): Path<String>,
    Json(Invalidate { resumable }): Json<Invalidate>,
) -> Answer<Value> {
    let told = tell(&server, &who, || {
        ToClient::Text(json!({"op": 9, "d": resumable}).to_string())
    })?;
    if !resumable {
        let user = answer::user(&server, &who)?;
        let ended: Vec<_> = {
            let sessions = server.discord.sessions.lock();
            let of_user = sessions.iter().filter(|(_, session)| session.user == user);
            of_user.map(|(id, _)| id.clone()).collect()
        };
        for id in ended {
            server.discord.end_session(&id, false);
        }
    }
    Ok(told)
}

async fn silence(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || ToClient::Silence)
}

async fn request_heartbeat(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 1, "d": null}).to_string())
    })
}

fn tell(server: &Server, who: &str, message: impl Fn() -> ToClient) -> Answer<Value> {
    let user = answer::user(server, who)?;
    if server.discord.tell_bot(user, message) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} has no gateway websocket")))
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn messages(Here(server): Here, Query(Since { since }): Query<Since>) -> Json<GatewayMessages> {
    Json(server.discord.gateway_log.since(since))
}

async fn requests(Here(server): Here, Query(Since { since }): Query<Since>) -> Json<RestRequests> {
    let (requests, next) = server.discord.requests.lock().since(since, REQUESTS_ANSWERED);
    Json(RestRequests { requests, next })
}

async fn set_limit(Here(server): Here, Json(SetRate { route, rate }): Json<SetRate>) -> Json<Value> {
    server.discord.limits.lock().set(route, rate);
    done()
}

async fn refuse(Here(server): Here, Json(refusal): Json<RefuseRequests>) -> Json<Value> {
    server.discord.limits.lock().refuse(refusal);
    done()
}
