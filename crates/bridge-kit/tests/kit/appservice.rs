//! The receiver of transactions against hand-made requests.

use std::time::Duration;

use bridge_kit::cli::Role;
use bridge_kit::health::Health;
use bridge_kit::matrix::{Appservice, MatrixClient, RoomEvent};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{DEADLINE, config, free_port, program, soon};

struct End {
    appservice: Appservice,
    events: mpsc::Receiver<RoomEvent>,
    http: Client,
}

/// An appservice whose homeserver is dead: it must take requests all the same.
async fn start() -> End {
    let config = config(Role::Asks, &format!("http://127.0.0.1:{}", free_port()), 0);
    let client = MatrixClient::new(&config.homeserver, &config.appservice).expect("a client");
    let health = Health::new(program("test-bridge", Role::Asks, "voicebot"));
    let (appservice, events) = Appservice::start(&config.appservice, client, &health)
        .await
        .expect("started");
    End {
        appservice,
        events,
        http: Client::new(),
    }
}

impl End {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.appservice.address()))
    }

    fn transaction(&self, id: &str, body: &Value) -> RequestBuilder {
        self.request(Method::PUT, &format!("/_matrix/app/v1/transactions/{id}"))
            .json(body)
    }

    async fn push(&self, id: &str, events: &[Value]) {
        let answer = self
            .transaction(id, &json!({ "events": events }))
            .bearer_auth("hs-voice")
            .timeout(DEADLINE)
            .send()
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.expect("JSON"), json!({}));
    }

    fn received(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| event.event_id.to_string())
            .collect()
    }
}

fn event(id: &str) -> Value {
    json!({
        "room_id": "!room", "event_id": id, "sender": "@a:hs", "type": "m.room.message",
        "content": { "body": id }, "origin_server_ts": 1, "unsigned": { "age": 1234 },
    })
}

async fn refusal(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("JSON");
    (status, body["errcode"].as_str().expect("a code").to_owned())
}

#[tokio::test]
async fn events_come_once_and_in_order() {
    let mut end = start().await;
    end.push("1", &[event("$a"), event("$b")]).await;
    // The homeserver did not hear the answer and sends the transaction again.
    end.push("1", &[event("$a"), event("$b")]).await;
    // It packs an event that it sent before into another transaction.
    end.push("2", &[event("$b"), event("$c")]).await;
    // It was restarted and counts its transactions from the beginning, as Synapse does on SQLite.
    end.push("1", &[event("$d")]).await;
    assert_eq!(end.received(), ["$a", "$b", "$c", "$d"]);
}

#[tokio::test]
async fn an_event_keeps_its_age_and_content() {
    let mut end = start().await;
    end.push("1", &[event("$a")]).await;
    let event = end.events.try_recv().expect("an event");
    assert_eq!(
        (event.room_id.as_str(), event.sender.as_str(), event.kind.as_str()),
        ("!room", "@a:hs", "m.room.message")
    );
    assert_eq!(event.content, json!({ "body": "$a" }));
    assert_eq!(event.state_key, None);
    assert!(event.age() >= Duration::from_millis(1234));
}

#[tokio::test]
async fn a_wrong_token_gets_nothing_in() {
    let mut end = start().await;
    let body = json!({ "events": [event("$a")] });
    let put = || end.transaction("1", &body);
    assert_eq!(refusal(put()).await, (401, "M_MISSING_TOKEN".to_owned()));
    assert_eq!(
        refusal(put().bearer_auth("hs-voicf")).await,
        (403, "M_FORBIDDEN".to_owned())
    );
    assert_eq!(
        refusal(put().bearer_auth("")).await,
        (401, "M_MISSING_TOKEN".to_owned())
    );
    assert_eq!(
        refusal(put().bearer_auth("as-voice")).await,
        (403, "M_FORBIDDEN".to_owned())
    );
    assert_eq!(
        refusal(put().query(&[("access_token", "wrong")])).await,
        (403, "M_FORBIDDEN".to_owned())
    );
    for path in ["/_matrix/app/v1/users/@a:hs", "/_matrix/app/v1/rooms/%23a:hs"] {
        assert_eq!(
            refusal(end.request(Method::GET, path)).await,
            (401, "M_MISSING_TOKEN".to_owned())
        );
    }
    assert_eq!(
        refusal(end.request(Method::POST, "/_matrix/app/v1/ping")).await,
        (401, "M_MISSING_TOKEN".to_owned())
    );
    assert_eq!(end.received(), Vec::<String>::new());
}

#[tokio::test]
async fn an_old_homeserver_may_send_its_token_in_the_query() {
    let mut end = start().await;
    let body = json!({ "events": [event("$a")] });
    let answer = end
        .transaction("1", &body)
        .query(&[("access_token", "hs-voice")])
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(end.received(), ["$a"]);
}

#[tokio::test]
async fn garbage_is_refused_and_does_no_harm() {
    let mut end = start().await;
    for (body, code) in [
        ("no json", "M_NOT_JSON"),
        ("{\"events\":", "M_NOT_JSON"),
        ("{\"events\": 7}", "M_BAD_JSON"),
        ("[]", "M_BAD_JSON"),
    ] {
        let request = end
            .request(Method::PUT, "/_matrix/app/v1/transactions/1")
            .bearer_auth("hs-voice")
            .body(body);
        assert_eq!(refusal(request).await, (400, code.to_owned()), "{body}");
    }
    // One bad event takes none of the others with it.
    let nonsense = [
        json!(7),
        json!({}),
        json!({ "event_id": "no event id", "type": 3 }),
        event("$a"),
    ];
    end.push("1", &nonsense).await;
    end.push("2", &[event("$b")]).await;
    assert_eq!(end.received(), ["$a", "$b"]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let mut end = start().await;
    let mut large = event("$a");
    large["content"] = json!({ "body": "x".repeat(17 << 20) });
    let request = end
        .transaction("1", &json!({ "events": [large] }))
        .bearer_auth("hs-voice");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    end.push("2", &[event("$b")]).await;
    assert_eq!(end.received(), ["$b"]);
}

#[tokio::test]
async fn nobody_is_made_on_request_and_unknown_paths_are_unrecognised() {
    let end = start().await;
    for (method, path, expected) in [
        (Method::GET, "/_matrix/app/v1/users/@_ghost_a:hs", (404, "M_NOT_FOUND")),
        (
            Method::GET,
            "/_matrix/app/v1/rooms/%23_vdp_control:hs",
            (404, "M_NOT_FOUND"),
        ),
        (Method::GET, "/_matrix/app/v1/nonsense", (404, "M_UNRECOGNIZED")),
        (Method::GET, "/_matrix/app/v1/transactions/1", (405, "M_UNRECOGNIZED")),
    ] {
        let (status, code) = refusal(end.request(method, path).bearer_auth("hs-voice")).await;
        assert_eq!((status, code.as_str()), expected, "{path}");
    }
    let ping = end
        .request(Method::POST, "/_matrix/app/v1/ping")
        .bearer_auth("hs-voice")
        .json(&json!({}));
    assert_eq!(ping.send().await.expect("an answer").status(), StatusCode::OK);
}

/// Bounded memory: a homeserver that sends more than the program works off waits.
#[tokio::test]
async fn a_full_queue_makes_the_homeserver_wait_and_loses_nothing() {
    let mut end = start().await;
    let all: Vec<String> = (0..1030).map(|n| format!("$e{n}")).collect();
    let events: Vec<Value> = all.iter().map(|id| event(id)).collect();
    let body = json!({ "events": events });
    let patience = Duration::from_millis(300);
    let gave_up = end
        .transaction("1", &body)
        .bearer_auth("hs-voice")
        .timeout(patience)
        .send()
        .await;
    assert!(gave_up.expect_err("no answer").is_timeout());
    let mut received = end.received();
    assert_eq!(received.len(), 1024);
    end.push("1", &events).await;
    received.extend(end.received());
    assert_eq!(received, all);
}

#[tokio::test]
async fn dropping_it_frees_the_port() {
    let end = start().await;
    let address = end.appservice.address();
    drop(end);
    soon("a free port", async {
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
