//! Keeps other web sites away: a browser on this machine reaches loopback for whichever site it shows.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::control::answer::Refusal;

/// Lets through what comes from the page itself or from a program that is no browser.
pub(crate) async fn only(request: Request, next: Next) -> Response {
    match judge(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reason) => Refusal::Forbidden(reason.to_owned()).into_response(),
    }
}

fn judge(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A site whose name leads to loopback is of the same origin for the browser. Its name gives it away.
    let host = text(header::HOST)
        .filter(|host| is_address(host))
        .ok_or("ask by address, or by localhost")?;
    match text(header::ORIGIN) {
        Some(origin) if origin.strip_prefix("http://") == Some(host) => Ok(()),
        Some(_) => Err("another web site may not do this"),
        // Browsers name the origin of every websocket, and the only websockets here are the page's.
        None if headers.contains_key(header::ORIGIN) || headers.contains_key(header::UPGRADE) => {
            Err("a websocket needs the page's origin")
        }
        None => Ok(()),
    }
}

/// Whether a host header holds an address or `localhost`, with or without a port.
fn is_address(host: &str) -> bool {
    host.parse::<Authority>().is_ok_and(|authority| {
        let name = authority.host();
        name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(fields: &[(HeaderName, &str)]) -> bool {
        let headers = fields
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect();
        judge(&headers).is_ok()
    }

    #[test]
    fn the_page_and_programs_may_ask() {
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.0.0.1", "[::1]"] {
            assert!(judged(&[(header::HOST, host)]), "{host}");
            let origin = format!("http://{host}");
            assert!(judged(&[(header::HOST, host), (header::ORIGIN, &origin)]), "{host}");
            let upgrade = (header::UPGRADE, "websocket");
            assert!(
                judged(&[(header::HOST, host), (header::ORIGIN, &origin), upgrade]),
                "{host}"
            );
        }
    }

    #[test]
    fn other_sites_may_not() {
        let host = (header::HOST, "127.0.0.1:8080");
        for origin in [
            "http://127.0.0.1:8081",
            "https://127.0.0.1:8080",
            "http://evil.example",
            "null",
            "",
        ] {
            assert!(!judged(&[host.clone(), (header::ORIGIN, origin)]), "{origin}");
        }
        let upgrade = (header::UPGRADE, "websocket");
        assert!(!judged(&[host, upgrade]), "a websocket without origin");
        let rebound = [
            (header::HOST, "evil.example:8080"),
            (header::ORIGIN, "http://evil.example:8080"),
        ];
        assert!(!judged(&rebound), "a name that leads here");
        assert!(!judged(&[(header::HOST, "localhost.evil.example")]));
        assert!(!judged(&[]), "no host");
    }
}
