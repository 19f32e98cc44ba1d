//! A way to a homeserver that lets only so many state events of one type through, and says how long to wait. Synapse itself
//! limits no appservice whose registration asks for none.

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// The address of the way, and what was seen on it. Dropping it ends it.
#[derive(Debug)]
pub struct Limiter {
    url: String,
    way: Arc<Way>,
    task: JoinHandle<()>,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Events that were let through.
    pub passed: u64,
    /// Events that were too many.
    pub refused: u64,
    /// Those among them that came before the time that was asked for had passed.
    pub early: u64,
}

#[derive(Debug)]
struct Way {
    client: reqwest::Client,
    homeserver: String,
    /// What a limited path holds.
    limited: String,
    burst: u32,
    every: Duration,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    seen: Seen,
    /// When as many as the burst may come again.
    full: Option<Instant>,
    patience_until: Option<Instant>,
}

impl Limiter {
    /// A way to `homeserver` that lets `burst` state events of this type through at once, and one more each `every`.
    pub async fn start(homeserver: &str, kind: &str, burst: u32, every: Duration) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let way = Arc::new(Way {
            client: reqwest::Client::new(),
            homeserver: homeserver.to_owned(),
            limited: format!("/state/{kind}/"),
            burst,
            every,
            count: Mutex::default(),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&way));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the way to the homeserver ended");
            }
        });
        Ok(Self { url, way, task })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.way.count.lock().unwrap_or_else(PoisonError::into_inner).seen
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Way {
    /// Counts an event; how long to wait where it is too many.
    fn exceeded(&self) -> Option<Duration> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = count.full.map_or(now, |full| full.max(now)) + self.every;
        let wait = full.saturating_duration_since(now + self.every * self.burst);
        if wait.is_zero() {
            count.seen.passed += 1;
            count.full = Some(full);
            return None;
        }
        count.seen.refused += 1;
        count.seen.early += u64::from(count.patience_until.is_some_and(|until| now < until));
        count.patience_until = Some(now + wait);
        Some(wait)
    }
}

async fn pass(State(way): State<Arc<Way>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if method == Method::PUT
        && uri.path().contains(&way.limited)
        && let Some(wait) = way.exceeded()
    {
        let body =
            json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": millis(wait) });
        return (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = way
        .client
        .request(method, format!("{}{path}", way.homeserver))
        .body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(response) => {
            let status = response.status();
            let kind = response.headers().get(header::CONTENT_TYPE).cloned();
            let body = response.bytes().await.unwrap_or_default();
            let mut answer = (status, body).into_response();
            if let Some(kind) = kind {
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            answer
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Rounded up, so that whoever waits that long is not early.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_passes_and_the_rest_is_told_how_long_to_wait() {
        let limiter = Limiter::start("http://127.0.0.1:1", "some.type", 3, Duration::from_secs(5))
            .await
            .unwrap();
        let client = reqwest::Client::new();
        let put = async |path: &str| {
            let response = client.put(format!("{}{path}", limiter.url())).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        for _ in 0..3 {
            // Nobody is behind it.
            assert_eq!(put("/rooms/r/state/some.type/k").await.0, 502);
        }
        let (status, body) = put("/rooms/r/state/some.type/k").await;
        assert_eq!(status, 429);
        assert!(body.contains("retry_after_ms"), "{body}");
        assert_eq!(put("/rooms/r/state/another/k").await.0, 502);
        put("/rooms/r/state/some.type/k").await;
        let seen = limiter.seen();
        assert_eq!((seen.passed, seen.refused, seen.early), (3, 2, 1));
    }
}
