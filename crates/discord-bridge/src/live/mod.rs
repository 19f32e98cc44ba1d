//! The driver and the gateway client against the local Discord, in real time.
//!
//! Its voice gateway speaks TLS under a CA of its own, which a process is told of by `SSL_CERT_FILE` and reads once. So each
//! test runs in a process of its own: the test starts the local Discord, and then itself, with that variable.

mod breaks;
mod people;
mod voice;

use std::collections::VecDeque;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bridge_kit::config::Secret;
use bridge_kit::media::{InPacket, MediaPool, MediaSource, OutPacket, PacketSink, RoomMedia};
use discord_standin::{ControlClient, Info, Standin};
use opus2::{Application, Channels, Decoder, Encoder};
use tokio::time::{interval, sleep, timeout};
use url::Url;

use crate::config::{ApiBase, Discord};
use crate::gateway::facts::{ChannelId, GuildId, Place, VoiceChannel};
use crate::gateway::{GatewayEvent, api};
use crate::refusals;
use crate::visitor::Visitor;
use crate::voice::driver::Session;
use crate::voice::event::JoinError;
use crate::voice::line::LineWatch;

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
        // Unoptimised, the MLS of DAVE comes close to the end of a tokio worker's stack.
        .env("RUST_MIN_STACK", "8388608")
        .env(STANDIN, serde_json::to_string(standin.info()).unwrap())
        .kill_on_drop(true)
        .status();
    let status = timeout(Duration::from_mins(1), status)
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
    discord: Discord,
    bot: Visitor,
    room: RoomMedia,
    at: VoiceChannel,
    _pool: MediaPool,
}

impl Bench {
    async fn new(info: Info) -> Self {
        let discord = Discord {
            token: Secret::new(&info.token),
            api: Some(ApiBase::new(&Url::parse(&info.api_base).unwrap()).unwrap()),
            pictures: Url::parse("http://127.0.0.1:1").unwrap(),
            announce: false,
            max_channels: 1,
            ignore_users: vec![],
            known_bridges: vec![],
            bridge_bots: true,
        };
        let pool = MediaPool::new(NonZeroUsize::MIN).unwrap();
        let at = VoiceChannel {
            guild: GuildId(id(&info.guild_id)),
            channel: ChannelId(id(&info.voice_channel_id)),
        };
        let bench = Self {
            control: ControlClient::new(&info.control),
            bot: Visitor::new(discord.clone()),
            discord,
            room: pool.room("test"),
            at,
            _pool: pool,
            info,
        };
        bench.guild_is_known().await;
        bench
    }

    async fn guild_is_known(&self) {
        let place = || self.bot.directory.place(Some(self.at.guild), self.at.channel);
        eventually("the guild is known", async || matches!(place(), Place::Known(_))).await;
    }

    /// What is known of the voice channel once the gateway has told of a change of the guild.
    async fn place_after_change(&mut self) -> Place {
        let changed = GatewayEvent::GuildChanged(self.at.guild);
        let told = async { while self.bot.events.recv().await != Some(changed) {} };
        timeout(Duration::from_secs(15), told)
            .await
            .expect("the gateway tells of it");
        self.bot.directory.place(Some(self.at.guild), self.at.channel)
    }

    async fn join(&self) -> (Session, LineWatch) {
        self.try_to_join().await.expect("joined")
    }

    /// Joins as the signalling has it done: again and again while that makes sense.
    async fn join_at_last(&self) -> (Session, LineWatch) {
        for _ in 0..10 {
            self.guild_is_known().await;
            match self.try_to_join().await {
                Ok(joined) => return joined,
                Err(error) => assert!(refusals::unjoined(&error).retry_after.is_some(), "{error}"),
            }
        }
        panic!("could not join any more");
    }

    /// A place as the bridge sees it, who asks Discord for what the gateway does not tell.
    async fn seen(&self, place: Place) -> Place {
        match place {
            Place::UnknownChannel if api::is_hidden(&api::http(&self.discord), self.at.channel).await => {
                Place::HiddenChannel
            }
            place => place,
        }
    }

    async fn try_to_join(&self) -> Result<(Session, LineWatch), JoinError> {
        self.bot.enter(self.at, &self.room).await
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
            call.is_some_and(|call| call.is_agreed())
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
            marks: None,
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
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

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
