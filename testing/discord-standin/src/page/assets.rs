//! The page's files, kept in the program.

use axum::{
    extract::Path,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};

use crate::control::answer;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but the page's own files, and no other site around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
macro_rules! own {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_str!(concat!("../../page/", $name)))
    };
}

/// A file that the page has in common with the one that calls from Matrix: the look, and how a scenario records.
macro_rules! shared {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_str!(concat!("../../../web/src/shared/", $name)))
    };
}

/// Name, type and content.
const FILES: [(&str, &str, &str); 13] = [
    own!("style.css", CSS),
    own!("main.js", JAVASCRIPT),
    own!("guild.js", JAVASCRIPT),
    own!("draw.js", JAVASCRIPT),
    own!("sound.js", JAVASCRIPT),
    own!("microphone.js", JAVASCRIPT),
    own!("player-worklet.js", JAVASCRIPT),
    own!("microphone-worklet.js", JAVASCRIPT),
    shared!("base.css", CSS),
    shared!("dom.js", JAVASCRIPT),
    shared!("meter.js", JAVASCRIPT),
    shared!("recording.js", JAVASCRIPT),
    shared!("recorder-worklet.js", JAVASCRIPT),
];

pub(super) async fn index() -> Response {
    serve(HTML, include_str!("../../page/index.html"))
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    let found = FILES.iter().find(|(known, ..)| *known == name);
    match found {
        Some((_, kind, content)) => serve(kind, content),
        None => answer::unknown().await.into_response(),
    }
}

fn serve(kind: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, kind),
        // Another build of the stand-in may answer at the same address.
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
