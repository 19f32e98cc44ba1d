//! The real serenity and songbird, unmodified, in the stand-in: they join, hear, speak and leave.
//!
//! The bot runs in a process of its own, because songbird's TLS reads the CA from the environment: the test starts
//! itself again with [`BOT`] set.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use discord_standin::{
    Config, Info, Standin, digest,
    types::{DavePolicy, FrameKind},
};
use serenity::{
    Client,
    all::{ChannelId, Context, EventHandler, GatewayIntents, GuildId, Message, Ready},
    async_trait,
    http::HttpBuilder,
};
use songbird::{CoreEvent, Event, EventContext, EventHandler as VoiceEventHandler, SerenityInit as _, Songbird};
use tokio::sync::Notify;

/// Set for the bot's process: the [`Info`] of the stand-in.
const BOT: &str = "STANDIN_TEST_BOT";
/// Set for the bot's process: where it exchanges files with the test.
const DIRECTORY: &str = "STANDIN_TEST_DIRECTORY";
const TEST: &str = "songbird_joins_hears_speaks_and_leaves";
const PATIENCE: Duration = Duration::from_secs(40);
const FRAMES: usize = 100;

#[test]
fn songbird_joins_hears_speaks_and_leaves() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match std::env::var(BOT) {
        Ok(info) => runtime.block_on(bot(&serde_json::from_str(&info).unwrap())),
        Err(_) => runtime.block_on(async {
            for dave in [DavePolicy::Required, DavePolicy::Off] {
                meet_the_bot(dave).await;
            }
        }),
    }
}

/// What a strict server would complain about.
const TROUBLES: [&str; 17] = [
    "rest_unknown_routes",
    "rest_unauthorized",
    "gateway_decode_errors",
    "gateway_unknown_operations",
    "voice_decode_errors",
    "voice_unknown_operations",
    "voice_not_decrypted",
    "voice_nonce_reused",
    "voice_before_speaking",
    "udp_garbage",
    "voice_plain_in_dave_call",
    "dave_unexpected",
    "dave_key_packages_refused",
    "dave_commits_invalid",
    "dave_ready_unexpected",
    "dave_transition_timeouts",
    "dave_recoveries",
];

async fn meet_the_bot(dave: DavePolicy) {
    let directory = tempfile::tempdir().unwrap();
    let tone = tone_file(directory.path());
    let frames = opus_frames();
    std::fs::write(directory.path().join("speech.dca"), dca(&frames)).unwrap();
    let config = Config {
        dave,
        ..Config::default()
    };
    let standin = Standin::start(config).await.unwrap();
    let info = standin.info().clone();
    let control = standin.control();
    control.create_person("alice").await.unwrap();
    control.join("alice", &info.voice_channel_id).await.unwrap();
    control.record("alice").await.unwrap();

    let mut bot = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env(BOT, serde_json::to_string(&info).unwrap())
        .env(DIRECTORY, directory.path())
        .env("SSL_CERT_FILE", &info.ca)
        .spawn()
        .unwrap();

    // It joins over voice gateway version 4 with its preferred encryption.
    let connection = eventually(&standin, |state| {
        let connection = state.voice_of("bridge")?.connection.clone()?;
        connection.mode.is_some().then_some(connection)
    })
    .await;
    assert_eq!(connection.version, 4);
    assert_eq!(connection.mode.as_deref(), Some("aead_aes256_gcm_rtpsize"));

    if dave == DavePolicy::Required {
        eventually(&standin, |state| {
            let channel = state.channels.iter().find(|known| known.id == info.voice_channel_id)?;
            let call = channel.call.as_ref()?;
            (call.members.len() == 2 && call.transition.is_none()).then_some(())
        })
        .await;
    }

    // Alice speaks; the bot answers what it hears with speech of its own. Then she speaks again: under DAVE, songbird
    // drops what comes before it knows whose it is, and op 5 and the first frame take different ways.
    let mut first = None;
    for played in 1..=2 {
        control.play("alice", &tone, false).await.unwrap();
        eventually(&standin, |state| {
            (state.voice_of("alice")?.frames_sent == played * (FRAMES as u64 + 5)).then_some(())
        })
        .await;
        let sent = control.sent("alice", 0).await.unwrap();
        first.get_or_insert(sent.next);
    }
    let voice = eventually(&standin, |state| {
        state
            .voice_of("bridge")
            .filter(|voice| voice.frames_sent >= FRAMES as u64 && !voice.speaking)
            .cloned()
    })
    .await;
    let ring = voice.rings.last().unwrap();
    let lit_ms = (ring.off_ns.unwrap() - ring.on_ns) / 1_000_000;
    assert!((1_900..2_500).contains(&lit_ms), "the ring was lit for {lit_ms} ms");
    let heard = control.frames("alice", 0).await.unwrap().frames;
    let spoken: Vec<_> = heard.iter().filter(|frame| frame.kind == FrameKind::Voice).collect();
    assert_eq!(
        spoken.iter().map(|frame| frame.opus_digest.clone()).collect::<Vec<_>>(),
        frames.iter().map(|frame| Some(digest(frame))).collect::<Vec<_>>(),
        "songbird's Opus arrives byte for byte"
    );
    assert_eq!(spoken.iter().map(|frame| frame.lost_before).sum::<u32>(), 0);

    // A word in the chat lets it leave and report what it heard.
    control.say("alice", &info.text_channel_id, "leave").await.unwrap();
    eventually(&standin, |state| state.voice_of("bridge").is_none().then_some(())).await;
    let exit = tokio::task::spawn_blocking(move || bot.wait()).await.unwrap().unwrap();
    assert!(exit.success());
    let report = std::fs::read_to_string(directory.path().join("heard.json")).unwrap();
    let heard: Vec<String> = serde_json::from_str(&report).unwrap();
    let said = async |since| -> Vec<String> {
        let sent = control.sent("alice", since).await.unwrap().frames;
        sent.into_iter().filter_map(|frame| frame.opus_digest).collect()
    };
    assert!(said(0).await.ends_with(&heard), "{heard:?}");
    assert!(heard.ends_with(&said(first.unwrap()).await), "{heard:?}");

    let counters = control.state().await.unwrap().counters;
    for trouble in TROUBLES {
        assert_eq!(counters.get(trouble), None, "{trouble}");
    }
    standin.shutdown().await;
}

async fn eventually<T>(standin: &Standin, f: impl Fn(&discord_standin::types::State) -> Option<T>) -> T {
    let control = standin.control();
    let search = async {
        loop {
            if let Some(found) = f(&control.state().await.unwrap()) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .expect("the state was never reached")
}

/// Two seconds of a tone as a WAV file.
fn tone_file(directory: &Path) -> PathBuf {
    let path = directory.join("tone.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for sample in tone(300.0).flatten() {
        #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
        writer.write_sample((sample * 12_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    path
}

/// Frames of a tone at 48 kHz.
fn tone(frequency: f64) -> impl Iterator<Item = Vec<f64>> {
    (0..FRAMES).map(move |frame| {
        (0..960)
            .map(|n| {
                let at = u32::try_from(frame * 960 + n).unwrap();
                (f64::from(at) * frequency * std::f64::consts::TAU / 48_000.0).sin()
            })
            .collect()
    })
}

fn opus_frames() -> Vec<Vec<u8>> {
    let mut encoder = opus2::Encoder::new(48_000, opus2::Channels::Mono, opus2::Application::Audio).unwrap();
    tone(700.0)
        .map(|pcm| {
            #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
            let pcm: Vec<f32> = pcm.iter().map(|sample| (sample * 0.4) as f32).collect();
            encoder.encode_vec_float(&pcm, 1_275).unwrap()
        })
        .collect()
}

/// Frames in DCA1, which songbird plays without touching the Opus.
fn dca(frames: &[Vec<u8>]) -> Vec<u8> {
    let metadata = serde_json::json!({
        "dca": {"version": 1, "tool": {"name": "test", "version": "1", "url": null, "author": null}},
        "opus": {"mode": "voip", "sample_rate": 48_000, "frame_size": 960, "abr": null, "vbr": true, "channels": 1},
    })
    .to_string();
    let mut file = b"DCA1".to_vec();
    file.extend_from_slice(&u32::try_from(metadata.len()).unwrap().to_le_bytes());
    file.extend_from_slice(metadata.as_bytes());
    for frame in frames {
        file.extend_from_slice(&u16::try_from(frame.len()).unwrap().to_le_bytes());
        file.extend_from_slice(frame);
    }
    file
}

/// The bot's process: serenity and songbird as anyone would use them.
async fn bot(info: &Info) {
    let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
    let songbird = Songbird::serenity();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::new(Notify::new());
    let ears = Ears {
        songbird: Arc::clone(&songbird),
        guild: id(&info.guild_id).into(),
        heard: Arc::clone(&heard),
        speech: std::fs::read(directory.join("speech.dca")).unwrap(),
        spoke: Arc::default(),
    };
    let handler = Handler {
        songbird: Arc::clone(&songbird),
        channel: id(&info.voice_channel_id).into(),
        ears,
        left: Arc::clone(&left),
    };
    let http = HttpBuilder::new(&info.token)
        .proxy(&info.api_base)
        .ratelimiter_disabled(true)
        .build();
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_VOICE_STATES | GatewayIntents::GUILD_MESSAGES;
    let mut client = serenity::client::ClientBuilder::new_with_http(http, intents)
        .event_handler(handler)
        .register_songbird_with(songbird)
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, run(&mut client, &left))
        .await
        .expect("nobody told the bot to leave");
    let heard = heard.lock().unwrap().clone();
    std::fs::write(directory.join("heard.json"), serde_json::to_string(&heard).unwrap()).unwrap();
}

/// Runs the client until its handler has left voice.
async fn run(client: &mut Client, left: &Notify) {
    let shards = Arc::clone(&client.shard_manager);
    tokio::select! {
        ended = client.start_autosharded() => panic!("the client ended by itself: {ended:?}"),
        () = left.notified() => shards.shutdown_all().await,
    }
}

fn id(text: &str) -> u64 {
    text.parse().unwrap()
}

struct Handler {
    songbird: Arc<Songbird>,
    channel: ChannelId,
    ears: Ears,
    left: Arc<Notify>,
}

#[async_trait]
impl EventHandler for Handler {
    async fn ready(&self, _: Context, _: Ready) {
        let call = self.songbird.get_or_insert(self.ears.guild);
        call.lock()
            .await
            .add_global_event(CoreEvent::RtpPacket.into(), self.ears.clone());
        self.songbird.join(self.ears.guild, self.channel).await.unwrap();
    }

    async fn message(&self, _: Context, _: Message) {
        self.songbird.remove(self.ears.guild).await.unwrap();
        self.left.notify_one();
    }
}

#[derive(Clone)]
struct Ears {
    songbird: Arc<Songbird>,
    guild: GuildId,
    heard: Arc<Mutex<Vec<String>>>,
    speech: Vec<u8>,
    spoke: Arc<OnceLock<()>>,
}

#[async_trait]
impl VoiceEventHandler for Ears {
    async fn act(&self, context: &EventContext<'_>) -> Option<Event> {
        if let EventContext::RtpPacket(data) = context {
            let payload = &data.packet[12..];
            let opus = &payload[data.payload_offset..payload.len() - data.payload_end_pad];
            self.heard.lock().unwrap().push(digest(opus));
            if self.spoke.set(()).is_ok() {
                let call = self.songbird.get(self.guild)?;
                let speech = self.speech.clone();
                // Not here: the call's lock may be held by whoever waits for this handler.
                tokio::spawn(async move { call.lock().await.play_input(speech.into()) });
            }
        }
        None
    }
}
