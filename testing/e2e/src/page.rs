//! Serves the page from which a person calls, and what it asks for: `cargo xtask dev` and the scenarios use the same.

use crate::browser::page::{
    PageBridge, PageChannel, PageConfig, PageDiscord, PageDiscordPerson, PageSession, PageStatus,
};
use crate::stack::{BridgedRoom, Stack};
use anyhow::{Context as _, Result};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use discord_standin::types::AccountKind;
use serde::Deserialize;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tower_http::services::ServeDir;

/// What the page is about.
#[derive(Debug)]
pub struct Site {
    stack: Arc<Stack>,
    /// Where browsers reach the homeserver.
    homeserver_url: String,
    room_id: String,
    /// The voice channel, where the room is linked to one.
    channel_id: Option<String>,
    people: Vec<String>,
}

impl Site {
    /// The page of a bridged room; `people` may call from it.
    pub fn new(stack: Arc<Stack>, room: BridgedRoom, people: Vec<String>) -> Arc<Self> {
        Arc::new(Self::of(stack, room.id, Some(room.channel_id), people))
    }

    /// The page of a room without the bridges.
    pub fn of_plain_room(stack: Arc<Stack>, room_id: String, people: Vec<String>) -> Arc<Self> {
        Arc::new(Self::of(stack, room_id, None, people))
    }

    /// The page of a bridged room whose homeserver has another address for browsers than for this program.
    pub fn of_containers(
        stack: Arc<Stack>,
        room: BridgedRoom,
        people: Vec<String>,
        homeserver_url: String,
    ) -> Arc<Self> {
        Arc::new(Self {
            homeserver_url,
            ..Self::of(stack, room.id, Some(room.channel_id), people)
        })
    }

    fn of(stack: Arc<Stack>, room_id: String, channel_id: Option<String>, people: Vec<String>) -> Self {
        Self {
            homeserver_url: stack.synapse.url.clone(),
            stack,
            room_id,
            channel_id,
            people,
        }
    }

    async fn session(&self, name: &str) -> Result<PageSession> {
        // A device of its own for each load of the page: two tabs of one person must not share a sync position.
        let person = self.stack.synapse.person(name).await?;
        Ok(PageSession {
            user_id: person.user_id,
            display_name: Some(name.to_owned()),
            access_token: Some(person.access_token),
            device_id: Some(person.device_id),
            password: None,
        })
    }

    async fn status(&self) -> PageStatus {
        let voice = self.stack.voice_bridge.status().await.ok();
        let discord = self.stack.discord_bridge.status().await.ok();
        PageStatus {
            channel: voice.as_ref().map(|status| self.channel(status)),
            bridges: vec![
                bridge("voice-bridge", voice.as_ref()),
                bridge("discord-bridge", discord.as_ref()),
            ],
            discord: self.people_on_discord().await.ok(),
        }
    }

    /// The state of the room's VDP channel, as the voice bridge tells it.
    fn channel(&self, status: &Value) -> PageChannel {
        let mut channels = status["channels"].as_array().into_iter().flatten();
        let Some(channel) = channels.find(|channel| channel["room_id"] == self.room_id.as_str()) else {
            return PageChannel {
                state: "none".to_owned(),
                detail: None,
            };
        };
        let detail = format!(
            "epoch {}, {} packets to Discord, {} from Discord, {} lost",
            channel["epoch"], channel["sent"], channel["received"], channel["lost"]
        );
        PageChannel {
            state: channel["state"].as_str().unwrap_or("none").to_owned(),
            detail: Some(detail),
        }
    }

    async fn people_on_discord(&self) -> Result<PageDiscord> {
        let channel_id = self.channel_id.as_ref().context("the room is not linked")?;
        let state = self.stack.standin()?.control.state().await?;
        let channel = state.channels.iter().find(|channel| channel.id == *channel_id);
        let here = state.voice.iter().filter(|voice| voice.channel_id == *channel_id);
        let people = here.map(|voice| PageDiscordPerson {
            name: voice.name.clone(),
            speaking: voice.speaking,
            muted: voice.mute || voice.self_mute,
            bot: voice.kind == AccountKind::Bot,
        });
        Ok(PageDiscord {
            channel: channel.map(|channel| channel.name.clone()),
            people: people.collect(),
        })
    }
}

fn bridge(name: &str, status: Option<&Value>) -> PageBridge {
    let state = if status.is_some() { "running" } else { "stopped" };
    PageBridge {
        name: name.to_owned(),
        state: state.to_owned(),
        detail: None,
    }
}

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub struct PageServer {
    port: u16,
    task: JoinHandle<()>,
}

impl PageServer {
    /// Serves the site on 127.0.0.1; port 0 takes a free one.
    pub async fn start(port: u16, site: Arc<Site>) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Self::listen(address, &web_folder().join("dist"), site).await;
        server.context("choose another port with --port")
    }

    /// Serves the site, with the built page of this folder, on an address.
    pub async fn listen(address: SocketAddr, folder: &Path, site: Arc<Site>) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be had"))?;
        let port = listener.local_addr()?.port();
        let router = Router::new()
            .route("/api/config", get(config))
            .route("/api/session", get(session))
            .route("/api/status", get(status))
            .fallback_service(ServeDir::new(folder))
            .with_state(site);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the page cannot be served any more");
            }
        });
        Ok(Self { port, task })
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it and waits until it has let go of the stack.
    pub async fn stop(mut self) {
        self.task.abort();
        // An aborted task is what was asked for.
        drop((&mut self.task).await);
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The folder of the web page's sources and its built form.
pub fn web_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web")
}

async fn config(State(site): State<Arc<Site>>) -> Json<PageConfig> {
    Json(PageConfig {
        homeserver_url: site.homeserver_url.clone(),
        room_id: site.room_id.clone(),
        room_name: Some("Voice".to_owned()),
        people: site.people.clone(),
        invitee: None,
        rtc_missing: site.stack.rtc_missing.clone(),
    })
}

#[derive(Deserialize)]
struct Who {
    name: String,
}

async fn session(
    State(site): State<Arc<Site>>,
    Query(who): Query<Who>,
) -> Result<Json<PageSession>, (StatusCode, String)> {
    if !site.people.contains(&who.name) {
        return Err((StatusCode::NOT_FOUND, format!("nobody is called {}", who.name)));
    }
    let session = site.session(&who.name).await;
    session
        .map(Json)
        .map_err(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")))
}

async fn status(State(site): State<Arc<Site>>) -> Json<PageStatus> {
    Json(site.status().await)
}
