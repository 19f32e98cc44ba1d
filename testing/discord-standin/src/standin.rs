//! Starting and ending a stand-in.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::{Config, Info},
    control::{self, client::ControlClient},
    counters::Counters,
    gateway::{log::GatewayLog, sessions::Sessions},
    guild::{self, Guild},
    interactions::Interactions,
    journal::Journal,
    people::player::Player,
    rest,
    server::Server,
    threads::Threads,
    voice::{
        Voice,
        dave::{NoIdentity, Proposer},
        groups, network,
        server::VoiceServer,
        tls::{Identity, TlsError},
    },
    voice_servers::Sockets,
    world::World,
};

/// REST requests that are remembered.
const REQUESTS_KEPT: usize = 2_000;
/// Connections have this long to end by themselves.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a stand-in did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}")]
    Listen {
        /// What was to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No keys for the groups of end-to-end encryption.
    #[error("no keys for end-to-end encryption could be made")]
    Mls,
    /// The CA file cannot be written, or a thread cannot be started.
    #[error("the system refused")]
    System(#[from] io::Error),
}

/// A running stand-in. [`Standin::shutdown`] ends it in order; dropping it ends it, too, but waits for nothing.
#[derive(Debug)]
pub struct Standin {
    server: Arc<Server>,
    /// Holds the CA file where it is a temporary one.
    _ca: Option<tempfile::TempPath>,
}

impl Standin {
    /// Starts a stand-in; everything listens when this returns.
    ///
    /// Has to be called inside a tokio runtime, which serves it from then on.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let http = listen("HTTP", config.http).await?;
        let control = listen("the control interface", config.control).await?;
        let sockets = voice_sockets(&config)?;
        let voice_server = sockets.server()?;
        let identity = Identity::generate()?;
        let (ca, temporary) = write_ca(config.ca_out.clone(), &identity.ca_pem)?;
        let info = info(&config, [&http, &control], &voice_server, ca)?;

        let clock = Clock::new();
        let counters = Arc::new(Counters::default());
        let voice = Voice::new(
            Arc::clone(&voice_server),
            clock,
            Arc::clone(&counters),
            Proposer::new()?,
        );
        let mut guild = Guild::new(&config.bot_name, &config.token);
        guild.dave = config.dave;
        let gateway_log = Arc::new(GatewayLog::new(clock));
        let server = Arc::new(Server {
            world: Mutex::new(World {
                guild,
                sessions: Sessions::new(Arc::clone(&gateway_log)),
                starts: BTreeMap::new(),
                interactions: Interactions::default(),
            }),
            gateway_log,
            limits: Mutex::default(),
            requests: Mutex::new(Journal::new(REQUESTS_KEPT)),
            config,
            info,
            clock,
            voice: Arc::new(voice),
            counters,
            identity,
            threads: Threads::default(),
            player: Player::new(clock),
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            connections: AtomicU64::new(1),
        });
        let Server { threads, voice, .. } = &*server;
        threads.keep(network::spawn(Arc::clone(voice), threads.stop())?);
        threads.keep(groups::spawn(Arc::clone(voice), threads.stop())?);
        threads.keep(server.player.spawn(Arc::clone(voice), threads.stop())?);
        server.open_voice_server(&voice_server, sockets.gateway)?;
        let forever = CancellationToken::new();
        server.serve(http, rest::router(Arc::clone(&server)), forever.clone());
        server.serve(control, control::router(Arc::clone(&server)), forever);
        Ok(Self { server, _ca: temporary })
    }

    /// Addresses and ids.
    pub fn info(&self) -> &Info {
        &self.server.info
    }

    /// A client of the control interface.
    pub fn control(&self) -> ControlClient {
        ControlClient::new(&*self.server.info.control)
    }

    /// Ends all connections, tasks and threads.
    pub async fn shutdown(self) {
        self.end();
        self.server.tasks.close();
        if tokio::time::timeout(GOODBYE, self.server.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        let server = Arc::clone(&self.server);
        let joined = tokio::task::spawn_blocking(move || server.threads.join());
        if joined.await.is_ok_and(|panicked| panicked > 0) {
            tracing::error!("a voice thread panicked");
        }
    }

    fn end(&self) {
        self.server.cancel.cancel();
        self.server.threads.tell_to_end();
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.end();
    }
}

impl From<NoIdentity> for StartError {
    fn from(_: NoIdentity) -> Self {
        Self::Mls
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { what, address, source })
}

fn voice_sockets(config: &Config) -> Result<Sockets, StartError> {
    let refused = |what, address| move |source| StartError::Listen { what, address, source };
    Ok(Sockets {
        gateway: std::net::TcpListener::bind(config.voice).map_err(refused("the voice gateway", config.voice))?,
        udp: UdpSocket::bind(config.udp).map_err(refused("UDP voice", config.udp))?,
    })
}

fn write_ca(wanted: Option<PathBuf>, pem: &str) -> io::Result<(PathBuf, Option<tempfile::TempPath>)> {
    if let Some(path) = wanted {
        std::fs::write(&path, pem)?;
        return Ok((path, None));
    }
    let file = tempfile::Builder::new()
        .prefix("discord-standin-ca-")
        .suffix(".pem")
        .tempfile()?;
    std::fs::write(file.path(), pem)?;
    Ok((file.path().to_owned(), Some(file.into_temp_path())))
}

fn info(
    config: &Config,
    [http, control]: [&TcpListener; 2],
    voice_server: &VoiceServer,
    ca: PathBuf,
) -> io::Result<Info> {
    let http = http.local_addr()?;
    Ok(Info {
        ready: true,
        api_base: format!("http://{http}"),
        gateway: format!("ws://{http}/gateway"),
        control: format!("http://{}", control.local_addr()?),
        voice_endpoint: voice_server.endpoint().unwrap_or_default().to_owned(),
        voice_udp: voice_server.address(),
        ca,
        token: config.token.clone(),
        guild_id: guild::GUILD.to_string(),
        text_channel_id: guild::TEXT_CHANNEL.to_string(),
        voice_channel_id: guild::VOICE_CHANNEL.to_string(),
        second_voice_channel_id: guild::SECOND_VOICE_CHANNEL.to_string(),
        bot_user_id: guild::FIRST_BOT.to_string(),
        application_id: guild::FIRST_BOT.to_string(),
    })
}
