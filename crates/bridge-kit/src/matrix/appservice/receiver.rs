//! The HTTP end that the homeserver calls.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use ruma::OwnedEventId;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, mpsc};

use crate::config::Secret;
use crate::instruments;
use crate::matrix::RoomEvent;
use crate::matrix::seen::Seen;

/// The longest transaction: homeservers send at most 100 events of 64 KiB at a time, and some to-device messages.
const LONGEST_BODY: usize = 16 << 20;

/// How many events are known again, when a homeserver sends them a second time.
const EVENTS: usize = 8192;

struct Receiver {
    hs_token: Secret,
    events: mpsc::Sender<RoomEvent>,
    seen: Mutex<Seen<OwnedEventId>>,
}

pub(super) fn router(hs_token: Secret, events: mpsc::Sender<RoomEvent>) -> Router {
    let seen = Mutex::new(Seen::new(EVENTS));
    let receiver = Arc::new(Receiver { hs_token, events, seen });
    Router::new()
        .route("/_matrix/app/v1/transactions/{id}", put(transaction))
        .route("/_matrix/app/v1/ping", post(ping))
        .route("/_matrix/app/v1/users/{id}", get(query))
        .route("/_matrix/app/v1/rooms/{alias}", get(query))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown_method)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(receiver)
}

/// Proof that the request carries the homeserver's token. It is asked for before the body is read.
struct Homeserver;

impl FromRequestParts<Arc<Receiver>> for Homeserver {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, receiver: &Arc<Receiver>) -> Result<Self, Refusal> {
        let query = Query::<Legacy>::try_from_uri(&parts.uri)
            .map(|Query(query)| query)
            .unwrap_or_default();
        let Some(token) = bearer(&parts.headers).or(query.access_token.as_deref()) else {
            return Err(refuse(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "no token"));
        };
        if bool::from(token.as_bytes().ct_eq(receiver.hs_token.expose().as_bytes())) {
            Ok(Self)
        } else {
            Err(refuse(StatusCode::FORBIDDEN, "M_FORBIDDEN", "wrong token"))
        }
    }
}

/// How homeservers sent their token before version 1.4 of the specification, and some still do beside the header.
#[derive(Default, Deserialize)]
struct Legacy {
    access_token: Option<String>,
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn transaction(
    _: Homeserver,
    State(receiver): State<Arc<Receiver>>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let events = events(&body).inspect_err(|_| count_transaction("malformed"))?;
    receiver.take(events).await?;
    Ok(Json(json!({})))
}

/// The events of a transaction; what else it may hold (to-device messages, presence) is not asked for.
fn events(body: &[u8]) -> Result<Vec<Value>, Refusal> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "M_NOT_JSON", "not JSON"));
    };
    match body {
        Value::Object(mut transaction) => match transaction.remove("events") {
            None => Ok(Vec::new()),
            Some(Value::Array(events)) => Ok(events),
            Some(_) => Err(refuse(StatusCode::BAD_REQUEST, "M_BAD_JSON", "`events` is no list")),
        },
        _ => Err(refuse(
            StatusCode::BAD_REQUEST,
            "M_BAD_JSON",
            "a transaction is an object",
        )),
    }
}

impl Receiver {
    /// Queues what is new, which the ids of the events tell. The transaction's own id does not: Synapse on `SQLite`
    /// counts from 1 again after a restart. Should the homeserver hang up while the queue is full, it sends the
    /// transaction again, and what had been queued by then is known.
    async fn take(&self, events: Vec<Value>) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().await;
        for json in events {
            match RoomEvent::from_json(json, None) {
                Ok(event) if seen.contains(&event.event_id) => count_event("repeated"),
                Ok(event) => {
                    let place = self.events.reserve().await;
                    let place = place.map_err(|_| refuse(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", "stopping"))?;
                    seen.insert(event.event_id.clone());
                    place.send(event);
                    count_event("new");
                }
                Err(error) => {
                    tracing::debug!(%error, "an event makes no sense");
                    count_event("malformed");
                }
            }
        }
        count_transaction("taken");
        Ok(())
    }
}

async fn ping(_: Homeserver) -> Json<Value> {
    Json(json!({}))
}

/// Users and rooms of ours are made when they are needed, never because somebody asks for them.
async fn query(_: Homeserver) -> Refusal {
    refuse(StatusCode::NOT_FOUND, "M_NOT_FOUND", "not made on request")
}

async fn unknown() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "unknown endpoint")
}

async fn unknown_method() -> Refusal {
    refuse(StatusCode::METHOD_NOT_ALLOWED, "M_UNRECOGNIZED", "unknown method")
}

/// An error as the specification words it.
struct Refusal {
    status: StatusCode,
    body: Value,
}

fn refuse(status: StatusCode, code: &str, text: &str) -> Refusal {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        count_transaction("forbidden");
    }
    Refusal {
        status,
        body: json!({ "errcode": code, "error": text }),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

fn count_transaction(outcome: &'static str) {
    instruments::MATRIX_TRANSACTIONS.with([outcome]).increment(1);
}

fn count_event(outcome: &'static str) {
    instruments::MATRIX_EVENTS.with([outcome]).increment(1);
}
