//! The client against a homeserver that fails in every way it can.

use std::time::{Duration, Instant};

use bridge_kit::cli::Role;
use bridge_kit::config::Homeserver as Settings;
use bridge_kit::matrix::{Fault, MatrixClient, MatrixError, OwnedRoomId, RoomId};
use serde_json::json;

use crate::homeserver::{Fault as Failure, Homeserver, Seen};
use crate::{appservice, config, free_port};

async fn client() -> (Homeserver, MatrixClient, OwnedRoomId) {
    let homeserver = Homeserver::start().await;
    homeserver.register("voice", "@voicebot:hs", "http://127.0.0.1:1");
    let room = RoomId::parse(homeserver.room("@voicebot:hs")).expect("a room id");
    (homeserver.clone(), client_at(&homeserver.url()), room)
}

fn client_at(url: &str) -> MatrixClient {
    let settings: Settings = config(Role::Asks, url, 29331).homeserver;
    MatrixClient::new(&settings, &appservice(url, 29331)).expect("a client")
}

fn fault(error: &MatrixError) -> (Fault, bool) {
    (error.fault(), error.is_transient())
}

#[tokio::test]
async fn a_send_is_repeated_under_one_transaction_id_and_happens_once() {
    let (homeserver, client, room) = client().await;
    let limited = json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 40 });
    homeserver.fail_next([
        Failure::Status(429, limited),
        Failure::NotJson(502),
        Failure::Status(500, json!({ "errcode": "M_UNKNOWN", "error": "oops" })),
    ]);
    client
        .send_event(&room, "test.event", &json!({ "n": 1 }))
        .await
        .expect("sent");
    let sends: Vec<Seen> = homeserver.requests();
    assert_eq!(sends.len(), 4);
    assert!(sends.iter().all(|seen| *seen == sends[0]), "{sends:?}");
    let events = homeserver.timeline(room.as_str());
    assert_eq!(events.iter().filter(|event| event["type"] == "test.event").count(), 1);
}

#[tokio::test]
async fn two_sends_have_two_transaction_ids() {
    let (homeserver, client, room) = client().await;
    let first = client.send_event(&room, "test.event", &json!({})).await.expect("sent");
    let second = client.send_event(&room, "test.event", &json!({})).await.expect("sent");
    assert_ne!(first, second);
    let requests = homeserver.requests();
    assert_ne!(requests[0], requests[1]);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let (homeserver, client, _) = client().await;
    homeserver.fail_next([Failure::RetryAfter(1)]);
    let started = Instant::now();
    client.whoami().await.expect("an answer");
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn patience_ends() {
    let (homeserver, client, _) = client().await;
    homeserver.fail_next([Failure::RetryAfter(3600)]);
    let error = client.whoami().await.expect_err("an error");
    assert_eq!(fault(&error), (Fault::RateLimited, true));
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert_eq!(homeserver.requests().len(), 1);

    homeserver.fail_next((0..100).map(|_| Failure::NotJson(503)));
    let error = client
        .with_patience(Duration::from_secs(1))
        .whoami()
        .await
        .expect_err("an error");
    assert_eq!(fault(&error), (Fault::Server, true));
    let tries = homeserver.requests().len() - 1;
    assert!((2..10).contains(&tries), "{tries} tries");
}

#[tokio::test]
async fn what_cannot_get_better_is_not_repeated() {
    let (homeserver, client, room) = client().await;
    for (status, code, expected) in [
        (401, "M_UNKNOWN_TOKEN", Fault::Credentials),
        (403, "M_FORBIDDEN", Fault::Forbidden),
        (404, "M_NOT_FOUND", Fault::NotFound),
        (400, "M_BAD_JSON", Fault::BadRequest),
        (409, "M_ROOM_IN_USE", Fault::Conflict),
    ] {
        let before = homeserver.requests().len();
        let words = "@ada:hs may not";
        homeserver.fail_next([Failure::Status(status, json!({ "errcode": code, "error": words }))]);
        let error = client.send_notice(&room, "hello").await.expect_err("an error");
        assert_eq!(fault(&error), (expected, false), "{code}");
        assert_eq!(homeserver.requests().len(), before + 1, "{code}");
        // Errors are logged above debug, where no user is named.
        let shown = format!("the homeserver answered {status} {code}");
        assert_eq!(error.to_string(), shown);
        assert_eq!(error.in_full(), format!("{shown}: {words}"));
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_the_error_names_no_room() {
    let client = client_at(&format!("http://127.0.0.1:{}", free_port())).impatient();
    let room = RoomId::parse("!secret:hs").expect("a room id");
    let error = client.send_notice(&room, "hello").await.expect_err("an error");
    assert_eq!(fault(&error), (Fault::Unreachable, true));
    assert!(!format!("{:#}", anyhow::Error::new(error)).contains("secret"));
}

#[tokio::test]
async fn a_homeserver_that_comes_back_is_found_again() {
    let port = free_port();
    let client = client_at(&format!("http://127.0.0.1:{port}"));
    let (answer, _homeserver) = tokio::join!(client.whoami(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let homeserver = Homeserver::start_at(&format!("127.0.0.1:{port}")).await;
        homeserver.register("voice", "@voicebot:hs", "http://127.0.0.1:1");
        homeserver
    });
    assert_eq!(answer.expect("an answer"), "@voicebot:hs");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_reason_to_ask_again() {
    let (homeserver, client, _) = client().await;
    homeserver.fail_next([
        Failure::Status(200, json!({ "unexpected": true })),
        Failure::NotJson(200),
    ]);
    for _ in 0..2 {
        let error = client.whoami().await.expect_err("an error");
        assert_eq!(fault(&error), (Fault::Server, false));
    }
}

#[tokio::test]
async fn the_bot_acts_as_itself_and_a_ghost_by_name() {
    let (homeserver, client, room) = client().await;
    let ghost = client.ensure_ghost("ada", "Ada").await.expect("a ghost");
    assert_eq!(ghost.user(), "@_ghost_ada:hs");
    assert_eq!(homeserver.display_name("@_ghost_ada:hs").as_deref(), Some("Ada"));
    client.invite(&room, ghost.user()).await.expect("invited");
    ghost.join(&room).await.expect("joined");
    assert_eq!(
        homeserver.membership(room.as_str(), "@_ghost_ada:hs").as_deref(),
        Some("join")
    );
    for seen in homeserver.requests() {
        let by_ghost = seen.line.ends_with("/displayname") || seen.line.ends_with("/join");
        assert_eq!(seen.acting.is_some(), by_ghost, "{seen:?}");
    }
}

#[tokio::test]
async fn state_comes_with_its_sender_and_what_is_not_there_is_none() {
    let (_homeserver, client, room) = client().await;
    client
        .send_state(&room, "test.state", "", &json!({ "a": 1 }))
        .await
        .expect("sent");
    client
        .send_state(&room, "test.state", "key", &json!({ "a": 2 }))
        .await
        .expect("sent");
    let event = client
        .state_event(&room, "test.state", "key")
        .await
        .expect("an answer")
        .expect("an event");
    assert_eq!(
        (event.sender.as_str(), &event.content),
        ("@voicebot:hs", &json!({ "a": 2 }))
    );
    let event = client
        .state_event(&room, "test.state", "")
        .await
        .expect("an answer")
        .expect("an event");
    assert_eq!(
        (event.state_key.as_deref(), &event.content),
        (Some(""), &json!({ "a": 1 }))
    );
    assert!(
        client
            .state_event(&room, "test.state", "other")
            .await
            .expect("an answer")
            .is_none()
    );
    let alias = bridge_kit::matrix::RoomAliasId::parse("#nowhere:hs").expect("an alias");
    assert_eq!(client.resolve_alias(&alias).await.expect("an answer"), None);
}

#[tokio::test]
async fn the_timeline_comes_oldest_first() {
    let (_homeserver, client, room) = client().await;
    for n in 0..3 {
        client
            .send_event(&room, "test.event", &json!({ "n": n }))
            .await
            .expect("sent");
    }
    let timeline = client.recent_timeline(&room, 10).await.expect("a timeline");
    let numbers: Vec<_> = timeline
        .iter()
        .filter_map(|event| event.content["n"].as_u64())
        .collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn b14_events_of_one_kind_are_found_behind_any_number_of_others() {
    let (_homeserver, client, room) = client().await;
    for kind in [
        "test.call.first",
        "test.talk",
        "test.call.second",
        "test.talk",
        "test.talk",
    ] {
        client.send_event(&room, kind, &json!({})).await.expect("sent");
    }
    let events = client.recent_events(&room, &["test.call.*"], 2).await;
    let kinds: Vec<_> = events.expect("events").into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["test.call.first", "test.call.second"]);
}
