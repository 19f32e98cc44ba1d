//! Starting and ending a stand-in.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::{Config, Info},
    control::{self, client::ControlClient},
    discord::Discord,
    gateway::{log::GatewayLog, sessions::Sessions},
    guild::{FIRST_BOT, FirstIds},
    journal::Journal,
    rest,
    server::Server,
    threads::Threads,
    voice::{
        dave::NoIdentity,
        tls::{Identity, TlsError},
    },
    voice_servers::Sockets,
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
    discord: Arc<Discord>,
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
        let identity = Identity::generate(config.voice.ip())?;
        let (ca, temporary) = write_ca(config.ca_out.clone(), &identity.ca_pem)?;
        let info = info(&config, [&http, &control], &sockets, ca)?;
        let clock = Clock::new();
        let gateway_log = Arc::new(GatewayLog::new(clock));
        let discord = Arc::new(Discord {
            config,
            info,
            clock,
            counters: Arc::default(),
            ids: Arc::default(),
            servers: RwLock::default(),
            bots: Mutex::default(),
            sessions: Arc::new(Mutex::new(Sessions::new(Arc::clone(&gateway_log)))),
            interactions: Mutex::default(),
            identity,
            threads: Threads::default(),
            limits: Mutex::default(),
            requests: Mutex::new(Journal::new(REQUESTS_KEPT)),
            gateway_log,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            connections: AtomicU64::new(1),
        });
        discord.bots.lock().add(FIRST_BOT, discord.config.token.clone());
        let first = discord.new_guild("Stand-in", FirstIds::OF_FIRST_GUILD);
        Server::open(&discord, first, sockets)?;
        let forever = CancellationToken::new();
        discord.serve(http, rest::router(Arc::clone(&discord)), forever.clone());
        discord.serve(control, control::router(Arc::clone(&discord)), forever);
        Ok(Self {
            discord,
            _ca: temporary,
        })
    }

    /// Addresses and ids.
    pub fn info(&self) -> &Info {
        &self.discord.info
    }

    /// A client of the control interface.
    pub fn control(&self) -> ControlClient {
        ControlClient::new(&*self.discord.info.control)
    }

    /// Ends all connections, tasks and threads.
    pub async fn shutdown(self) {
        self.discord.end();
        self.discord.tasks.close();
        if tokio::time::timeout(GOODBYE, self.discord.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        let discord = Arc::clone(&self.discord);
        let joined = tokio::task::spawn_blocking(move || discord.threads.join());
        if joined.await.is_ok_and(|panicked| panicked > 0) {
            tracing::error!("a voice thread panicked");
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.discord.end();
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

fn info(config: &Config, [http, control]: [&TcpListener; 2], voice: &Sockets, ca: PathBuf) -> io::Result<Info> {
    let http = http.local_addr()?;
    let first = FirstIds::OF_FIRST_GUILD;
    Ok(Info {
        ready: true,
        api_base: format!("http://{http}"),
        gateway: format!("ws://{http}/gateway"),
        control: format!("http://{}", control.local_addr()?),
        voice_endpoint: voice.endpoint()?,
        voice_udp: voice.udp.local_addr()?,
        ca,
        token: config.token.clone(),
        guild_id: first.guild.to_string(),
        text_channel_id: first.text_channel.to_string(),
        voice_channel_id: first.voice_channel.to_string(),
        second_voice_channel_id: first.second_voice_channel.to_string(),
        bot_user_id: FIRST_BOT.to_string(),
        application_id: FIRST_BOT.to_string(),
    })
}
