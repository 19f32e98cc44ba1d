//! Voice: both gateway versions, both encryption modes, forwarding, rings, close codes.

use std::{path::PathBuf, time::Duration};

use discord_standin::{
    Config, Standin, digest,
    types::{ChannelKind, DavePolicy, FrameKind, Overwrite, VoiceFlags},
};
use serde_json::{Value, json};

use crate::{
    client::{Event, Voice, counted, eventually, log_in, standin, voice_gateway, voice_identify},
    crypto::MODES,
};

const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// A WAV file with a tone.
pub(crate) fn tone(directory: &tempfile::TempDir, seconds: u32) -> PathBuf {
    let path = directory.path().join("tone.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..48_000 * seconds {
        let phase = f64::from(n) * 440.0 * std::f64::consts::TAU / 48_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
        writer.write_sample((phase.sin() * 12_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path
}

async fn bridge(standin: &Standin, version: u8, mode: &str) -> Voice {
    let info = standin.info();
    Voice::connect(info, &info.token, &info.bot_user_id, version, mode).await
}

/// Op 5 says that somebody speaks with priority, and that he stops to.
#[tokio::test]
async fn priority_speakers_are_told() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let directory = tempfile::tempdir().unwrap();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    let mut bot = bridge(&standin, 8, MODES[0]).await;
    control.play("alice", &tone(&directory, 1), true).await.unwrap();
    assert_eq!(bot.socket.op(5).await["d"]["speaking"], 1);
    control.set_priority("alice", true).await.unwrap();
    assert_eq!(bot.socket.op(5).await["d"]["speaking"], 5);
    control.set_priority("alice", false).await.unwrap();
    assert_eq!(bot.socket.op(5).await["d"]["speaking"], 1);
    assert!(
        control.set_priority("bridge", true).await.is_err(),
        "bots speak for themselves"
    );
    standin.shutdown().await;
}

#[tokio::test]
async fn speech_goes_through_byte_for_byte_in_every_version_and_mode() {
    let directory = tempfile::tempdir().unwrap();
    let file = tone(&directory, 1);
    for (version, mode) in [(4, MODES[0]), (4, MODES[1]), (8, MODES[0]), (8, MODES[1])] {
        let standin = standin().await;
        let info = standin.info().clone();
        let control = standin.control();
        let alice = control.create_person("alice").await.unwrap();
        control.join("alice", &info.voice_channel_id).await.unwrap();
        control.record("alice").await.unwrap();
        let mut bot = bridge(&standin, version, mode).await;

        control.play("alice", &file, false).await.unwrap();
        let speaking = bot.socket.op(5).await["d"].clone();
        assert_eq!(speaking["user_id"], alice.id.as_str());
        let mut heard = Vec::new();
        for _ in 0..55 {
            let (ssrc, opus) = bot.hear().await;
            assert_eq!(speaking["ssrc"], ssrc);
            heard.push(opus);
        }
        let sent = control.sent("alice", 0).await.unwrap().frames;
        let sent: Vec<_> = sent.iter().map(|frame| frame.digest.clone()).collect();
        assert_eq!(heard.iter().map(|opus| digest(opus)).collect::<Vec<_>>(), sent);
        assert!(
            heard[50..].iter().all(|opus| *opus == SILENCE),
            "five silence frames end speech"
        );

        bot.announce().await;
        eventually(&standin, |state| state.voice_of("bridge")?.connection.clone()).await;
        // The announcement and the packets take different ways.
        while !control
            .state()
            .await
            .unwrap()
            .counters
            .contains_key("voice_speaking_updates")
        {
            tokio::task::yield_now().await;
        }
        let said: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![0x78, n, 1, 2, 3]).collect();
        for opus in &said {
            bot.say(opus).await;
        }
        eventually(&standin, |state| {
            (state.voice_of("bridge")?.frames_sent == 8).then_some(())
        })
        .await;
        let frames = control.frames("alice", 0).await.unwrap().frames;
        let digests: Vec<_> = frames.iter().map(|frame| frame.digest.clone()).collect();
        assert_eq!(digests, said.iter().map(|opus| digest(opus)).collect::<Vec<_>>());
        assert!(
            frames.iter().all(|frame| frame.lost_before == 0),
            "the sequence wraps without loss"
        );
        standin.shutdown().await;
    }
}

#[tokio::test]
async fn two_bots_of_different_modes_hear_each_other() {
    let standin = standin().await;
    let info = standin.info().clone();
    let second = standin.control().create_bot("second", "other-token").await.unwrap();
    let mut first = bridge(&standin, 4, MODES[0]).await;
    let mut other = Voice::connect(&info, "other-token", &second.id, 8, MODES[1]).await;
    assert_eq!(first.socket.op(11).await["d"]["user_ids"], json!([second.id]));
    assert_eq!(other.socket.op(11).await["d"]["user_ids"], json!([info.bot_user_id]));
    other.announce().await;
    let speaking = first.socket.op(5).await["d"].clone();
    assert_eq!(speaking["ssrc"], other.ssrc);
    other.say(b"\x78from the second").await;
    assert_eq!(first.hear().await, (other.ssrc, b"\x78from the second".to_vec()));
    other.bot.ask_for_voice(&info.guild_id, None).await;
    assert_eq!(first.socket.op(13).await["d"]["user_id"], second.id.as_str());
    assert_eq!(other.socket.close_code().await, Some(4014));
    standin.shutdown().await;
}

#[tokio::test]
async fn version_4_has_no_sequence_and_version_8_numbers_and_resumes() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut old = bridge(&standin, 4, MODES[0]).await;
    assert!(old.described.get("seq").is_none());
    let second = control.create_bot("second", "other-token").await.unwrap();
    let mut new = Voice::connect(&info, "other-token", &second.id, 8, MODES[0]).await;
    assert_eq!(new.described["seq"], 1);
    let Event::Json(_, text) = old.socket.next().await else {
        panic!("expected a message");
    };
    assert!(
        text.starts_with("{\"op\":11,\"d\":"),
        "op first, then d, nothing before: {text}"
    );

    for (socket, beat, ack) in [
        (&mut old.socket, json!(7), json!(7)),
        (&mut new.socket, json!({"t": 7, "seq_ack": 1}), json!({"t": 7})),
    ] {
        socket.send(json!({"op": 3, "d": beat})).await;
        assert_eq!(socket.op(6).await["d"], ack);
    }

    control.close_voice("second", 0).await.unwrap();
    assert_eq!(new.socket.close_code().await, None);
    eventually(&standin, |state| {
        (!state.voice_of("second")?.connection.as_ref()?.websocket).then_some(())
    })
    .await;
    old.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    let mut socket = voice_gateway(&info, &new.endpoint, 8).await;
    let resume = |seq: u64| {
        json!({"op": 7, "d": {
            "server_id": info.guild_id, "session_id": new.bot.session_id, "token": new.token, "seq_ack": seq,
        }})
    };
    socket.send(resume(1)).await;
    assert_eq!(socket.json().await["op"], 8);
    assert_eq!(socket.json().await["op"], 9);
    let missed: Vec<Value> = [socket.op(11).await, socket.op(5).await].into();
    assert_eq!(missed[0]["seq"], 2);
    assert_eq!(missed[1]["d"]["ssrc"], old.ssrc);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_ring_follows_packets_and_not_op_5() {
    let standin = standin().await;
    let mut bot = bridge(&standin, 8, MODES[0]).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;
    let lit = |state: &discord_standin::types::State| Some(state.voice_of("bridge")?.speaking);
    assert_eq!(
        lit(&standin.control().state().await.unwrap()),
        Some(false),
        "op 5 lights nothing"
    );
    bot.say(&[0x78, 1, 2]).await;
    eventually(&standin, |state| lit(state).filter(|lit| *lit)).await;
    eventually(&standin, |state| lit(state).filter(|lit| !*lit)).await;
    bot.say(&[0x78, 1, 2]).await;
    for _ in 0..5 {
        bot.say(&SILENCE).await;
    }
    let voice = eventually(&standin, |state| {
        state
            .voice_of("bridge")
            .filter(|voice| voice.silence_sent == 5)
            .cloned()
    })
    .await;
    assert!(!voice.speaking, "five silence frames put it out at once");
    let length = |n: usize| voice.rings[n].off_ns.unwrap() - voice.rings[n].on_ns;
    assert_eq!(length(0), 200_000_000);
    assert!(length(1) < 200_000_000);
    standin.shutdown().await;
}

#[tokio::test]
async fn packets_that_are_wrong_are_counted_and_not_passed_on() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    control.record("alice").await.unwrap();
    let mut bot = bridge(&standin, 4, MODES[0]).await;

    bot.say(&[0x78, 1]).await;
    counted(&standin, "voice_before_speaking", 1).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;

    let mut forged = bot.packet(&[0x78, 1, 2]);
    *forged.last_mut().unwrap() ^= 1;
    bot.udp.send_to(&forged, bot.server).await.unwrap();
    counted(&standin, "voice_not_decrypted", 1).await;

    let packet = bot.packet(&[0x78, 1, 2]);
    for _ in 0..2 {
        bot.udp.send_to(&packet, bot.server).await.unwrap();
    }
    counted(&standin, "voice_nonce_reused", 1).await;

    let mut strange = bot.packet(&[0x78, 1, 2]);
    strange[1] = 111;
    bot.udp.send_to(&strange, bot.server).await.unwrap();
    counted(&standin, "voice_wrong_payload_type", 1).await;

    let mut stranger = bot.packet(&[0x78, 1, 2]);
    stranger[11] ^= 0xff;
    bot.udp.send_to(&stranger, bot.server).await.unwrap();
    counted(&standin, "voice_unknown_ssrc", 1).await;

    assert_eq!(control.frames("alice", 0).await.unwrap().frames.len(), 1);
    standin.shutdown().await;
}

#[tokio::test]
async fn the_muted_are_not_heard_and_the_deaf_do_not_hear() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    control.record("alice").await.unwrap();
    let mut bot = bridge(&standin, 8, MODES[0]).await;
    bot.announce().await;
    counted(&standin, "voice_speaking_updates", 1).await;

    let flags = |mute: bool| VoiceFlags {
        mute: Some(mute),
        ..VoiceFlags::default()
    };
    control.set_voice("bridge", flags(true)).await.unwrap();
    assert_eq!(bot.bot.socket.event("VOICE_STATE_UPDATE").await["mute"], true);
    bot.say(&[0x78, 1]).await;
    counted(&standin, "voice_while_muted", 1).await;
    control.set_voice("bridge", flags(false)).await.unwrap();

    let deny = Overwrite {
        allow: vec![],
        deny: vec!["SPEAK".to_owned()],
    };
    control
        .set_overwrite(&info.voice_channel_id, "bridge", &deny)
        .await
        .unwrap();
    bot.say(&[0x78, 2]).await;
    counted(&standin, "voice_while_muted", 2).await;
    control.clear_overwrite(&info.voice_channel_id, "bridge").await.unwrap();

    let deaf = VoiceFlags {
        self_deaf: Some(true),
        ..VoiceFlags::default()
    };
    control.set_voice("alice", deaf).await.unwrap();
    bot.say(&[0x78, 3]).await;
    eventually(&standin, |state| {
        (state.voice_of("bridge")?.frames_sent == 1).then_some(())
    })
    .await;
    assert!(control.frames("alice", 0).await.unwrap().frames.is_empty());
    standin.shutdown().await;
}

#[tokio::test]
async fn a_stage_lets_a_bot_speak_only_when_it_may_lift_itself() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let stage = control.create_channel("stage", ChannelKind::Stage, 0).await.unwrap();
    let mut bot = log_in(&info, &info.token).await;
    bot.ask_for_voice(&info.guild_id, Some(&stage.id)).await;
    assert_eq!(bot.socket.event("VOICE_STATE_UPDATE").await["suppress"], true);
    let lift = || async {
        reqwest::Client::new()
            .patch(format!(
                "{}/api/v10/guilds/{}/voice-states/@me",
                info.api_base, info.guild_id
            ))
            .header("Authorization", format!("Bot {}", info.token))
            .json(&json!({"suppress": false, "channel_id": stage.id}))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(lift().await, 403);
    let names = ["VIEW_CHANNEL", "CONNECT", "SPEAK", "MUTE_MEMBERS"];
    control.set_role_permissions("bots", &names).await.unwrap();
    assert_eq!(lift().await, 204);
    assert_eq!(bot.socket.event("VOICE_STATE_UPDATE").await["suppress"], false);
    standin.shutdown().await;
}

#[tokio::test]
async fn every_mistake_has_its_close_code() {
    let standin = standin().await;
    let info = standin.info().clone();
    let mut bot = log_in(&info, &info.token).await;
    let (token, endpoint) = bot.join(&info, &info.voice_channel_id).await;
    let user = info.bot_user_id.as_str();
    let mut other_guild = voice_identify(&info, user, &bot.session_id, &token);
    other_guild["d"]["server_id"] = json!("5");
    let resume = json!({"op": 7, "d": {"server_id": info.guild_id, "session_id": "x", "token": "y"}});
    let cases = [
        (voice_identify(&info, user, &bot.session_id, "wrong"), 4004),
        (voice_identify(&info, user, "wrong", &token), 4006),
        (voice_identify(&info, "5", &bot.session_id, &token), 4006),
        (other_guild, 4011),
        (resume, 4006),
        (json!({"op": 5, "d": {"speaking": 1}}), 4003),
        (json!({"op": 99, "d": {}}), 4001),
        (json!({"op": 0, "d": "no"}), 4002),
    ];
    for (message, code) in cases {
        let mut socket = voice_gateway(&info, &endpoint, 8).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, Some(code), "{message}");
    }
    let mut old = voice_gateway(&info, &endpoint, 3).await;
    assert_eq!(old.close_code().await, Some(4012));

    let select = |protocol: &str, mode: &str| {
        json!({"op": 1, "d": {
            "protocol": protocol, "data": {"address": "127.0.0.1", "port": 5, "mode": mode},
        }})
    };
    for (message, code) in [
        (select("webrtc", MODES[0]), 4012),
        (select("udp", "xsalsa20_poly1305"), 4016),
        (voice_identify(&info, user, &bot.session_id, &token), 4005),
    ] {
        let mut socket = voice_gateway(&info, &endpoint, 4).await;
        socket.send(voice_identify(&info, user, &bot.session_id, &token)).await;
        assert_eq!(socket.op(2).await["d"]["modes"], json!(MODES));
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, Some(code), "{message}");
    }
    standin.shutdown().await;
}

#[tokio::test]
async fn a_kick_a_move_and_a_deleted_channel_close_voice_with_4014() {
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    let mut bot = bridge(&standin, 8, MODES[0]).await;
    control.move_to("bridge", &info.second_voice_channel_id).await.unwrap();
    assert_eq!(bot.socket.close_code().await, Some(4014));
    bot.bot.socket.event("VOICE_SERVER_UPDATE").await;
    let voice = control.state().await.unwrap().voice_of("bridge").unwrap().clone();
    assert_eq!(voice.channel_id, info.second_voice_channel_id);

    let mut again = Voice::join(&info, bot.bot, &info.bot_user_id, 8, MODES[0]).await;
    control.kick_voice("bridge").await.unwrap();
    assert_eq!(again.socket.close_code().await, Some(4014));
    let left = loop {
        let state = again.bot.socket.event("VOICE_STATE_UPDATE").await;
        if state["channel_id"].is_null() {
            break state;
        }
    };
    assert_eq!(left["session_id"], again.bot.session_id.as_str());

    let mut third = Voice::join(&info, again.bot, &info.bot_user_id, 8, MODES[0]).await;
    control.delete_channel(&info.voice_channel_id).await.unwrap();
    assert_eq!(third.socket.close_code().await, Some(4014));
    assert!(control.state().await.unwrap().voice.is_empty());
    standin.shutdown().await;
}

#[tokio::test]
async fn a_voice_websocket_that_stays_away_ends_the_stay() {
    let standin = Standin::start(Config {
        dave: DavePolicy::Off,
        voice_grace: Duration::from_millis(50),
        ..Config::default()
    })
    .await
    .unwrap();
    let bot = bridge(&standin, 4, MODES[0]).await;
    drop(bot.socket);
    counted(&standin, "voice_abandoned", 1).await;
    assert!(standin.control().state().await.unwrap().voice.is_empty());
    standin.shutdown().await;
}

#[tokio::test]
async fn what_a_person_hears_is_recorded_on_one_timeline() {
    let directory = tempfile::tempdir().unwrap();
    let file = tone(&directory, 1);
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    for name in ["alice", "bob"] {
        control.create_person(name).await.unwrap();
        control.join(name, &info.voice_channel_id).await.unwrap();
    }
    let started = control.record("alice").await.unwrap().started_at_ns;
    let playback = control.play("bob", &file, false).await.unwrap();
    assert_eq!((playback.frames, playback.duration_ns), (50, 1_000_000_000));
    eventually(&standin, |state| {
        (state.voice_of("bob")?.frames_sent == 55).then_some(())
    })
    .await;
    let recording = control.stop_recording("alice").await.unwrap();
    let source = &recording.sources[0];
    assert_eq!(
        (source.frames, source.lost, source.silence, source.spurts),
        (55, 0, 5, 1)
    );

    let wav = control.recording_wav("alice", Some("bob")).await.unwrap();
    let mut reader = hound::WavReader::new(wav.as_slice()).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (48_000, 1));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(samples.len() as u64, recording.samples);
    let first_sound = samples.iter().position(|sample| sample.abs() > 1_000).unwrap() as u64;
    let started_after = (playback.started_at_ns - started) * 48 / 1_000_000;
    let late = first_sound.abs_diff(started_after);
    assert!(late < 1_440, "sound is {late} samples from where it was said");
    let kinds = control.frames("alice", 50).await.unwrap().frames;
    assert!(kinds.iter().all(|frame| frame.kind == FrameKind::Silence));
    standin.shutdown().await;
}

#[tokio::test]
async fn a_muted_person_says_nothing_and_a_loop_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = tone(&directory, 1);
    let standin = standin().await;
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    let refused = control.play("alice", &file, true).await;
    assert!(refused.is_err(), "nobody speaks outside voice");
    control.join("alice", &info.voice_channel_id).await.unwrap();
    let mute = |on: bool| VoiceFlags {
        self_mute: Some(on),
        ..VoiceFlags::default()
    };
    control.set_voice("alice", mute(true)).await.unwrap();
    control.play("alice", &file, true).await.unwrap();
    assert_eq!(control.playback("alice").await.unwrap().sent, 0);
    control.set_voice("alice", mute(false)).await.unwrap();
    eventually(&standin, |state| {
        (state.voice_of("alice")?.frames_sent > 60).then_some(())
    })
    .await;
    assert!(control.playback("alice").await.unwrap().loops >= 1);
    control.stop("alice").await.unwrap();
    let voice = eventually(&standin, |state| {
        state.voice_of("alice").filter(|voice| voice.silence_sent == 5).cloned()
    })
    .await;
    assert!(!voice.speaking);
    assert!(!control.playback("alice").await.unwrap().playing);
    standin.shutdown().await;
}
