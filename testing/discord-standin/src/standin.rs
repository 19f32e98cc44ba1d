//! Starting and ending a stand-in.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use axum::{Router, routing::get, serve::Listener};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::{Config, Info},
    control::{self, client::ControlClient},
    counters::Counters,
    gateway::sessions::Sessions,
    guild::{self, Guild},
    people::player::Player,
    rest,
    server::Server,
    voice::{
        self, Voice,
        dave::{NoIdentity, Proposer},
        groups,
        tls::{Identity, TlsError, TlsListener},
        udp,
    },
    world::World,
};

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
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
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
        let voice_tcp = listen("the voice gateway", config.voice).await?;
        let udp = UdpSocket::bind(config.udp).map_err(|source| StartError::Listen {
            what: "UDP voice",
            address: config.udp,
            source,
        })?;
        let identity = Identity::generate()?;
        let (ca, temporary) = write_ca(config.ca_out.clone(), &identity.ca_pem)?;
        let info = info(&config, [&http, &control, &voice_tcp], &udp, ca)?;

        let clock = Clock::new();
        let counters = Arc::new(Counters::default());
        let voice = Voice::new(udp.try_clone()?, clock, Arc::clone(&counters), Proposer::new()?)?;
        let voice = Arc::new(voice);
        let player = Player::new(clock);
        let mut guild = Guild::new(&config.bot_name, &config.token);
        guild.dave = config.dave;
        let stop = Arc::new(AtomicBool::new(false));
        let threads = vec![
            udp::spawn(Arc::clone(&voice), udp, Arc::clone(&stop))?,
            groups::spawn(Arc::clone(&voice), Arc::clone(&stop))?,
            player.spawn(Arc::clone(&voice), Arc::clone(&stop))?,
        ];
        let server = Arc::new(Server {
            world: Mutex::new(World {
                guild,
                sessions: Sessions::default(),
            }),
            config,
            info,
            clock,
            counters,
            voice,
            player,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            connections: AtomicU64::new(1),
        });
        let tls = TlsListener::new(voice_tcp, identity.acceptor, &server.tasks, server.cancel.clone())?;
        serve(&server, http, rest::router(Arc::clone(&server)));
        serve(&server, control, control::router(Arc::clone(&server)));
        serve(&server, tls, voice_router(Arc::clone(&server)));
        Ok(Self {
            server,
            stop,
            threads,
            _ca: temporary,
        })
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
    pub async fn shutdown(mut self) {
        self.server.cancel.cancel();
        self.stop.store(true, Ordering::Relaxed);
        self.server.tasks.close();
        if tokio::time::timeout(GOODBYE, self.server.tasks.wait()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        let threads = std::mem::take(&mut self.threads);
        let joined =
            tokio::task::spawn_blocking(move || threads.into_iter().filter_map(|thread| thread.join().err()).count());
        if joined.await.is_ok_and(|panicked| panicked > 0) {
            tracing::error!("a voice thread panicked");
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.server.cancel.cancel();
        self.stop.store(true, Ordering::Relaxed);
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

fn serve<L>(server: &Arc<Server>, listener: L, router: Router)
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let cancel = server.cancel.clone();
    server.tasks.spawn(async move {
        // Open keep-alive connections must not hold up the end, so the server is dropped, not drained.
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = axum::serve(listener, router) => {}
        }
    });
}

fn voice_router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(voice::gateway::upgrade))
        .with_state(server)
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

fn info(config: &Config, [http, control, voice]: [&TcpListener; 3], udp: &UdpSocket, ca: PathBuf) -> io::Result<Info> {
    let http = http.local_addr()?;
    Ok(Info {
        ready: true,
        api_base: format!("http://{http}"),
        gateway: format!("ws://{http}/gateway"),
        control: format!("http://{}", control.local_addr()?),
        voice_endpoint: format!("localhost:{}", voice.local_addr()?.port()),
        voice_udp: udp.local_addr()?,
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
