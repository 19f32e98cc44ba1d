//! What is said on one side is heard on the other.

use std::sync::Arc;
use std::time::Duration;

use bridge_kit::media::{Except, SinkSpec, SourceSpec};
use discord_standin::digest;
use discord_standin::types::{ChannelKind, FrameKind, Overwrite, Protection};

use tokio::time::sleep;

use super::{Bench, Heard, eventually, id, say, speech, with_standin, write_tone};
use crate::gateway::api;
use crate::gateway::facts::{ChannelId, Floor};
use crate::stage;

/// S2, S11: what the room says is heard on Discord packet by packet, and the ring goes out when it has been said.
#[tokio::test(flavor = "multi_thread")]
async fn the_room_is_heard_on_discord() {
    with_standin("voice::the_room_is_heard_on_discord", async |info| {
        let bench = Bench::new(info).await;
        let alice = bench.control.create_person("alice").await.unwrap();
        bench.control.record(&alice.id).await.unwrap();
        bench
            .control
            .join(&alice.id, &bench.info.voice_channel_id)
            .await
            .unwrap();
        let matrix = bench.room.add_source(SourceSpec::new("matrix"));
        let (session, _line) = bench.join().await;
        // Until then songbird speaks unencrypted, which nobody hears.
        bench.keys_are_agreed().await;

        let packets = speech(150);
        say(&matrix, &packets).await;
        let ring = async || {
            bench
                .control
                .state()
                .await
                .unwrap()
                .voice_of(&bench.info.bot_user_id)
                .unwrap()
                .speaking
        };
        eventually("the ring has gone out", async || !ring().await).await;

        let frames = bench.control.frames(&alice.id, 0).await.unwrap().frames;
        let voice: Vec<String> = frames
            .into_iter()
            .filter(|frame| frame.kind == FrameKind::Voice && frame.protection == Protection::Encrypted)
            .filter_map(|frame| frame.opus_digest)
            .collect();
        let said: Vec<String> = packets.iter().map(|opus| digest(opus)).collect();
        let mut rest = said.iter();
        assert!(
            voice.iter().all(|heard| rest.any(|said| said == heard)),
            "what is heard was said, in that order"
        );
        // A machine that stalls makes a backlog, which is trimmed; nothing else is missing but the very first packets, in
        // which the tone fades in, and which the engine may take for silence.
        let stats = session.stats();
        let missing = said.len() - voice.len();
        let dropped = usize::try_from(stats.trimmed + stats.overflowed).unwrap();
        assert!(
            missing <= dropped + 3,
            "{missing} of {} are missing: {stats:?}",
            said.len()
        );
        assert!(
            voice.len() > said.len() * 3 / 4,
            "{} of {} were heard",
            voice.len(),
            said.len()
        );
        assert_eq!(stats.unfit, 0, "{stats:?}");
        session.leave().await;
        eventually("the bot has left", async || !bench.bot_is_in_voice().await).await;
    })
    .await;
}

/// S8: on a stage the bot comes to speak by itself, where it may, or asks to.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_stage_the_bot_steps_up_or_asks() {
    with_standin("voice::on_a_stage_the_bot_steps_up_or_asks", async |info| {
        let mut bench = Bench::new(info).await;
        let stage = bench
            .control
            .create_channel("stage", ChannelKind::Stage, 0)
            .await
            .unwrap();
        bench.at.channel = ChannelId(id(&stage.id));
        assert!(
            stage::floor(&bench.place_after_change().await).is_some(),
            "it is a stage"
        );
        let bot = bench.info.bot_user_id.clone();
        let http = Arc::new(api::http(&bench.discord));
        for (permission, expected) in [("REQUEST_TO_SPEAK", Floor::OnRequest), ("MUTE_MEMBERS", Floor::Free)] {
            let allowed = Overwrite {
                allow: vec![permission.to_owned()],
                deny: vec![],
            };
            bench.control.set_overwrite(&stage.id, &bot, &allowed).await.unwrap();
            let place = bench.place_after_change().await;
            let floor = stage::floor(&place).expect("it is a stage");
            assert_eq!(floor, expected);
            let (session, _line) = bench.join().await;
            let seen = async || bench.control.state().await.unwrap().voice_of(&bot).unwrap().clone();
            assert!(seen().await.suppress, "in the audience");
            stage::take_floor(Arc::clone(&http), bench.at, floor).await;
            let after = seen().await;
            assert_eq!(after.suppress, floor == Floor::OnRequest);
            assert_eq!(after.request_to_speak_ns.is_some(), floor == Floor::OnRequest);
            session.leave().await;
        }
    })
    .await;
}

/// Who speaks on Discord with priority turns the others down in what the room hears of them.
#[tokio::test(flavor = "multi_thread")]
async fn priority_on_discord_counts_in_the_room() {
    with_standin("voice::priority_on_discord_counts_in_the_room", async |info| {
        let bench = Bench::new(info).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tone.wav");
        write_tone(&file);
        let heard = Heard::default();
        let _matrix = bench.room.add_sink(SinkSpec::new("matrix"), Box::new(heard.clone()));
        let (_session, _line) = bench.join().await;
        for name in ["alice", "bob"] {
            bench.control.create_person(name).await.unwrap();
            bench.control.join(name, &bench.info.voice_channel_id).await.unwrap();
            bench.control.play(name, &file, true).await.unwrap();
        }
        let stats = || bench.room.stats().engine;
        eventually("the two are mixed", async || stats().encoded > 25).await;
        assert_eq!(stats().ducked, 0, "nobody has priority");
        bench.control.set_priority("alice", true).await.unwrap();
        eventually("bob is turned down", async || stats().ducked > 25).await;
        bench.control.set_priority("alice", false).await.unwrap();
        let last = async || {
            let before = stats();
            sleep(Duration::from_millis(500)).await;
            let after = stats();
            after.ducked == before.ducked && after.encoded > before.encoded
        };
        eventually("bob is heard as ever", last).await;
    })
    .await;
}

/// S2: who speaks on Discord is heard in the room, and not sent back to Discord.
#[tokio::test(flavor = "multi_thread")]
async fn discord_is_heard_in_the_room() {
    with_standin("voice::discord_is_heard_in_the_room", async |info| {
        let bench = Bench::new(info).await;
        let alice = bench.control.create_person("alice").await.unwrap();
        bench
            .control
            .join(&alice.id, &bench.info.voice_channel_id)
            .await
            .unwrap();
        let heard = Heard::default();
        let _matrix = bench
            .room
            .add_sink(SinkSpec::new("matrix").except(Except::Nobody), Box::new(heard.clone()));
        let (session, _line) = bench.join().await;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tone.wav");
        write_tone(&file);
        bench.control.play(&alice.id, &file, false).await.unwrap();
        eventually("alice is heard", async || heard.0.lock().unwrap().len() > 60).await;

        assert!(heard.loudest() > 0.1, "as loud as she is: {}", heard.loudest());
        let stats = session.stats();
        assert_eq!((stats.speakers, stats.unknown, stats.ignored), (1, 0, 0), "{stats:?}");
        assert_eq!(stats.sent, 0, "Discord does not hear itself");
        let silences = 5;
        assert!(
            stats.decrypted + silences >= stats.received,
            "all but silence is encrypted: {stats:?}"
        );
        assert_eq!(stats.unencrypted, 0, "{stats:?}");
    })
    .await;
}
