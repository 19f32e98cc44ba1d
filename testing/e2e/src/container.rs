//! What the image of the demonstration runs beside the local Discord: the page, for the stack of `docker-compose.yml`, and in
//! tests the service that lets people into its LiveKit.

use crate::audio::Speech;
use crate::authorisation::{self, Homeserver, Sfu};
use crate::dev::{GUEST, TALK, TALKERS_VOICE, talk_on};
use crate::interruption::Interruption;
use crate::page::{PageServer, Site};
use crate::scenarios::print;
use crate::stack::{BridgePlace, BridgedRoom, OPERATOR, Places, Stack};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long both bridges may take to come into the room that they are invited to.
const BOTS_JOIN_WITHIN: Duration = Duration::from_mins(1);

/// Where everything is.
#[derive(Debug, clap::Args)]
pub struct Page {
    /// Where the page is served.
    #[arg(long)]
    listen: SocketAddr,
    /// The folder with the built page.
    #[arg(long)]
    folder: PathBuf,
    /// The homeserver's client API.
    #[arg(long)]
    homeserver: String,
    /// The same as browsers reach it.
    #[arg(long)]
    homeserver_for_browsers: String,
    /// File in which the first start has noted people and room.
    #[arg(long)]
    people: PathBuf,
    /// Base of the voice bridge's /status.
    #[arg(long)]
    voice_bridge: String,
    /// Base of the Discord bridge's /status.
    #[arg(long)]
    discord_bridge: String,
    /// Host and port of the local Discord's control interface; it is done without where there is no such host.
    #[arg(long)]
    discord: String,
    /// What somebody says in the local Discord: a file of its own.
    #[arg(long)]
    speech: PathBuf,
    /// Authorisation service of LiveKit; without one the page tells that Element Call is not to be had.
    #[arg(long, env = "LIVEKIT_SERVICE_URL", default_value = "")]
    livekit_service: String,
}

/// What the first start of the stack has made.
#[derive(Debug, Deserialize)]
pub(crate) struct FirstStart {
    pub(crate) passwords: BTreeMap<String, String>,
    room: NotedRoom,
}

#[derive(Debug, Deserialize)]
struct NotedRoom {
    id: String,
    guild_id: String,
    channel_id: String,
}

/// Serves the page until it is told to end.
pub async fn serve(page: Page) -> Result<()> {
    let mut interruption = Interruption::new()?;
    let server = tokio::select! {
        server = start(page) => server?,
        () = interruption.wait() => return Ok(()),
    };
    interruption.wait().await;
    server.stop().await;
    Ok(())
}

async fn start(page: Page) -> Result<PageServer> {
    let noted = std::fs::read(&page.people).with_context(|| page.people.display().to_string())?;
    let FirstStart { passwords, room } = serde_json::from_slice(&noted)?;
    let people = passwords.keys().filter(|name| *name != OPERATOR).cloned().collect();
    let bridge = |telemetry: &String| BridgePlace {
        telemetry: telemetry.clone(),
        process: None,
    };
    let places = Places {
        homeserver: page.homeserver.clone(),
        passwords,
        voice_bridge: bridge(&page.voice_bridge),
        discord_bridge: bridge(&page.discord_bridge),
        standin: standin(&page.discord).await,
        rtc_missing: page
            .livekit_service
            .is_empty()
            .then(|| "LIVEKIT_SERVICE_URL is empty: this stack has no LiveKit".to_owned()),
    };
    let stack = Stack::attach(Path::new(""), places).await?;
    stack.bots_join(&room.id, BOTS_JOIN_WITHIN).await?;
    if let Some(standin) = &stack.standin {
        talk_on(standin, &room.channel_id, &page.speech).await?;
        // Its port is published under its own number.
        let port = page.discord.rsplit_once(':').map_or("", |(_, port)| port);
        print(&format!("  Local Discord  http://127.0.0.1:{port}/?name={GUEST}"));
    }
    let room = BridgedRoom {
        id: room.id,
        guild_id: room.guild_id,
        channel_id: room.channel_id,
    };
    let site = Site::of_containers(Arc::new(stack), room, people, page.homeserver_for_browsers);
    let server = PageServer::listen(page.listen, &page.folder, site).await?;
    print(&format!("  Call from      {}", server.url()));
    Ok(server)
}

/// The local Discord's control interface, by an address: a name could be another web site's.
async fn standin(host: &str) -> Option<String> {
    let mut addresses = tokio::net::lookup_host(host).await.ok()?;
    Some(format!("http://{}", addresses.next()?))
}

/// Where the authorisation service is, what it opens and to whom, by the variables of lk-jwt-service, in whose place it is.
#[derive(Debug, clap::Args)]
pub struct Authorisation {
    /// Where it listens; a port alone, as in `:8080`, is that of every address.
    #[arg(long, env = "LIVEKIT_JWT_BIND")]
    listen: String,
    /// The SFU, as clients and this service reach it.
    #[arg(long, env = "LIVEKIT_URL")]
    sfu: String,
    /// File with the name of the SFU's key, a colon and the key.
    #[arg(long, env = "LIVEKIT_KEY_FILE")]
    keys: PathBuf,
    /// The name of the homeserver whose people are let in.
    #[arg(long, env = "LIVEKIT_FULL_ACCESS_HOMESERVERS")]
    server_name: String,
    /// Where that homeserver tells whose an OpenID token is.
    #[arg(long)]
    homeserver: String,
}

/// Lets people into LiveKit until it is told to end.
pub async fn let_in(service: Authorisation) -> Result<()> {
    let mut interruption = Interruption::new()?;
    let keys = std::fs::read_to_string(&service.keys).with_context(|| service.keys.display().to_string())?;
    let (key, secret) = keys.split_once(':').context("no `key: secret` in the file of keys")?;
    let sfu = Sfu {
        api: service.sfu.replacen("ws", "http", 1),
        url: service.sfu,
        key: key.trim().to_owned(),
        secret: secret.trim().to_owned(),
        lets_set_attributes: Arc::new(true.into()),
    };
    let homeserver = Homeserver {
        name: service.server_name,
        url: service.homeserver,
    };
    let everywhere = if service.listen.starts_with(':') { "0.0.0.0" } else { "" };
    let listener = TcpListener::bind(format!("{everywhere}{}", service.listen)).await?;
    tokio::select! {
        outcome = authorisation::serve(listener, homeserver, sfu) => Ok(outcome?),
        () = interruption.wait() => Ok(()),
    }
}

/// Makes what the talker of the local Discord says, for the image.
pub fn make_speech(path: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let made = Speech::in_directory(folder.path()).file(TALKERS_VOICE, TALK)?;
    std::fs::copy(made, path)?;
    Ok(())
}
