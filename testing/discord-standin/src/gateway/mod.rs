//! The gateway: websocket, sessions, events.

mod close;
mod compression;
mod connection;
mod identify;
pub(crate) mod intents;
pub(crate) mod log;
pub(crate) mod payload;
pub(crate) mod sessions;
pub(crate) mod starts;
pub(crate) mod wire;

use std::sync::Arc;

use axum::{
    extract::{Query, State, WebSocketUpgrade},
    response::Response,
};
use serde::Deserialize;

use crate::discord::Discord;

/// Largest message that a client may send, as Discord's.
const LARGEST_MESSAGE: usize = 4_096;

/// The query of a gateway URL.
#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default = "default_version")]
    v: u8,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    compress: Option<String>,
}

const fn default_version() -> u8 {
    10
}

/// Takes a websocket to the gateway.
pub(crate) async fn upgrade(
    State(discord): State<Arc<Discord>>,
    Query(parameters): Query<Parameters>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let tasks = discord.tasks.clone();
        // The tracker waits for the connection at the end; the cancellation inside ends it.
        tasks.track_future(connection::run(discord, socket, parameters)).await;
    })
}
