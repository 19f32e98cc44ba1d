//! Who may begin a gateway session, how often, and what keeps it alive.

use std::time::Duration;

use discord_standin::{
    Config, Standin,
    types::{GatewayRules, Sender},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{INTENTS, eventually, gateway, identified, identify, log_in, rest, standin};

const MEMBERS: u64 = 1 << 1;
const PRESENCES: u64 = 1 << 8;

async fn left(standin: &Standin) -> (u64, u64) {
    let info = standin.info();
    let (_, _, body) = rest(info, Method::GET, "/gateway/bot", Some(&info.token), None).await;
    let limit = &body["session_start_limit"];
    (limit["remaining"].as_u64().unwrap(), limit["total"].as_u64().unwrap())
}

#[tokio::test]
async fn shards_and_privileged_intents_need_what_the_bot_was_given() {
    let standin = standin().await;
    let info = standin.info().clone();
    let with = |field: &str, value: Value| {
        let mut message = identify(&info.token, INTENTS);
        message["d"][field] = value;
        message
    };
    for (message, code) in [
        (with("shard", json!([1, 1])), 4010),
        (with("shard", json!([0, 2])), 4010),
        (identify(&info.token, INTENTS | MEMBERS), 4014),
        (with("presence", json!({"status": "asleep"})), 4002),
    ] {
        let mut socket = gateway(&info, "v=10").await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, Some(code), "{message}");
    }
    let mut socket = gateway(&info, "v=10").await;
    socket.send(with("shard", json!([0, 1]))).await;
    assert_eq!(socket.event("READY").await["shard"], json!([0, 1]));

    let rules = GatewayRules {
        privileged_intents: Some(vec!["GUILD_MEMBERS".to_owned()]),
        sharding_required: Some(true),
        session_starts: None,
    };
    standin.control().set_gateway_rules("bridge", &rules).await.unwrap();
    let mut socket = identified(&info, &info.token, INTENTS | MEMBERS).await;
    assert_eq!(socket.close_code().await, Some(4011));
    let small = GatewayRules {
        sharding_required: Some(false),
        ..GatewayRules::default()
    };
    standin.control().set_gateway_rules("bridge", &small).await.unwrap();
    let mut socket = identified(&info, &info.token, INTENTS | MEMBERS).await;
    socket.event("GUILD_CREATE").await;
    let everyone = json!({"op": 8, "d": {"guild_id": info.guild_id, "query": "", "limit": 0, "nonce": "n"}});
    socket.send(everyone).await;
    let chunk = socket.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!(chunk["members"][0]["user"]["username"], "bridge");
    standin.shutdown().await;
}

#[tokio::test]
async fn session_starts_are_counted_and_spaced() {
    let standin = Standin::start(Config {
        identify_spacing: Duration::from_secs(2),
        ..Config::default()
    })
    .await
    .unwrap();
    let info = standin.info().clone();
    assert_eq!(left(&standin).await, (1_000, 1_000));
    log_in(&info, &info.token).await;
    let mut hasty = identified(&info, &info.token, INTENTS).await;
    assert_eq!(hasty.op(9).await["d"], false);
    assert_eq!(
        left(&standin).await,
        (998, 1_000),
        "a start that was too soon counts as well"
    );
    // The connection stays: the client waits and identifies again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    hasty.send(identify(&info.token, INTENTS)).await;
    hasty.event("READY").await;

    let none = GatewayRules {
        session_starts: Some(0),
        ..GatewayRules::default()
    };
    standin.control().set_gateway_rules("bridge", &none).await.unwrap();
    let mut last = identified(&info, &info.token, INTENTS).await;
    assert_eq!(last.close_code().await, Some(4004), "the token was taken away");
    standin.shutdown().await;
}

#[tokio::test]
async fn presences_are_kept_and_told_to_those_who_look() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_bot("watcher", "other").await.unwrap();
    let rules = GatewayRules {
        privileged_intents: Some(vec!["GUILD_PRESENCES".to_owned()]),
        ..GatewayRules::default()
    };
    control.set_gateway_rules("watcher", &rules).await.unwrap();
    let mut watcher = identified(&info, "other", INTENTS | PRESENCES).await;
    watcher.event("GUILD_CREATE").await;
    let mut bot = log_in(&info, &info.token).await;
    let presence = json!({"status": "idle", "since": 91, "activities": [{"name": "music", "type": 2}], "afk": true});
    bot.socket.send(json!({"op": 3, "d": presence})).await;
    let told = watcher.event("PRESENCE_UPDATE").await;
    assert_eq!(told["user"]["id"], info.bot_user_id.as_str());
    assert_eq!(told["status"], "idle");
    let state = control.state().await.unwrap();
    let session = state.gateway.iter().find(|session| session.user_id == info.bot_user_id);
    assert_eq!(session.unwrap().presence, Some(presence));
    standin.shutdown().await;
}

#[tokio::test]
async fn whoever_sends_no_heartbeat_is_a_zombie() {
    let standin = Standin::start(Config {
        heartbeat_interval: Duration::from_secs(1),
        ..Config::default()
    })
    .await
    .unwrap();
    let info = standin.info().clone();
    let mut bot = log_in(&info, &info.token).await;
    assert_eq!(bot.socket.close_code().await, Some(4009));
    let state = standin.control().state().await.unwrap();
    assert_eq!(state.counters.get("gateway_zombies"), Some(&1));
    assert!(!state.gateway[0].connected, "and may resume");
    standin.shutdown().await;
}

#[tokio::test]
async fn the_server_asks_for_a_heartbeat_and_can_fall_silent() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    control.request_heartbeat("bridge").await.unwrap();
    bot.socket.op(1).await;
    bot.socket.send(json!({"op": 1, "d": 2})).await;
    bot.socket.op(11).await;
    let beats = |standin: &Standin, least: u64| {
        let control = standin.control();
        async move { control.state().await.unwrap().gateway[0].heartbeats >= least }
    };
    assert!(beats(&standin, 1).await);

    control.silence_gateway("bridge").await.unwrap();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    bot.socket.send(json!({"op": 1, "d": 2})).await;
    eventually(&standin, |state| (state.gateway[0].heartbeats == 2).then_some(())).await;
    // The heartbeat has arrived; had it been answered, the answer would be here before the end.
    control.close_gateway("bridge", 0).await.unwrap();
    assert!(matches!(bot.socket.next().await, crate::client::Event::Closed(None)));

    let mut again = gateway(&info, "v=10").await;
    again
        .send(json!({"op": 6, "d": {"token": info.token, "session_id": bot.session_id, "seq": 2}}))
        .await;
    let missed = again.event("VOICE_STATE_UPDATE").await;
    assert_eq!(missed["member"]["user"]["username"], "alice");
    standin.shutdown().await;
}

#[tokio::test]
async fn a_session_that_was_invalidated_for_good_cannot_be_resumed() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    bot.join(&info, &info.voice_channel_id).await;
    control.invalidate_gateway("bridge", false).await.unwrap();
    assert_eq!(bot.socket.op(9).await["d"], false);
    let state = control.state().await.unwrap();
    assert!(state.gateway.is_empty() && state.voice.is_empty());
    // The connection is still there for a new identify.
    bot.socket.send(identify(&info.token, INTENTS)).await;
    let ready = bot.socket.event("READY").await;
    assert_ne!(ready["session_id"], bot.session_id.as_str());
    let mut other = gateway(&info, "v=10").await;
    let resume = json!({"op": 6, "d": {"token": info.token, "session_id": bot.session_id, "seq": 1}});
    other.send(resume).await;
    assert_eq!(other.op(9).await["d"], false);
    standin.shutdown().await;
}

#[tokio::test]
async fn events_and_operations_are_logged_in_order() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    bot.join(&info, &info.voice_channel_id).await;
    let log = control.gateway_messages(0).await.unwrap();
    let seen: Vec<_> = log
        .messages
        .iter()
        .map(|message| (message.sender, message.op, message.name.as_deref()))
        .collect();
    let expected = [
        (Sender::Client, 2, None),
        (Sender::Server, 0, Some("READY")),
        (Sender::Server, 0, Some("GUILD_CREATE")),
        (Sender::Client, 4, None),
        (Sender::Server, 0, Some("VOICE_STATE_UPDATE")),
        (Sender::Server, 0, Some("VOICE_SERVER_UPDATE")),
    ];
    assert_eq!(seen, expected);
    assert_eq!(log.messages[3].data["channel_id"], info.voice_channel_id.as_str());
    assert_eq!(log.messages[5].sequence, Some(4));
    assert!(control.gateway_messages(log.next).await.unwrap().messages.is_empty());
    standin.shutdown().await;
}
