//! A LiveKit of one's own on loopback, and the service that lets people into it: what MatrixRTC calls a focus.

use super::restartable::Restartable;
use super::secret::random_secret;
use super::synapse::{SERVER_NAME, tools};
use crate::authorisation::{AuthorisationService, Homeserver, Sfu};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::process::Command;

const PROGRAM: &str = "livekit-server";

/// Why what needs LiveKit cannot be done, where it cannot.
pub const MISSING: &str =
    "LiveKit is missing: cargo xtask setup builds it where there is Go, and one on PATH is used as well";

/// A LiveKit: its configuration, and its process while it runs.
#[derive(Debug)]
pub struct LiveKit {
    program: Restartable,
    executable: PathBuf,
    folder: PathBuf,
    sfu: Sfu,
    signal_port: u16,
}

impl LiveKit {
    /// Where the program is: on `PATH`, else where `cargo xtask setup` puts it.
    pub fn installed() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let set_up = tools().map(|tools| tools.join("bin")).ok();
        let mut folders = std::env::split_paths(&path).chain(set_up);
        folders.find_map(|folder| Some(folder.join(PROGRAM)).filter(|program| program.is_file()))
    }

    /// Starts one that keeps its configuration and log in `folder`, with keys made for it, and waits until it answers.
    async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        let (signal_port, media_port) = (tcp.local_addr()?.port(), udp.local_addr()?.port());
        drop((tcp, udp));
        let sfu = Sfu {
            url: format!("ws://127.0.0.1:{signal_port}"),
            api: format!("http://127.0.0.1:{signal_port}"),
            key: "testing".to_owned(),
            secret: random_secret()?,
            lets_set_attributes: Arc::new(true.into()),
        };
        let configuration = serde_json::to_vec_pretty(&configuration(signal_port, media_port, &sfu))?;
        // JSON is YAML.
        std::fs::write(folder.join("livekit.yaml"), configuration)?;
        let livekit = Self {
            program: Restartable::new("livekit"),
            executable: Self::installed().context(MISSING)?,
            folder: folder.to_owned(),
            sfu,
            signal_port,
        };
        livekit.resume().await?;
        Ok(livekit)
    }

    /// Starts it again after [`LiveKit::stop`] or [`LiveKit::kill`], at the same address and without its calls.
    pub async fn resume(&self) -> Result<()> {
        let mut command = Command::new(&self.executable);
        command.args(["--config", "livekit.yaml"]).current_dir(&self.folder);
        self.program.start(command, &self.folder)?;
        self.program.answers(&self.sfu.api).await
    }

    /// Asks it to end and waits for it.
    pub async fn stop(&self) -> Result<()> {
        self.program.stop().await.map(drop)
    }

    /// Kills it (SIGKILL), as a crash would end it.
    pub async fn kill(&self) -> Result<()> {
        self.program.kill().await
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.program.log_tail()
    }
}

/// A LiveKit and the service that lets people of our homeserver into it.
#[derive(Debug)]
pub struct Focus {
    /// The SFU.
    pub livekit: LiveKit,
    /// The service, which runs in this process.
    pub authorisation: AuthorisationService,
}

impl Focus {
    /// Starts both for the homeserver that is, or will be, at `homeserver_url`. What they keep is in `folder`.
    pub async fn start(folder: &Path, homeserver_url: &str) -> Result<Self> {
        let livekit = LiveKit::start(folder).await?;
        let homeserver = Homeserver {
            name: SERVER_NAME.to_owned(),
            url: homeserver_url.to_owned(),
        };
        let authorisation = AuthorisationService::start(homeserver, livekit.sfu.clone()).await?;
        Ok(Self { livekit, authorisation })
    }

    /// Its address in events: that of the service.
    pub fn url(&self) -> &str {
        self.authorisation.url()
    }

    /// Whether those who are let in from now on may set attributes of theirs.
    pub fn let_set_attributes(&self, allowed: bool) {
        self.livekit.sfu.lets_set_attributes.store(allowed, Ordering::Relaxed);
    }

    /// The port of the SFU that its clients connect to; voice has another one.
    pub fn signal_port(&self) -> u16 {
        self.livekit.signal_port
    }

    /// Ends both.
    pub async fn stop(self) -> Result<()> {
        self.livekit.stop().await
    }
}

fn configuration(signal_port: u16, media_port: u16, sfu: &Sfu) -> Value {
    json!({
        "port": signal_port,
        "bind_addresses": ["127.0.0.1"],
        "keys": { &sfu.key: sfu.secret },
        // Calls are created by whoever lets people in.
        "room": { "auto_create": false },
        "rtc": {
            "node_ip": "127.0.0.1",
            "use_external_ip": false,
            "enable_loopback_candidate": true,
            "interfaces": { "includes": ["lo"] },
            "udp_port": media_port,
            // A port of TCP would be another one to choose; on loopback UDP always works.
            "tcp_port": 0,
            // Without a list it would ask servers in the Internet; nobody answers at the port of discards.
            "stun_servers": ["127.0.0.1:9"],
        },
    })
}
