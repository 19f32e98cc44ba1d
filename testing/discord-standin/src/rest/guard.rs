//! What every REST request passes: limits before it, headers and the log after it.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use super::{
    answer::{Refusal, bot_of},
    limits::{Asked, Standing},
};
use crate::{
    control::types::{RateScope, RestRequest, Route},
    discord::Discord,
};

/// The largest body that is taken.
const LARGEST_BODY: usize = 1 << 20;
const VERSIONS: [&str; 3] = ["/api/v10", "/api/v9", "/api"];

/// Lets a request pass, or refuses it, and logs it. Whatever is not REST passes unseen.
pub(super) async fn pass(State(discord): State<Arc<Discord>>, request: Request, next: Next) -> Response {
    let Some(path) = without_version(request.uri().path()).map(ToOwned::to_owned) else {
        return next.run(request).await;
    };
    let at_ns = discord.clock.now_ns();
    let bot = bot_of(&discord, request.headers());
    let method = request.method().to_string();
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let template = template.and_then(without_version).unwrap_or(&path).to_owned();
    let asked = Asked {
        bot,
        resource: resource(&path),
        route: Route {
            method: method.clone(),
            path: template,
        },
    };
    let with_query = with_query(&path, request.uri());
    let standing = discord.limits.lock().ask(&asked, at_ns);

    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let sent: Option<Value> = serde_json::from_slice(&bytes).ok();
    let mut response = match standing.exceeded {
        Some((scope, wait_ns)) => {
            discord.counters.count("rest_rate_limited");
            Refusal::RateLimited { scope, wait_ns }.into_response()
        }
        None => next.run(Request::from_parts(parts, Body::from(bytes))).await,
    };
    add_headers(response.headers_mut(), &standing, at_ns);
    let status = response.status().as_u16();
    let shared = matches!(standing.exceeded, Some((RateScope::Shared, _)));
    if matches!(status, 401 | 403 | 429) && !shared {
        // Discord locks out whoever collects 10,000 of these in ten minutes.
        discord.counters.count("rest_invalid_requests");
    }
    discord.requests.lock().push(|index| RestRequest {
        index,
        at_ns,
        method,
        path: with_query,
        user_id: bot.map(|bot| bot.to_string()),
        body: sent,
        status,
    });
    response
}

fn without_version(path: &str) -> Option<&str> {
    VERSIONS
        .iter()
        .find_map(|version| path.strip_prefix(version).filter(|rest| rest.starts_with('/')))
}

fn with_query(path: &str, uri: &Uri) -> String {
    uri.query()
        .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

/// The guild, channel or webhook of a path.
fn resource(path: &str) -> String {
    let mut parts = path.split('/').skip(1);
    let significant = match parts.next() {
        Some("channels" | "guilds") => 1,
        Some("webhooks") => 2,
        _ => 0,
    };
    parts.take(significant).collect::<Vec<_>>().join("/")
}

fn add_headers(headers: &mut HeaderMap, standing: &Standing, now_ns: u64) {
    let mut add = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    if let Some((scope, wait_ns)) = standing.exceeded {
        add("retry-after", wait_ns.div_ceil(1_000_000_000).to_string());
        add("x-ratelimit-scope", scope_name(scope).to_owned());
        if scope == RateScope::Global {
            add("x-ratelimit-global", "true".to_owned());
            return;
        }
    }
    add("x-ratelimit-limit", standing.limit.to_string());
    add("x-ratelimit-remaining", standing.remaining.to_string());
    add("x-ratelimit-reset", seconds(now_ns + standing.reset_after_ns));
    add("x-ratelimit-reset-after", seconds(standing.reset_after_ns));
    add("x-ratelimit-bucket", standing.bucket.clone());
}

const fn scope_name(scope: RateScope) -> &'static str {
    match scope {
        RateScope::User => "user",
        RateScope::Global => "global",
        RateScope::Shared => "shared",
    }
}

/// Seconds with three decimals, never less than there are.
fn seconds(ns: u64) -> String {
    let ms = ns.div_ceil(1_000_000);
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_version_and_only_rest_has_one() {
        assert_eq!(without_version("/api/v10/gateway"), Some("/gateway"));
        assert_eq!(without_version("/api/gateway"), Some("/gateway"));
        assert_eq!(without_version("/gateway"), None);
    }

    #[test]
    fn guilds_channels_and_webhooks_are_resources() {
        assert_eq!(resource("/channels/5/messages/7"), "5");
        assert_eq!(resource("/webhooks/5/token/messages/7"), "5/token");
        assert_eq!(resource("/users/@me"), "");
    }

    #[test]
    fn seconds_are_rounded_up_to_milliseconds() {
        assert_eq!(seconds(1_000_000_001), "1.001");
        assert_eq!(seconds(0), "0.000");
    }
}
