//! What calls over an SFU ask of a homeserver, against one that answers what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bridge_kit::cli::Role;
use bridge_kit::matrix::{MatrixClient, MatrixError, OwnedRoomId, RoomId, UserId};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{appservice, config};

/// A server that gives the answers of a list and keeps what it was asked.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Asked {
    line: String,
    authorization: Option<String>,
    body: Value,
}

struct World {
    script: Scripted,
    client: MatrixClient,
    _tasks: JoinSet<()>,
}

async fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> World {
    let script = Scripted::default();
    script.answers.lock().expect("a lock").extend(answers);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(answer).with_state(script.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.expect("served") });
    let settings = config(Role::Asks, &url, 29331).homeserver;
    let client = MatrixClient::new(&settings, &appservice(&url, 29331)).expect("a client");
    World {
        script,
        client,
        _tasks: tasks,
    }
}

async fn answer(State(script): State<Scripted>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let header = request.headers().get("authorization");
    let authorization = header.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .expect("a body");
    script.asked.lock().expect("a lock").push(Asked {
        line,
        authorization,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let next = script.answers.lock().expect("a lock").pop_front();
    let (status, body) = next.expect("the test expects no such request");
    let status = StatusCode::from_u16(status).expect("a status");
    (status, axum::Json(body)).into_response()
}

impl World {
    fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().expect("a lock").clone()
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn room() -> OwnedRoomId {
    RoomId::parse("!room/1:hs").expect("a room id")
}

const DELAY: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_delayed_state_event_is_named_by_the_homeserver() {
    let world = answering([(200, json!({ "delay_id": "d1" }))]).await;
    let ghost = UserId::parse("@_ghost_a:hs").expect("a user id");
    let sent = world.client.as_user(&ghost);
    let id = sent
        .send_state_later(&room(), "test.member", "_@a:hs_D", &json!({}), DELAY)
        .await
        .expect("sent");
    assert_eq!(id.as_deref(), Some("d1"));
    assert_eq!(
        world.asked(),
        [Asked {
            line: "PUT /_matrix/client/v3/rooms/!room%2F1:hs/state/test.member/_@a:hs_D\
                   ?user_id=%40_ghost_a%3Ahs&org.matrix.msc4140.delay=8000"
                .into(),
            authorization: Some("Bearer as-voice".into()),
            body: json!({}),
        }]
    );
}

#[tokio::test]
async fn a_homeserver_that_sends_at_once_knows_no_delay() {
    let world = answering([(200, json!({ "event_id": "$e" }))]).await;
    let id = world
        .client
        .send_state_later(&room(), "test.member", "k", &json!({}), DELAY)
        .await
        .expect("sent");
    assert_eq!(id, None);
}

#[tokio::test]
async fn delayed_events_are_put_off_cancelled_and_sent() {
    let world = answering([(200, json!({})), (200, json!({})), (200, json!({}))]).await;
    world.client.restart_delayed("d/1").await.expect("restarted");
    world.client.cancel_delayed("d/1").await.expect("cancelled");
    world.client.send_delayed_now("d/1").await.expect("sent");
    let path = "POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/d%2F1";
    let expected = ["restart", "cancel", "send"].map(|action| format!("{path}/{action}"));
    assert_eq!(world.lines(), expected);
}

#[tokio::test]
async fn an_older_homeserver_gets_the_action_in_the_body() {
    for code in ["M_UNRECOGNIZED", "M_MISSING_TOKEN"] {
        let refusal = json!({ "errcode": code, "error": "no" });
        let world = answering([(404, refusal), (200, json!({}))]).await;
        world.client.restart_delayed("d1").await.expect("restarted");
        let older = world.asked().pop().expect("two requests");
        assert!(older.line.ends_with("/delayed_events/d1"), "{}", older.line);
        assert_eq!(older.body, json!({ "action": "restart" }));
    }
}

#[tokio::test]
async fn a_delayed_event_that_is_gone_is_not_found() {
    let gone = json!({ "errcode": "M_NOT_FOUND", "error": "gone" });
    let world = answering([(404, gone)]).await;
    let error = world.client.restart_delayed("d1").await.expect_err("an error");
    assert_eq!(error.fault(), bridge_kit::matrix::Fault::NotFound);
    assert!(!error.is_unsupported());
}

#[tokio::test]
async fn the_longest_delay_is_learned_from_the_refusal() {
    let refusal = json!({
        "errcode": "M_UNKNOWN", "error": "too long",
        "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED", "org.matrix.msc4140.max_delay": 3000,
    });
    let world = answering([(400, refusal)]).await;
    let refused = world
        .client
        .send_state_later(&room(), "test.member", "k", &json!({}), DELAY)
        .await;
    assert!(matches!(refused, Err(MatrixError::DelayTooLong { most }) if most == Duration::from_secs(3)));
}

#[tokio::test]
async fn sticky_events_are_sent_and_delayed() {
    let world = answering([(200, json!({ "event_id": "$1" })), (200, json!({ "delay_id": "d1" }))]).await;
    let (client, hour) = (&world.client, Duration::from_hours(1));
    let id = client.send_sticky(&room(), "test.member", &json!({}), hour).await;
    assert_eq!(id.expect("sent"), "$1");
    let later = client
        .send_sticky_later(&room(), "test.member", &json!({}), hour, DELAY)
        .await;
    assert_eq!(later.expect("sent").as_deref(), Some("d1"));
    let lines = world.lines();
    assert!(
        lines[0].ends_with("?org.matrix.msc4354.sticky_duration_ms=3600000"),
        "{lines:?}"
    );
    let delayed = "?org.matrix.msc4354.sticky_duration_ms=3600000&org.matrix.msc4140.delay=8000";
    assert!(lines[1].ends_with(delayed), "{lines:?}");
}

#[tokio::test]
async fn a_token_proves_who_the_bot_is_and_is_not_printed() {
    let answer = json!({
        "access_token": "s3cret", "token_type": "Bearer", "matrix_server_name": "hs", "expires_in": 3600,
    });
    let world = answering([(200, answer)]).await;
    let token = world.client.openid_token().await.expect("a token");
    assert_eq!(token.access_token.expose(), "s3cret");
    assert_eq!(
        (token.token_type.as_str(), token.expires_in),
        ("Bearer", Duration::from_hours(1))
    );
    assert!(!format!("{token:?}").contains("s3cret"));
    let path = "POST /_matrix/client/v3/user/@voicebot:hs/openid/request_token";
    assert_eq!(world.lines(), [path]);
}

#[tokio::test]
async fn transports_are_asked_for_with_a_token_and_the_well_known_without() {
    let world = answering([
        (200, json!({ "rtc_transports": [] })),
        (200, json!({ "m.homeserver": {} })),
    ])
    .await;
    world.client.rtc_transports().await.expect("an answer");
    world.client.well_known().await.expect("an answer");
    let asked = world.asked();
    assert_eq!(
        asked[0].line,
        "GET /_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
    );
    assert!(asked[0].authorization.is_some());
    assert_eq!(asked[1].line, "GET /.well-known/matrix/client");
    assert_eq!(asked[1].authorization, None);
}
