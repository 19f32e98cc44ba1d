//! Stages, the channel for those who are away, and moves by a moderator.

use discord_standin::types::{AfkSettings, ChannelKind, Overwrite, VoiceFlags};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{log_in, rest, standin};

#[tokio::test]
async fn the_audience_asks_to_speak_and_is_invited() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    let stage = control.create_channel("stage", ChannelKind::Stage, 0).await.unwrap();
    let mut bot = log_in(&info, &info.token).await;
    bot.ask_for_voice(&info.guild_id, Some(&stage.id)).await;
    assert_eq!(bot.socket.event("VOICE_STATE_UPDATE").await["suppress"], true);
    let voice_states = format!("/guilds/{}/voice-states", info.guild_id);
    let ask = |who: &str, body: Value| {
        let (info, path) = (info.clone(), format!("{voice_states}/{who}"));
        async move { rest(&info, Method::PATCH, &path, Some(&info.token), Some(body)).await.0 }
    };
    let hand = json!({"channel_id": stage.id, "request_to_speak_timestamp": "2026-01-01T00:00:00+00:00"});
    assert_eq!(ask("@me", hand.clone()).await, 204);
    let update = bot.socket.event("VOICE_STATE_UPDATE").await;
    assert!(update["request_to_speak_timestamp"].is_string());
    assert_eq!(ask("@me", json!({"request_to_speak_timestamp": null})).await, 204);
    let update = bot.socket.event("VOICE_STATE_UPDATE").await;
    assert!(update["request_to_speak_timestamp"].is_null());
    let elsewhere = json!({"channel_id": info.voice_channel_id, "suppress": true});
    assert_eq!(ask("@me", elsewhere).await, 404, "it is not there");
    control.set_role_permissions("bots", &["VIEW_CHANNEL"]).await.unwrap();
    control
        .set_role_permissions("everyone", &["VIEW_CHANNEL", "CONNECT"])
        .await
        .unwrap();
    assert_eq!(ask("@me", hand).await, 403);

    control.join("alice", &stage.id).await.unwrap();
    let asks = VoiceFlags {
        request_to_speak: Some(true),
        ..VoiceFlags::default()
    };
    assert!(
        control
            .set_voice("alice", asks)
            .await
            .unwrap()
            .request_to_speak_ns
            .is_some()
    );
    let invite = json!({"channel_id": stage.id, "suppress": false});
    assert_eq!(ask(&alice.id, invite.clone()).await, 403);
    control.set_role_permissions("bots", &["MUTE_MEMBERS"]).await.unwrap();
    assert_eq!(ask(&alice.id, invite).await, 204);
    let voice = control.state().await.unwrap();
    assert!(!voice.voice_of("alice").unwrap().suppress);
    assert_eq!(ask(&alice.id, json!({"suppress": true})).await, 204);
    let voice = control.state().await.unwrap();
    let voice = voice.voice_of("alice").unwrap();
    assert!(voice.suppress && voice.request_to_speak_ns.is_none());
    standin.shutdown().await;
}

#[tokio::test]
async fn whoever_is_away_is_moved_and_not_heard() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let mut bot = log_in(&info, &info.token).await;
    assert!(control.idle("alice").await.is_err(), "there is no such channel yet");
    let settings = AfkSettings {
        channel_id: Some(info.second_voice_channel_id.clone()),
        timeout: Some(60),
    };
    control.set_afk(&settings).await.unwrap();
    let update = bot.socket.event("GUILD_UPDATE").await;
    assert_eq!(update["afk_channel_id"], info.second_voice_channel_id.as_str());
    assert_eq!(update["afk_timeout"], 60);
    assert!(!control.join("alice", &info.voice_channel_id).await.unwrap().suppress);
    control.idle("alice").await.unwrap();
    let state = control.state().await.unwrap();
    let alice = state.voice_of("alice").unwrap();
    assert_eq!(alice.channel_id, info.second_voice_channel_id);
    assert!(alice.suppress);
    standin.shutdown().await;
}

#[tokio::test]
async fn a_moderator_moves_members_where_he_may_go_himself() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let alice = control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    control
        .set_role_permissions("bots", &["VIEW_CHANNEL", "CONNECT", "MOVE_MEMBERS"])
        .await
        .unwrap();
    let deny = Overwrite {
        allow: vec![],
        deny: vec!["CONNECT".to_owned()],
    };
    let second = info.second_voice_channel_id.as_str();
    control.set_overwrite(second, "alice", &deny).await.unwrap();
    let member = format!("/guilds/{}/members/{}", info.guild_id, alice.id);
    let go = || {
        let body = Some(json!({"channel_id": second}));
        rest(&info, Method::PATCH, &member, Some(&info.token), body)
    };
    control.set_overwrite(second, "bridge", &deny).await.unwrap();
    let (status, _, body) = go().await;
    assert_eq!((status, &body["code"]), (403, &json!(50_013)));
    control.clear_overwrite(second, "bridge").await.unwrap();
    assert_eq!(go().await.0, 200);
    let state = control.state().await.unwrap();
    assert_eq!(
        state.voice_of("alice").unwrap().channel_id,
        second,
        "although she may not join herself"
    );
    standin.shutdown().await;
}
