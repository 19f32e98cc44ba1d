//! Lets Matrix people into a LiveKit: stands in for lk-jwt-service in tests and development.
//!
//! Whoever proves with an OpenID token of his homeserver who he is gets a token for the call of a room. Endpoints, names,
//! answers and error codes are those of lk-jwt-service from 0.4.3 on, for people of a homeserver with full access: the call
//! is created for them. What it does not do is to watch over delayed leave events: it answers such a request as one from a
//! homeserver without full access is answered, and clients then watch themselves.

mod request;
mod sfu;
#[cfg(test)]
mod tests;

pub use sfu::Sfu;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use request::{Entry, OpenIdToken};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The homeserver whose people are let in.
#[derive(Clone, Debug)]
pub struct Homeserver {
    /// Its name in user ids.
    pub name: String,
    /// Where it tells whose an OpenID token is.
    pub url: String,
}

/// The running service. Dropping it ends it.
#[derive(Debug)]
pub struct AuthorisationService {
    url: String,
    task: JoinHandle<()>,
}

impl AuthorisationService {
    /// Serves on a free port of 127.0.0.1. Neither the homeserver nor the SFU has to run yet.
    pub async fn start(homeserver: Homeserver, sfu: Sfu) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(async move {
            if let Err(error) = serve(listener, homeserver, sfu).await {
                tracing::error!(%error, "the authorisation service cannot be served any more");
            }
        });
        Ok(Self { url, task })
    }

    /// Its address, `livekit_service_url` in events.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for AuthorisationService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves until that fails. Neither the homeserver nor the SFU has to run yet.
pub async fn serve(listener: TcpListener, homeserver: Homeserver, sfu: Sfu) -> std::io::Result<()> {
    let door = Door {
        client: reqwest::Client::new(),
        homeserver,
        sfu,
    };
    axum::serve(listener, router(Arc::new(door))).await
}

fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/sfu/get", post(sfu_get).options(preflight))
        .route("/get_token", post(get_token).options(preflight))
        .layer(map_response(for_browsers))
        .route("/healthz", get(StatusCode::OK))
        .with_state(door)
}

/// Whatever page asks may read the answer.
async fn for_browsers(mut response: Response) -> Response {
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Accept, Content-Type"),
        (header::CONTENT_TYPE, "application/json"),
    ];
    for (name, value) in allowed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn preflight() -> StatusCode {
    StatusCode::OK
}

async fn sfu_get(State(door): State<Arc<Door>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    door.admit(Entry::by_device(&body)?).await
}

async fn get_token(State(door): State<Arc<Door>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    door.admit(Entry::by_member(&body)?).await
}

/// What is between people and the SFU.
struct Door {
    client: reqwest::Client,
    homeserver: Homeserver,
    sfu: Sfu,
}

impl Door {
    async fn admit(&self, entry: Entry) -> Result<Json<Value>, Refusal> {
        let user = self.user_of(&entry.token).await;
        let user = user.inspect_err(|error| tracing::warn!("an OpenID token is not accepted: {error:#}"));
        let user = user.map_err(|_| Refusal::UNAUTHORISED)?;
        if entry.claimed_user().is_some_and(|claimed| claimed != user) {
            return Err(Refusal::UNAUTHORISED);
        }
        let room = entry.room();
        self.sfu.create_room(&self.client, &room).await.map_err(|error| {
            tracing::warn!("LiveKit creates no room: {error:#}");
            Refusal::failed("LiveKit did not create the call")
        })?;
        let jwt = self.sfu.entrance(&room, &entry.identity(&user));
        let jwt = jwt.map_err(|_| Refusal::failed("no token could be made"))?;
        Ok(Json(json!({ "url": self.sfu.url, "jwt": jwt })))
    }

    /// Whose token this is, by word of the homeserver that issued it.
    async fn user_of(&self, token: &OpenIdToken) -> Result<String> {
        #[derive(Deserialize)]
        struct UserInfo {
            sub: String,
        }
        anyhow::ensure!(
            token.matrix_server_name == self.homeserver.name,
            "it is of the homeserver {}",
            token.matrix_server_name
        );
        let url = format!("{}/_matrix/federation/v1/openid/userinfo", self.homeserver.url);
        let question = self.client.get(url).query(&[("access_token", &token.access_token)]);
        let answer = question.send().await?.error_for_status()?;
        let UserInfo { sub } = answer.json().await.context("the homeserver's answer")?;
        Ok(sub)
    }
}

/// An answer that lets nobody in.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    reason: &'static str,
}

impl Refusal {
    const UNAUTHORISED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        code: "M_UNAUTHORIZED",
        reason: "nobody is known by this OpenID token, or somebody else than who was named",
    };
    const NOT_JSON: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "M_NOT_JSON",
        reason: "the request is no JSON object of the keys that are known here",
    };

    /// The request lacks something, or has something that it must not have.
    const fn malformed(reason: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "M_BAD_JSON",
            reason,
        }
    }

    /// It is not the asker's fault.
    const fn failed(reason: &'static str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "M_UNKNOWN",
            reason,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = Json(json!({ "errcode": self.code, "error": self.reason }));
        (self.status, body).into_response()
    }
}
