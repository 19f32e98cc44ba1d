//! The driver and the gateway client against the local Discord, in real time.
//!
//! Its voice gateway speaks TLS under a CA of its own, which a process is told of by `SSL_CERT_FILE` and reads once. So each
//! test runs in a process of its own: the test starts the local Discord, and then itself, with that variable.

use std::collections::VecDeque;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bridge_kit::config::Secret;
use bridge_kit::health::Health;
use bridge_kit::media::{
    Except, InPacket, MediaPool, MediaSource, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec,
};
use discord_standin::types::{FrameKind, Protection};
use discord_standin::{ControlClient, Info, Standin};
use opus2::{Application, Channels, Decoder, Encoder};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::PROGRAM;
use crate::config::{ApiBase, Discord};
use crate::gateway::facts::{BotPlace, ChannelId, GuildId, Place, VoiceChannel};
use crate::gateway::{Connection, Directory, GatewayEvent, client};
use crate::voice::driver::{Driver, Session};
use crate::voice::event::Loss;

const STANDIN: &str = "DISCORD_STANDIN_INFO";

/// Runs `scenario` in a process that trusts the local Discord; `test` is the name of the calling test.
async fn with_standin(test: &str, scenario: impl AsyncFnOnce(Info)) {
    if let Ok(info) = std::env::var(STANDIN) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        return scenario(serde_json::from_str(&info).unwrap()).await;
    }
    let standin = Standin::start(discord_standin::Config::default()).await.unwrap();
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("live::{test}"), "--exact", "--nocapture"])
        .env("SSL_CERT_FILE", &standin.info().ca)
        .env(STANDIN, serde_json::to_string(standin.info()).unwrap())
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(Duration::from_mins(1), status)
        .await
        .expect("ends in time")
        .unwrap();
    assert!(status.success(), "the scenario failed");
    standin.shutdown().await;
}

/// A bot that is logged in, and a room that has ears of its own.
struct Bench {
    info: Info,
    control: ControlClient,
    driver: Driver,
    directory: Directory,
    events: mpsc::Receiver<GatewayEvent>,
    room: RoomMedia,
    at: VoiceChannel,
    stop: CancellationToken,
    _pool: MediaPool,
}

impl Bench {
    async fn new(info: Info) -> Self {
        let discord = Discord {
            token: Secret::new(&info.token),
            api: Some(ApiBase::new(&Url::parse(&info.api_base).unwrap()).unwrap()),
            announce: false,
            max_channels: 1,
            ignore_users: vec![],
            known_bridges: vec![],
            bridge_bots: true,
        };
        let (directory, stop) = (Directory::default(), CancellationToken::new());
        let driver = Driver::new(directory.clone());
        let connection = Arc::new(Connection::new(
            directory.clone(),
            Health::new(PROGRAM).component("discord"),
        ));
        let (report, events) = mpsc::channel(64);
        let (driver_of_client, stopping) = (driver.clone(), stop.clone());
        tokio::spawn(async move { client::run(&discord, &driver_of_client, &connection, report, stopping).await });
        let pool = MediaPool::new(NonZeroUsize::MIN).unwrap();
        let at = VoiceChannel {
            guild: GuildId(id(&info.guild_id)),
            channel: ChannelId(id(&info.voice_channel_id)),
        };
        let bench = Self {
            control: ControlClient::new(&info.control),
            driver,
            directory,
            events,
            room: pool.room("test"),
            at,
            stop,
            _pool: pool,
            info,
        };
        let known = async || matches!(bench.directory.place(Some(at.guild), at.channel), Place::Known(_));
        eventually("the guild is known", known).await;
        bench
    }

    async fn join(&self) -> (Session, mpsc::Receiver<Loss>) {
        let (report, losses) = mpsc::channel(1);
        let session = self
            .driver
            .join(self.at, &self.room, Arc::new(|_| true), report)
            .await
            .expect("joined");
        (session, losses)
    }

    /// Waits until whoever is in the voice channel has the keys of everyone else.
    async fn keys_are_agreed(&self) {
        let agreed = async || {
            let state = self.control.state().await.unwrap();
            let channel = state
                .channels
                .into_iter()
                .find(|known| known.id == self.info.voice_channel_id);
            let call = channel.and_then(|channel| channel.call);
            call.is_some_and(|call| call.members.len() > 1 && call.pending.is_empty() && call.transition.is_none())
        };
        eventually("the keys are agreed", agreed).await;
    }

    /// Whether the local Discord has the bot in a voice channel.
    async fn bot_is_in_voice(&self) -> bool {
        self.control
            .state()
            .await
            .unwrap()
            .voice_of(&self.info.bot_user_id)
            .is_some()
    }
}

fn id(text: &str) -> NonZeroU64 {
    text.parse().unwrap()
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Packets of a noisy tone, which no engine takes for silence.
fn speech(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
    let sample = |n: usize| {
        let phase = f64::from(u32::try_from(n).unwrap()) * 300.0 * std::f64::consts::TAU / 48_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "audio samples are f32")]
        let sample = (phase.sin() * 0.3 + (phase * 7.3).sin() * 0.1) as f32;
        sample
    };
    let frame = |n: usize| (n * 960..(n + 1) * 960).map(sample).collect::<Vec<f32>>();
    (0..count)
        .map(|n| encoder.encode_vec_float(&frame(n), 1275).unwrap())
        .collect()
}

/// As the local Discord has it: FNV-1a.
fn digest(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

async fn say(source: &MediaSource, packets: &[Vec<u8>]) {
    let mut tick = interval(Duration::from_millis(20));
    for (sequence, opus) in (0..).zip(packets) {
        tick.tick().await;
        let media_time = Some(sequence * 960);
        source.push(&InPacket {
            opus,
            sequence,
            media_time,
            level: None,
            received: Instant::now(),
        });
    }
}

/// Packets that the room has for its Matrix side.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<VecDeque<Vec<u8>>>>);

impl PacketSink for Heard {
    fn send(&mut self, packet: &OutPacket<'_>) {
        self.0.lock().unwrap().push_back(packet.opus.to_vec());
    }
}

impl Heard {
    /// The loudest 20 ms of what was heard.
    fn loudest(&self) -> f32 {
        let mut decoder = Decoder::new(48_000, Channels::Mono).unwrap();
        let mut pcm = vec![0_f32; 5760];
        let mut rms = |opus: &Vec<u8>| {
            let samples = decoder.decode_float(opus, &mut pcm, false).unwrap();
            let energy: f32 = pcm[..samples].iter().map(|sample| sample * sample).sum();
            (energy / 960.0).sqrt()
        };
        self.0.lock().unwrap().iter().map(&mut rms).fold(0.0, f32::max)
    }
}

/// S2, S11: what the room says is heard on Discord packet by packet, and the ring goes out when it has been said.
#[tokio::test(flavor = "multi_thread")]
async fn the_room_is_heard_on_discord() {
    with_standin("the_room_is_heard_on_discord", async |info| {
        let bench = Bench::new(info).await;
        let alice = bench.control.create_person("alice").await.unwrap();
        bench.control.record(&alice.id).await.unwrap();
        bench
            .control
            .join(&alice.id, &bench.info.voice_channel_id)
            .await
            .unwrap();
        let matrix = bench.room.add_source(SourceSpec::new("matrix"));
        let (session, _losses) = bench.join().await;
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
        bench.stop.cancel();
    })
    .await;
}

/// S2: who speaks on Discord is heard in the room, and not sent back to Discord.
#[tokio::test(flavor = "multi_thread")]
async fn discord_is_heard_in_the_room() {
    with_standin("discord_is_heard_in_the_room", async |info| {
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
        let (session, _losses) = bench.join().await;

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
        bench.stop.cancel();
    })
    .await;
}

/// A second of a loud tone.
fn write_tone(file: &std::path::Path) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(file, spec).unwrap();
    for n in 0..96_000_u32 {
        let phase = f64::from(n) * 300.0 * std::f64::consts::TAU / 48_000.0;
        #[expect(clippy::cast_possible_truncation, reason = "within 16 bits")]
        wav.write_sample((phase.sin() * 12_000.0) as i16).unwrap();
    }
    wav.finalize().unwrap();
}

/// A moderator who takes the bot out of the channel is told apart from the bot's own farewell.
#[tokio::test(flavor = "multi_thread")]
async fn being_moved_and_disconnected_is_noticed() {
    with_standin("being_moved_and_disconnected_is_noticed", async |info| {
        let mut bench = Bench::new(info).await;
        let (session, _losses) = bench.join().await;
        let bot = bench.info.bot_user_id.clone();

        bench
            .control
            .move_to(&bot, &bench.info.second_voice_channel_id)
            .await
            .unwrap();
        let elsewhere = ChannelId(id(&bench.info.second_voice_channel_id));
        eventually("the bot is elsewhere", async || {
            bench.directory.bot_place(bench.at.guild) == BotPlace::In(elsewhere)
        })
        .await;
        assert_eq!(bench.events.recv().await, Some(GatewayEvent::BotMoved(bench.at.guild)));
        session.leave().await;

        let (session, mut losses) = bench.join().await;
        bench.control.kick_voice(&bot).await.unwrap();
        eventually("the bot is nowhere", async || {
            bench.directory.bot_place(bench.at.guild) == BotPlace::Nowhere
        })
        .await;
        // songbird hears of it from the gateway, or from the voice server, whichever comes first.
        if let Ok(Some(loss)) = tokio::time::timeout(Duration::from_millis(200), losses.recv()).await {
            assert!(loss.is_removal(), "{loss}");
        }
        session.leave().await;
        bench.stop.cancel();
    })
    .await;
}

/// S8, S10: a voice server that closes the connection for good is reported with its code.
#[tokio::test(flavor = "multi_thread")]
async fn a_close_code_is_reported() {
    with_standin("a_close_code_is_reported", async |info| {
        let bench = Bench::new(info).await;
        let (session, mut losses) = bench.join().await;
        bench.control.close_voice(&bench.info.bot_user_id, 4006).await.unwrap();
        let loss = tokio::time::timeout(Duration::from_secs(20), losses.recv())
            .await
            .expect("in time");
        assert_eq!(loss, Some(Loss::Closed(4006)));
        session.leave().await;
        bench.stop.cancel();
    })
    .await;
}
