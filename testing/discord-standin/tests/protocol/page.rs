//! The page's files and sockets: who may use them, what they carry, and what becomes of garbage.

use std::time::{Duration, Instant};

use discord_standin::{
    Info, Standin, digest,
    types::{DavePolicy, FrameKind, VoiceFlags, VoiceMember},
};
use futures_util::SinkExt as _;
use opus2::{Application, Channels, Encoder};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::{
    client::{Event, Websocket, eventually, standin, standin_with},
    voice::tone,
};

/// Bytes before a heard frame.
const HEADER: usize = 14;

/// Opens a socket of the page as a browser would that shows `origin`.
async fn open(info: &Info, path: &str, origin: Option<&str>) -> Result<Websocket, StatusCode> {
    let url = format!("{}{path}", info.control.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    if let Some(origin) = origin {
        let origin = HeaderValue::from_str(origin).unwrap();
        request.headers_mut().insert("Origin", origin);
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(Websocket(socket)),
        Err(Error::Http(response)) => Err(StatusCode::from_u16(response.status().as_u16()).unwrap()),
        Err(other) => panic!("{other}"),
    }
}

async fn socket(standin: &Standin, path: &str) -> Websocket {
    let info = standin.info();
    open(info, path, Some(&info.control)).await.unwrap()
}

async fn binary(socket: &mut Websocket) -> Vec<u8> {
    match socket.next().await {
        Event::Binary(bytes) => bytes,
        other => panic!("expected a frame, got {other:?}"),
    }
}

/// Opus packets of 20 ms, as a browser's encoder makes them.
fn packets(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
    (0..count)
        .map(|packet| {
            let pcm: Vec<f32> = (0..960_u16)
                .map(|n| (f32::from(n) * f32::from(u16::try_from(packet + 1).unwrap()) / 50.0).sin() * 0.3)
                .collect();
            encoder.encode_vec_float(&pcm, 1_275).unwrap()
        })
        .collect()
}

fn voice_frames(member: &VoiceMember) -> u64 {
    member.frames_sent - member.silence_sent
}

async fn in_voice(standin: &Standin, names: &[&str]) {
    for name in names {
        standin.control().create_person(name).await.unwrap();
        let channel = &standin.info().voice_channel_id;
        standin.control().join(name, channel).await.unwrap();
    }
}

#[tokio::test]
async fn the_page_is_there_with_all_its_parts() {
    let standin = standin().await;
    let base = standin.info().control.clone();
    let index = reqwest::get(&base).await.unwrap();
    assert_eq!(index.headers()["content-type"], "text/html; charset=utf-8");
    assert!(
        index.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("frame-ancestors 'none'")
    );
    // Everything that the page's files name is there, down to the last import.
    let mut wanted = vec![(String::new(), index.text().await.unwrap())];
    let mut seen = Vec::new();
    while let Some((name, content)) = wanted.pop() {
        let words = content.split(['"', '`', '(', '/', ' ']);
        let is_file = |word: &&str| matches!(word.rsplit_once('.'), Some((name, "js" | "css")) if !name.is_empty());
        for file in words.filter(is_file) {
            if !seen.contains(&file.to_owned()) {
                let answer = reqwest::get(format!("{base}/page/{file}")).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{name} names {file}");
                seen.push(file.to_owned());
                wanted.push((file.to_owned(), answer.text().await.unwrap()));
            }
        }
    }
    assert!(seen.len() >= 8, "{seen:?}");
    let missing = reqwest::get(format!("{base}/page/passwords.txt")).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    standin.shutdown().await;
}

#[tokio::test]
async fn another_web_site_can_neither_watch_nor_talk_nor_order() {
    let standin = standin().await;
    let info = standin.info().clone();
    in_voice(&standin, &["alice"]).await;
    let port = info.control.rsplit_once(':').unwrap().1;
    let foreign = [
        Some("http://evil.example".to_owned()),
        Some(format!("https://127.0.0.1:{port}")),
        Some(format!("http://localhost:{port}")),
        Some("http://127.0.0.1:1".to_owned()),
        Some("null".to_owned()),
        None,
    ];
    for path in ["/page/watch", "/page/sound?who=alice"] {
        for origin in &foreign {
            let refused = open(&info, path, origin.as_deref()).await.err();
            assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{path} from {origin:?}");
        }
    }
    let order = |header: &'static str, value: &str| {
        let order = Client::new().post(format!("{}/people/alice/leave", info.control));
        order.header(header, value).send()
    };
    let by_site = order("Origin", "http://evil.example").await.unwrap();
    let by_name = order("Host", &format!("evil.example:{port}")).await.unwrap();
    for refused in [by_site, by_name] {
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(refused.json::<Value>().await.unwrap()["error"].is_string());
    }
    let state = standin.control().state().await.unwrap();
    assert!(state.voice_of("alice").is_some(), "nothing was done");
    let own = order("Origin", &info.control).await.unwrap();
    assert_eq!(own.status(), StatusCode::OK);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_guild_is_told_at_once_and_after_changes_but_ten_times_a_second_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let standin = standin_with(DavePolicy::Required).await;
    let control = standin.control();
    in_voice(&standin, &["alice", "bob"]).await;
    let started = Instant::now();
    let mut watch = socket(&standin, "/page/watch").await;
    let first = watch.json().await;
    assert_eq!(first["guild"], "Stand-in");
    assert_eq!(first["voice"].as_array().unwrap().len(), 2);

    // Frames change the guild fifty times a second.
    control.play("alice", &tone(&directory, 5), false).await.unwrap();
    let mut told = 1;
    let hears = loop {
        let now = watch.json().await;
        told += 1;
        let bob = now["voice"].as_array().unwrap()[1].clone();
        if bob["heard"][0]["frames"].as_u64().is_some_and(|frames| frames >= 50) {
            break now;
        }
    };
    let possible = started.elapsed().as_millis() / 100 + 1;
    assert!(told <= possible, "{told} in {:?}", started.elapsed());
    assert_eq!(hears["voice"][0]["speaking"], true);
    assert_eq!(hears["voice"][1]["heard"][0]["lost"], 0);
    assert_eq!(hears["voice"][1]["heard"][0]["undecrypted"], 0);
    let in_use = hears["channels"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|channel| channel["call"].is_object());
    for channel in in_use.clone() {
        assert_eq!(channel["dave"], "required");
        assert_eq!(channel["call"]["protocol_version"], 1);
        assert_eq!(channel["call"]["pending"].as_array().unwrap().len(), 0);
    }
    assert_eq!(in_use.count(), 1);

    let muted = VoiceFlags {
        mute: Some(true),
        ..VoiceFlags::default()
    };
    control.set_voice("bob", muted).await.unwrap();
    while watch.json().await["voice"][1]["mute"] != true {}
    standin.shutdown().await;
}

#[tokio::test]
async fn a_page_hears_every_frame_and_what_it_says_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let standin = standin().await;
    let control = standin.control();
    in_voice(&standin, &["alice", "bob"]).await;
    let mut page = socket(&standin, "/page/sound?who=bob").await;
    control.play("alice", &tone(&directory, 1), false).await.unwrap();
    let alice = control
        .state()
        .await
        .unwrap()
        .voice_of("alice")
        .unwrap()
        .user_id
        .clone();
    let mut heard = Vec::new();
    for n in 0..55_u16 {
        let frame = binary(&mut page).await;
        assert_eq!(frame[..8], alice.parse::<u64>().unwrap().to_be_bytes());
        let sequence = u16::from_be_bytes([frame[8], frame[9]]);
        let timestamp = u32::from_be_bytes([frame[10], frame[11], frame[12], frame[13]]);
        heard.push((sequence.wrapping_sub(n), timestamp.wrapping_sub(u32::from(n) * 960)));
        let sent = &control.sent("alice", u64::from(n)).await.unwrap().frames[0];
        assert_eq!(digest(&frame[HEADER..]), sent.digest);
    }
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]), "steps of one frame");

    control.record("alice").await.unwrap();
    let said = packets(10);
    for opus in &said {
        page.0.send(Message::binary(opus.clone())).await.unwrap();
    }
    eventually(&standin, |state| {
        let bob = state.voice_of("bob")?;
        (voice_frames(bob) == 10 && !bob.speaking).then_some(())
    })
    .await;
    let frames = control.frames("alice", 0).await.unwrap().frames;
    let digests = |kind| {
        let those = frames.iter().filter(move |frame| frame.kind == kind);
        those.map(|frame| frame.digest.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        digests(FrameKind::Voice),
        said.iter().map(|opus| digest(opus)).collect::<Vec<_>>()
    );
    assert!(digests(FrameKind::Silence).len() >= 5, "speech ends in silence");
    assert!(frames.iter().all(|frame| frame.lost_before == 0));
    standin.shutdown().await;
}

#[tokio::test]
async fn garbage_closes_the_socket_with_a_reason_and_harms_nobody_else() {
    let standin = standin().await;
    let info = standin.info().clone();
    in_voice(&standin, &["alice"]).await;
    let wrong = [
        (Message::text("{\"op\":1}"), Some(1003)),
        (Message::binary(Vec::new()), Some(1007)),
        (Message::binary(vec![0xff; 40]), Some(1007)),
        (Message::binary(vec![0x78; 1_276]), Some(1007)),
        // 10 ms, where 20 are asked for.
        (Message::binary(vec![0xf0, 1, 2, 3]), Some(1007)),
        (Message::binary(vec![0x78; 100_000]), None),
    ];
    for (message, code) in wrong {
        let mut page = socket(&standin, "/page/sound?who=alice").await;
        // The server may hang up on what is far too large before all of it is sent.
        let sent = page.0.send(message.clone()).await;
        assert!(sent.is_ok() || code.is_none());
        assert_eq!(page.close_code().await, code, "{} bytes", message.len());
    }
    let mut watch = socket(&standin, "/page/watch").await;
    watch.send(serde_json::json!({})).await;
    assert_eq!(watch.close_code().await, Some(1003));
    let nobody = open(&info, "/page/sound?who=nobody", Some(&info.control)).await;
    assert_eq!(nobody.err(), Some(StatusCode::NOT_FOUND));
    let bot = open(&info, "/page/sound?who=bridge", Some(&info.control)).await;
    assert_eq!(bot.err(), Some(StatusCode::CONFLICT));

    let mut page = socket(&standin, "/page/sound?who=alice").await;
    for opus in packets(5) {
        page.0.send(Message::binary(opus)).await.unwrap();
    }
    eventually(&standin, |state| {
        (state.voice_of("alice")?.frames_sent >= 10).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn who_talks_too_fast_loses_frames_and_no_delay_builds_up() {
    let standin = standin().await;
    in_voice(&standin, &["alice"]).await;
    let mut page = socket(&standin, "/page/sound?who=alice").await;
    for opus in packets(500) {
        page.0.send(Message::binary(opus)).await.unwrap();
    }
    // Every frame is said or counted.
    eventually(&standin, |state| {
        let too_fast = state.counters.get("page_talks_too_fast")?;
        (voice_frames(state.voice_of("alice")?) + too_fast == 500).then_some(())
    })
    .await;
    standin.shutdown().await;
}

#[tokio::test]
async fn one_page_listens_for_a_person_until_another_takes_over_or_he_is_gone() {
    let standin = standin().await;
    in_voice(&standin, &["alice"]).await;
    let mut first = socket(&standin, "/page/sound?who=alice").await;
    let mut second = socket(&standin, "/page/sound?who=alice").await;
    assert_eq!(first.close_code().await, Some(4000));
    standin.control().remove_person("alice").await.unwrap();
    assert_eq!(second.close_code().await, Some(4000));
    let mut watch = socket(&standin, "/page/watch").await;
    assert_eq!(watch.json().await["voice"].as_array().unwrap().len(), 0);
    tokio::time::timeout(Duration::from_secs(5), standin.shutdown())
        .await
        .expect("an open page does not hold up the end");
}
