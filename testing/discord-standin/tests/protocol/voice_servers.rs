//! The voice server moves, goes away, falls silent, and refuses.

use std::time::Duration;

use discord_standin::types::VoiceRefusal;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    client::{Event, Voice, counted, eventually, log_in, standin, voice_gateway, voice_identify},
    crypto::MODES,
};

/// Long enough for an answer that is to come, short enough to wait for one that is not.
const SILENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_move_closes_the_old_server_and_names_a_new_one() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    let old = bot.endpoint.clone();
    let moved = control.move_voice_server().await.unwrap();
    assert_eq!(bot.socket.close_code().await, Some(4014));
    let update = bot.bot.socket.event("VOICE_SERVER_UPDATE").await;
    assert_eq!(update["endpoint"].as_str(), moved.endpoint.as_deref());
    assert_ne!(update["endpoint"].as_str(), Some(old.as_str()));
    assert_ne!(moved.udp, info.voice_udp);

    let token = update["token"].as_str().unwrap();
    assert_ne!(token, bot.token);
    let mut fresh = voice_gateway(&info, update["endpoint"].as_str().unwrap(), 8).await;
    fresh
        .send(voice_identify(&info, &info.bot_user_id, &bot.bot.session_id, token))
        .await;
    let ready = fresh.op(2).await;
    assert_eq!(ready["d"]["port"], moved.udp.port());
    let port = old.rsplit_once(':').unwrap().1;
    let gone = async {
        while TcpStream::connect(format!("127.0.0.1:{port}")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), gone)
        .await
        .expect("the old server is gone");
    standin.shutdown().await;
}

#[tokio::test]
async fn after_a_move_voice_goes_on_between_those_who_followed() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    control.record("alice").await.unwrap();
    let bot = log_in(&info, &info.token).await;
    control.move_voice_server().await.unwrap();
    let mut voice = Voice::join(&info, bot, &info.bot_user_id, 4, MODES[1]).await;
    voice.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    voice.say(&[0x78, 9]).await;
    eventually(&standin, |state| {
        (state.voice_of("alice")?.frames_heard == 1).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_null_until_there_is_another() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    assert_eq!(control.withdraw_voice_server().await.unwrap().endpoint, None);
    assert_eq!(bot.socket.close_code().await, Some(4014));
    assert_eq!(
        bot.bot.socket.event("VOICE_SERVER_UPDATE").await["endpoint"],
        Value::Null
    );
    assert!(
        control.state().await.unwrap().voice_of("bridge").is_some(),
        "still in the channel"
    );
    let moved = control.move_voice_server().await.unwrap();
    let update = bot.bot.socket.event("VOICE_SERVER_UPDATE").await;
    assert_eq!(update["endpoint"].as_str(), moved.endpoint.as_deref());
    standin.shutdown().await;
}

#[tokio::test]
async fn a_dead_server_answers_nothing_and_comes_back() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = Voice::connect(&info, &info.token, &info.bot_user_id, 8, MODES[0]).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    assert!(!control.kill_voice_server().await.unwrap().alive);
    bot.socket.send(json!({"op": 3, "d": {"t": 7, "seq_ack": 0}})).await;
    bot.say(&[0x78, 1]).await;
    counted(&standin, "udp_while_dead", 1).await;
    assert!(
        timeout(SILENCE, bot.socket.next()).await.is_err(),
        "not even a close frame"
    );
    let joining = voice_gateway(&info, &info.voice_endpoint, 8);
    assert!(timeout(SILENCE, joining).await.is_err(), "nobody takes calls");

    assert!(control.revive_voice_server().await.unwrap().alive);
    assert_eq!(bot.socket.op(6).await["d"]["t"], 7);
    bot.say(&[0x78, 1]).await;
    eventually(&standin, |state| {
        (state.voice_of("bridge")?.frames_sent == 1).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn identifies_are_refused_as_often_as_asked() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = log_in(&info, &info.token).await;
    let (token, endpoint) = bot.join(&info, &info.voice_channel_id).await;
    let attempt = || async {
        let mut socket = voice_gateway(&info, &endpoint, 8).await;
        socket
            .send(voice_identify(&info, &info.bot_user_id, &bot.session_id, &token))
            .await;
        loop {
            match socket.next().await {
                Event::Closed(code) => return code,
                Event::Json(message, _) if message["op"] == 2 => return None,
                _ => {}
            }
        }
    };
    for (code, times) in [(4017, 1), (4006, 2)] {
        let refusal = VoiceRefusal {
            code,
            times: Some(times),
        };
        control.refuse_voice("bridge", refusal).await.unwrap();
        for _ in 0..times {
            assert_eq!(attempt().await, Some(code));
        }
        assert_eq!(attempt().await, None);
    }
    let always = VoiceRefusal {
        code: 4011,
        times: None,
    };
    control.refuse_voice("bridge", always).await.unwrap();
    assert_eq!(attempt().await, Some(4011));
    control.accept_voice("bridge").await.unwrap();
    assert_eq!(attempt().await, None);
    standin.shutdown().await;
}
