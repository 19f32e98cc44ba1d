//! What is done to a bot's gateway session, and what went over gateway and REST.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, patch, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, Refusal, done},
    types::{CloseWith, GatewayMessages, GatewayRules, Invalidate, RefuseRequests, RestRequests, SetRate},
};
use crate::{
    gateway::{intents, sessions::ToClient},
    server::Server,
};

/// Requests that one answer holds.
const REQUESTS_ANSWERED: usize = 1_000;

pub(super) fn router() -> Router<Arc<Server>> {
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

async fn set_rules(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(rules): Json<GatewayRules>,
) -> Answer<Value> {
    let user = answer::user(&server, &who)?;
    let privileged = rules.privileged_intents.map(|names| intents::privileged(&names));
    let privileged = privileged
        .transpose()
        .map_err(|name| Refusal::Invalid(format!("{name} is no privileged intent")))?;
    let now = server.clock.now_ns();
    let mut world = server.world.lock();
    let Some(account) = world
        .guild
        .accounts
        .get_mut(&user)
        .filter(|account| account.token.is_some())
    else {
        return Err(Refusal::Conflict(format!("{who} is no bot")));
    };
    account.privileged_intents = privileged.unwrap_or(account.privileged_intents);
    account.sharding_required = rules.sharding_required.unwrap_or(account.sharding_required);
    if let Some(starts) = rules.session_starts {
        world.starts.entry(user).or_default().set_remaining(starts, now);
    }
    Ok(done())
}

async fn close(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(CloseWith { code }): Json<CloseWith>,
) -> Answer<Value> {
    tell(&server, &who, || match code {
        0 => ToClient::Cut,
        code => ToClient::Close(code),
    })
}

async fn reconnect(State(server): State<Arc<Server>>, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 7, "d": null}).to_string())
    })
}

/// A session that may not be resumed is over at once, with the voice that belongs to it.
async fn invalidate(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(Invalidate { resumable }): Json<Invalidate>,
) -> Answer<Value> {
    let told = tell(&server, &who, || {
        ToClient::Text(json!({"op": 9, "d": resumable}).to_string())
    })?;
    if !resumable {
        let user = answer::user(&server, &who)?;
        let ended: Vec<_> = {
            let world = server.world.lock();
            let of_user = world.sessions.iter().filter(|(_, session)| session.user == user);
            of_user.map(|(id, _)| id.clone()).collect()
        };
        for id in ended {
            server.end_session(&id, false);
        }
    }
    Ok(told)
}

async fn silence(State(server): State<Arc<Server>>, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || ToClient::Silence)
}

async fn request_heartbeat(State(server): State<Arc<Server>>, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 1, "d": null}).to_string())
    })
}

fn tell(server: &Server, who: &str, message: impl Fn() -> ToClient) -> Answer<Value> {
    let user = answer::user(server, who)?;
    if server.tell_bot(user, message) {
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

async fn messages(State(server): State<Arc<Server>>, Query(Since { since }): Query<Since>) -> Json<GatewayMessages> {
    Json(server.gateway_log.since(since))
}

async fn requests(State(server): State<Arc<Server>>, Query(Since { since }): Query<Since>) -> Json<RestRequests> {
    let (requests, next) = server.requests.lock().since(since, REQUESTS_ANSWERED);
    Json(RestRequests { requests, next })
}

async fn set_limit(State(server): State<Arc<Server>>, Json(SetRate { route, rate }): Json<SetRate>) -> Json<Value> {
    server.limits.lock().set(route, rate);
    done()
}

async fn refuse(State(server): State<Arc<Server>>, Json(refusal): Json<RefuseRequests>) -> Json<Value> {
    server.limits.lock().refuse(refusal);
    done()
}
