//! What ends, moves or refuses the voice of a call.

use std::time::{Duration, Instant};

use bridge_kit::media::{MediaSink, SinkSpec, SourceSpec};
use bridge_kit::supervise::{self, Task};
use discord_standin::Info;
use discord_standin::types::{AfkSettings, DavePolicy, FrameKind, Overwrite, Protection, VoiceRefusal};
use signalling::{CloseReason, RejectReason};
use tokio::time::timeout;

use super::{Bench, Heard, eventually, id, say, speech, with_standin, write_tone};
use crate::gateway::GatewayEvent;
use crate::gateway::facts::{BotPlace, ChannelId, Place};
use crate::refusals;
use crate::standing;
use crate::voice::driver::Session;
use crate::voice::event::Loss;
use crate::voice::line::LineWatch;

/// Voice may be away for this long where Discord lets it come back (S10).
const SOON: Duration = Duration::from_secs(3);

/// Longer than a lost line takes to be found lost, whatever has happened to it.
const LONG: Duration = Duration::from_secs(20);

/// A call in which both sides speak without a pause: alice on Discord, and somebody in the room.
struct Talk {
    alice: String,
    heard: Heard,
    _ear: MediaSink,
    _mouth: Task<()>,
    _file: tempfile::TempDir,
}

impl Talk {
    /// Begins to talk in the voice channel that the bot is in.
    async fn begin(bench: &Bench) -> Self {
        let alice = bench.control.create_person("alice").await.unwrap().id;
        bench.control.join(&alice, &bench.info.voice_channel_id).await.unwrap();
        bench.control.record(&alice).await.unwrap();
        bench.keys_are_agreed().await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tone.wav");
        write_tone(&file);
        bench.control.play(&alice, &file, true).await.unwrap();

        let heard = Heard::default();
        let ear = bench
            .room
            .add_sink(SinkSpec::new("matrix ear"), Box::new(heard.clone()));
        let mouth = bench.room.add_source(SourceSpec::new("matrix mouth"));
        let packets = speech(50 * 50);
        let talk = Self {
            alice,
            heard,
            _ear: ear,
            _mouth: supervise::spawn("test.talk", "matrix", async move { say(&mouth, &packets).await }),
            _file: folder,
        };
        talk.goes_on(bench).await;
        talk
    }

    /// Waits until each side has heard the other for a while; what was heard before does not count.
    async fn goes_on(&self, bench: &Bench) {
        let since = bench.control.frames(&self.alice, 0).await.unwrap().next;
        self.heard.clear();
        let both_hear = async || {
            let frames = bench.control.frames(&self.alice, since).await.unwrap().frames;
            let voice = frames
                .iter()
                .filter(|frame| frame.kind == FrameKind::Voice && frame.protection == Protection::Encrypted);
            voice.count() > 25 && self.heard.len() > 25
        };
        eventually("each side hears the other", both_hear).await;
    }

    /// The same while the line may not be lost.
    async fn goes_on_over(&self, bench: &Bench, line: &mut LineWatch) {
        tokio::select! {
            loss = line.lost() => panic!("the line is lost: {loss}"),
            () = self.goes_on(bench) => {}
        }
    }

    /// The longest time that alice heard nothing of the room.
    async fn longest_silence(&self, bench: &Bench) -> Duration {
        let frames = bench.control.frames(&self.alice, 0).await.unwrap().frames;
        let gaps = frames
            .windows(2)
            .filter_map(|pair| Some(pair.last()?.at_ns - pair.first()?.at_ns));
        Duration::from_nanos(gaps.max().expect("she heard something"))
    }
}

/// A bot in a voice channel, in the middle of a call.
async fn in_mid_call(info: Info) -> (Bench, Session, LineWatch, Talk) {
    let bench = Bench::new(info).await;
    let (session, line) = bench.join().await;
    let talk = Talk::begin(&bench).await;
    (bench, session, line, talk)
}

async fn lost(line: &mut LineWatch) -> Loss {
    timeout(LONG, line.lost()).await.expect("the line is found lost")
}

/// A moderator who takes the bot out of the channel is told apart from the bot's own farewell.
#[tokio::test(flavor = "multi_thread")]
async fn being_moved_and_disconnected_is_noticed() {
    with_standin("breaks::being_moved_and_disconnected_is_noticed", async |info| {
        let mut bench = Bench::new(info).await;
        let (session, _line) = bench.join().await;
        let bot = bench.info.bot_user_id.clone();

        bench
            .control
            .move_to(&bot, &bench.info.second_voice_channel_id)
            .await
            .unwrap();
        let elsewhere = ChannelId(id(&bench.info.second_voice_channel_id));
        eventually("the bot is elsewhere", async || {
            bench.bot.directory.bot_place(bench.at.guild) == BotPlace::In(elsewhere)
        })
        .await;
        assert_eq!(
            bench.bot.events.recv().await,
            Some(GatewayEvent::BotMoved(bench.at.guild))
        );
        session.leave().await;

        let (session, mut line) = bench.join().await;
        bench.control.kick_voice(&bot).await.unwrap();
        eventually("the bot is nowhere", async || {
            bench.bot.directory.bot_place(bench.at.guild) == BotPlace::Nowhere
        })
        .await;
        // songbird hears of it from the gateway, or from the voice server, whichever comes first.
        if let Ok(loss) = timeout(Duration::from_secs(2), line.lost()).await {
            assert!(loss.is_removal(), "{loss}");
        }
        session.leave().await;
    })
    .await;
}

/// S10: a voice server that ends the session is left, and voice comes back in a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_voice_server_ends_is_followed_by_another() {
    with_standin(
        "breaks::a_session_that_the_voice_server_ends_is_followed_by_another",
        async |info| {
            let (bench, session, mut line, talk) = in_mid_call(info).await;
            let begun = Instant::now();
            bench.control.close_voice(&bench.info.bot_user_id, 4006).await.unwrap();
            assert_eq!(lost(&mut line).await, Loss::Closed(4006));
            session.leave().await;
            let (_session, mut line) = bench.join().await;
            talk.goes_on_over(&bench, &mut line).await;
            assert!(begun.elapsed() < SOON, "voice was away for {:?}", begun.elapsed());
        },
    )
    .await;
}

/// S10: the driver resumes a session that a voice server let go of.
#[tokio::test(flavor = "multi_thread")]
async fn a_voice_websocket_that_breaks_is_resumed() {
    with_standin("breaks::a_voice_websocket_that_breaks_is_resumed", async |info| {
        let (bench, _session, mut line, talk) = in_mid_call(info).await;
        for code in [0, 4009, 4015] {
            bench.control.close_voice(&bench.info.bot_user_id, code).await.unwrap();
            talk.goes_on_over(&bench, &mut line).await;
        }
        let silence = talk.longest_silence(&bench).await;
        assert!(silence < SOON, "voice was away for {silence:?}");
    })
    .await;
}

/// S10: Discord sends the bot to another voice server, which looks like a removal at first.
#[tokio::test(flavor = "multi_thread")]
async fn the_driver_follows_a_voice_server_that_moves() {
    with_standin("breaks::the_driver_follows_a_voice_server_that_moves", async |info| {
        let (bench, _session, mut line, talk) = in_mid_call(info).await;
        for _ in 0..3 {
            bench.control.move_voice_server().await.unwrap();
            talk.goes_on_over(&bench, &mut line).await;
        }
        let silence = talk.longest_silence(&bench).await;
        assert!(silence < SOON, "voice was away for {silence:?}");
    })
    .await;
}

/// S10: a voice server that is taken away is lost, until Discord has found another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_voice_server_that_is_taken_away_is_lost_until_there_is_another() {
    with_standin(
        "breaks::a_voice_server_that_is_taken_away_is_lost_until_there_is_another",
        async |info| {
            let (bench, _session, mut line, talk) = in_mid_call(info).await;
            bench.control.withdraw_voice_server().await.unwrap();
            assert!(lost(&mut line).await.is_removal());
            bench.control.move_voice_server().await.unwrap();
            talk.goes_on(&bench).await;
        },
    )
    .await;
}

/// S10: a voice server that answers nothing more is given up when Discord names another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_voice_server_is_left_for_another() {
    with_standin("breaks::a_dead_voice_server_is_left_for_another", async |info| {
        let (bench, _session, mut line, talk) = in_mid_call(info).await;
        bench.control.kill_voice_server().await.unwrap();
        bench.control.move_voice_server().await.unwrap();
        talk.goes_on_over(&bench, &mut line).await;
    })
    .await;
}

/// S10: voice does not need the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn voice_runs_on_while_the_gateway_is_away() {
    with_standin("breaks::voice_runs_on_while_the_gateway_is_away", async |info| {
        let (bench, _session, mut line, talk) = in_mid_call(info).await;
        for (resumes, code) in [(1, 0), (2, 4000)] {
            bench
                .control
                .close_gateway(&bench.info.bot_user_id, code)
                .await
                .unwrap();
            let resumed = async || {
                let sessions = bench.control.state().await.unwrap().gateway;
                sessions
                    .iter()
                    .any(|session| session.connected && session.resumes == resumes)
            };
            eventually("the gateway session is resumed", resumed).await;
            talk.goes_on_over(&bench, &mut line).await;
        }
        let silence = talk.longest_silence(&bench).await;
        assert!(silence < Duration::from_millis(500), "voice stopped for {silence:?}");
    })
    .await;
}

/// S10: Discord takes a bot out of voice whose gateway session it ends; with the next session it can come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_session_that_ends_takes_voice_with_it() {
    with_standin(
        "breaks::a_gateway_session_that_ends_takes_voice_with_it",
        async |info| {
            let (bench, session, mut line, talk) = in_mid_call(info).await;
            bench
                .control
                .invalidate_gateway(&bench.info.bot_user_id, false)
                .await
                .unwrap();
            assert!(lost(&mut line).await.is_removal());
            session.leave().await;
            // serenity takes five seconds for another session, and loses what is asked of the old one meanwhile.
            let (_session, mut line) = bench.join_at_last().await;
            talk.goes_on_over(&bench, &mut line).await;
        },
    )
    .await;
}

/// S8: a voice server that wants another encryption than the driver's is no capability of this bridge.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_encryption_is_no_capability() {
    with_standin("breaks::a_refused_encryption_is_no_capability", async |info| {
        let bench = Bench::new(info).await;
        let refusal = VoiceRefusal {
            code: 4017,
            times: None,
        };
        let bot = &bench.info.bot_user_id;
        bench.control.refuse_voice(bot, refusal).await.unwrap();
        let error = bench.try_to_join().await.err().expect("a refusal");
        let refusal = refusals::unjoined(&error);
        assert_eq!(
            (refusal.reason, refusal.retry_after),
            (RejectReason::NoCapability, None)
        );
        assert!(
            refusal.text.contains("DAVE") && refusal.text.contains("4017"),
            "{}",
            refusal.text
        );

        bench.control.accept_voice(bot).await.unwrap();
        let (session, _line) = bench.join().await;
        session.leave().await;
    })
    .await;
}

/// S8: a permission that is taken away in mid-call is noticed, whichever it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_taken_away_is_noticed() {
    with_standin("breaks::a_permission_that_is_taken_away_is_noticed", async |info| {
        let mut bench = Bench::new(info).await;
        let (session, _line) = bench.join().await;
        let (bot, channel) = (bench.info.bot_user_id.clone(), bench.info.voice_channel_id.clone());
        for (permission, name) in [
            ("VIEW_CHANNEL", "see the Discord channel"),
            ("CONNECT", "Connect"),
            ("SPEAK", "Speak"),
        ] {
            let denied = Overwrite {
                allow: vec![],
                deny: vec![permission.to_owned()],
            };
            bench.control.set_overwrite(&channel, &bot, &denied).await.unwrap();
            let place = bench.place_after_change().await;
            let ending = standing::of_channel(&bench.seen(place).await).expect_err(permission);
            assert_eq!(ending.reason, CloseReason::NoPermission, "{permission}");
            assert!(ending.text.contains(name), "{:?}", ending.text);

            bench.control.clear_overwrite(&channel, &bot).await.unwrap();
            assert_eq!(standing::of_channel(&bench.place_after_change().await), Ok(()));
        }
        session.leave().await;
    })
    .await;
}

/// Discord may take a call's encryption back; what is said then is heard after a while, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_encryption_is_taken_back_is_heard_again() {
    with_standin(
        "breaks::a_call_whose_encryption_is_taken_back_is_heard_again",
        async |info| {
            let (bench, session, _line, talk) = in_mid_call(info).await;
            assert_eq!(session.stats().unencrypted, 0);
            bench
                .control
                .set_dave(&bench.info.voice_channel_id, DavePolicy::Off)
                .await
                .unwrap();
            eventually("plain voice is turned away", async || session.stats().unencrypted > 25).await;
            let before = session.stats();
            let heard_again = async || session.stats().received > before.received + 50;
            eventually("it is heard", heard_again).await;
            assert_eq!(
                session.stats().decrypted,
                before.decrypted,
                "nothing is encrypted any more"
            );
            drop(talk);
        },
    )
    .await;
}

/// S8: where people are put who are away, nobody speaks; also where that is decided while the bridge runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_becomes_the_one_for_those_who_are_away_is_known_as_such() {
    with_standin(
        "breaks::a_channel_that_becomes_the_one_for_those_who_are_away_is_known_as_such",
        async |info| {
            let mut bench = Bench::new(info).await;
            for channel_id in [Some(bench.info.voice_channel_id.clone()), None] {
                let settings = AfkSettings {
                    channel_id: channel_id.clone(),
                    ..AfkSettings::default()
                };
                bench.control.set_afk(&settings).await.unwrap();
                let Place::Known(facts) = bench.place_after_change().await else {
                    panic!("the channel is there")
                };
                assert_eq!(facts.afk, channel_id.is_some());
            }
        },
    )
    .await;
}
