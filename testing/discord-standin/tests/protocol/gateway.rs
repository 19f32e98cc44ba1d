//! The gateway: identify, events, resume, close codes, compression.

use discord_standin::types::{ChannelKind, GatewayRules, Overwrite};
use flate2::{Decompress, FlushDecompress};
use serde_json::{Value, json};

use crate::client::{Event, INTENTS, counted, eventually, gateway, identified, identify, log_in, standin};

#[tokio::test]
async fn a_login_brings_ready_and_the_guild_with_those_in_voice() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    control.create_person("absent").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();

    let bot = log_in(&info, &info.token).await;
    let guild = &bot.guild;
    assert_eq!(guild["id"], info.guild_id.as_str());
    let kinds: Vec<_> = guild["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["type"])
        .collect();
    assert_eq!(kinds, [0, 2, 2]);
    assert_eq!(guild["voice_states"][0]["user_id"], alice.id.as_str());
    assert_eq!(guild["voice_states"][0]["channel_id"], info.voice_channel_id.as_str());
    // Without the members intent there are only oneself and those in voice.
    let members: Vec<_> = guild["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["user"]["username"].as_str().unwrap())
        .collect();
    assert_eq!(members, ["bridge", "alice"]);
    standin.shutdown().await;
}

#[tokio::test]
async fn voice_states_come_only_with_their_intent() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let mut with = log_in(&info, &info.token).await;
    let mut without = identified(&info, &info.token, 1).await;
    let guild = without.event("GUILD_CREATE").await;
    assert_eq!(guild["voice_states"], json!([]));

    control.join("alice", &info.voice_channel_id).await.unwrap();
    control.create_channel("later", ChannelKind::Text, 0).await.unwrap();
    let state = with.socket.event("VOICE_STATE_UPDATE").await;
    assert_eq!(state["member"]["user"]["username"], "alice");
    assert_eq!(without.json().await["t"], "CHANNEL_CREATE", "no voice state before");
    standin.shutdown().await;
}

#[tokio::test]
async fn message_text_is_hidden_without_its_intent() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let rules = GatewayRules {
        privileged_intents: Some(vec!["MESSAGE_CONTENT".to_owned()]),
        ..GatewayRules::default()
    };
    control.set_gateway_rules("bridge", &rules).await.unwrap();
    let mut without = log_in(&info, &info.token).await;
    let mut with = identified(&info, &info.token, INTENTS | 1 << 15).await;
    with.event("GUILD_CREATE").await;
    control.say("alice", &info.text_channel_id, "hello").await.unwrap();
    assert_eq!(with.event("MESSAGE_CREATE").await["content"], "hello");
    assert_eq!(without.socket.event("MESSAGE_CREATE").await["content"], "");
    standin.shutdown().await;
}

#[tokio::test]
async fn every_mistake_has_its_close_code() {
    let standin = standin().await;
    let info = standin.info().clone();
    let heartbeat = json!({"op": 1, "d": null});
    let cases = [
        ("v=10", identify("wrong", INTENTS), 4004),
        ("v=10", identify(&info.token, 1 << 40), 4013),
        (
            "v=10",
            json!({"op": 4, "d": {"guild_id": "1", "channel_id": null}}),
            4003,
        ),
        ("v=10", json!({"op": 99}), 4001),
        ("v=10", json!({"op": 2, "d": "no"}), 4002),
        ("v=6", heartbeat.clone(), 4012),
        ("v=10&encoding=etf", heartbeat.clone(), 4002),
    ];
    for (query, message, code) in cases {
        let mut socket = gateway(&info, query).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, Some(code), "{message}");
    }
    let mut bot = log_in(&info, &info.token).await;
    bot.socket.send(identify(&info.token, INTENTS)).await;
    assert_eq!(bot.socket.close_code().await, Some(4005));
    standin.shutdown().await;
}

#[tokio::test]
async fn too_many_messages_are_a_rate_limit() {
    let standin = standin().await;
    let info = standin.info().clone();
    let mut bot = log_in(&info, &info.token).await;
    for _ in 0..119 {
        bot.socket.send(json!({"op": 1, "d": null})).await;
        assert_eq!(bot.socket.json().await["op"], 11);
    }
    bot.socket.send(json!({"op": 1, "d": null})).await;
    assert_eq!(bot.socket.close_code().await, Some(4008));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_cut_session_resumes_and_a_closed_one_does_not() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let mut bot = log_in(&info, &info.token).await;
    control.close_gateway("bridge", 0).await.unwrap();
    assert_eq!(bot.socket.close_code().await, None);
    eventually(&standin, |state| (!state.gateway[0].connected).then_some(())).await;
    control.join("alice", &info.voice_channel_id).await.unwrap();

    let resume = |seq: u64| json!({"op": 6, "d": {"token": info.token, "session_id": bot.session_id, "seq": seq}});
    let mut socket = gateway(&info, "v=10").await;
    socket.send(resume(2)).await;
    assert_eq!(socket.json().await["op"], 10);
    let missed = socket.json().await;
    assert_eq!((&missed["t"], &missed["s"]), (&json!("VOICE_STATE_UPDATE"), &json!(3)));
    assert_eq!(socket.json().await["t"], "RESUMED");
    let state = standin.control().state().await.unwrap();
    assert_eq!(state.gateway[0].resumes, 1);

    socket.0.close(None).await.unwrap();
    drop(socket);
    let mut cut = gateway(&info, "v=10").await;
    cut.send(resume(99)).await;
    assert_eq!(cut.op(9).await["d"], false, "a sequence from the future");
    standin.shutdown().await;
}

#[tokio::test]
async fn a_normal_close_ends_session_and_voice() {
    let standin = standin().await;
    let info = standin.info().clone();
    let mut bot = log_in(&info, &info.token).await;
    bot.join(&info, &info.voice_channel_id).await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    };
    bot.socket.0.close(Some(frame)).await.unwrap();
    eventually(&standin, |state| {
        (state.gateway.is_empty() && state.voice.is_empty()).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn op_4_takes_ids_as_integers_and_what_may_not_be_is_ignored() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let deny = Overwrite {
        allow: vec![],
        deny: vec!["CONNECT".to_owned()],
    };
    let second = info.second_voice_channel_id.clone();
    control.set_overwrite(&second, "bridge", &deny).await.unwrap();
    let full = control.create_channel("full", ChannelKind::Voice, 1).await.unwrap();
    control.create_person("alice").await.unwrap();
    control.join("alice", &full.id).await.unwrap();

    let mut bot = log_in(&info, &info.token).await;
    bot.ask_for_voice(&info.guild_id, Some(&second)).await;
    counted(&standin, "gateway_voice_not_permitted", 1).await;
    bot.ask_for_voice(&info.guild_id, Some(&full.id)).await;
    counted(&standin, "gateway_voice_full", 1).await;
    bot.ask_for_voice(&info.guild_id, Some(&info.text_channel_id)).await;
    counted(&standin, "gateway_voice_no_channel", 1).await;
    assert!(standin.control().state().await.unwrap().voice_of("bridge").is_none());

    let id = |text: &str| text.parse::<u64>().unwrap();
    bot.socket
        .send(json!({"op": 4, "d": {
            "guild_id": id(&info.guild_id), "channel_id": id(&info.voice_channel_id),
            "self_mute": true, "self_deaf": false,
        }}))
        .await;
    let state = bot.socket.event("VOICE_STATE_UPDATE").await;
    assert_eq!(state["session_id"], bot.session_id.as_str());
    assert_eq!(state["self_mute"], true);
    bot.socket.event("VOICE_SERVER_UPDATE").await;
    standin.shutdown().await;
}

#[tokio::test]
async fn a_zlib_stream_is_one_stream_over_all_messages() {
    let standin = standin().await;
    let info = standin.info().clone();
    let mut socket = gateway(&info, "v=10&encoding=json&compress=zlib-stream").await;
    let mut inflate = Decompress::new(true);
    let mut read = |event: Event| -> Value {
        let Event::Binary(bytes) = event else {
            panic!("expected binary, got {event:?}");
        };
        assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
        let mut text = Vec::with_capacity(1 << 20);
        inflate
            .decompress_vec(&bytes, &mut text, FlushDecompress::Sync)
            .unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    assert_eq!(read(socket.next().await)["op"], 10);
    socket.send(identify(&info.token, INTENTS)).await;
    assert_eq!(read(socket.next().await)["t"], "READY");
    assert_eq!(read(socket.next().await)["t"], "GUILD_CREATE");
    standin.shutdown().await;
}

#[tokio::test]
async fn the_server_can_ask_for_a_reconnect_and_invalidate() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    control.reconnect_gateway("bridge").await.unwrap();
    assert_eq!(bot.socket.op(7).await["d"], Value::Null);
    control.invalidate_gateway("bridge", true).await.unwrap();
    assert_eq!(bot.socket.op(9).await["d"], true);
    control.close_gateway("bridge", 4000).await.unwrap();
    assert_eq!(bot.socket.close_code().await, Some(4000));
    standin.shutdown().await;
}
