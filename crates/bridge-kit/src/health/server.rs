//! Serves `/live`, `/ready`, `/metrics` and `/status`.

use std::io;
use std::net::SocketAddr;

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::Health;
use crate::supervise::{self, Task};
use crate::telemetry::Metrics;

/// The running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _task: Task<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts the server on `listen`.
pub async fn serve(listen: SocketAddr, health: Health, metrics: Metrics) -> io::Result<Server> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = router(health, metrics);
    let task = supervise::spawn("health.serve", "program", async move {
        // axum's accept loop outlives failing connections; it never returns an error.
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the health server ended");
        }
    });
    Ok(Server { address, _task: task })
}

fn router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/status", get(status))
        .with_state(health)
        .route("/metrics", get(render))
        .with_state(metrics)
}

async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "live": true }))
}

async fn ready(Extract(health): Extract<Health>) -> Response {
    let code = if health.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(health.readiness())).into_response()
}

async fn status(Extract(health): Extract<Health>) -> Json<serde_json::Value> {
    Json(health.report())
}

async fn render(Extract(metrics): Extract<Metrics>) -> Response {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
        .into_response()
}
