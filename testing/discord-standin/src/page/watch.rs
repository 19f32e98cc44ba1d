//! The socket that tells a page how the guild is.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use tokio::time::MissedTickBehavior;

use super::{close, code, view::View};
use crate::{control::answer::Here, server::Server};

/// How often the guild is looked at. Rings go out by the passing of time alone, so nothing could tell of every change.
const LOOK: Duration = Duration::from_millis(100);
/// The page says nothing here, so this is enough to refuse it with a reason.
const LARGEST_MESSAGE: usize = 1_024;

pub(super) async fn upgrade(Here(server): Here, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_message_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| async move {
            let tasks = server.discord.tasks.clone();
            tasks.track_future(watch(server, socket)).await;
        })
}

/// Tells of every change, at most once a look, until either side ends it.
async fn watch(server: Arc<Server>, mut socket: WebSocket) {
    let cancel = server.discord.cancel.clone();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => {
                return close(socket, code::GOING_AWAY, "the stand-in ends").await;
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Binary(_))) => {
                    return close(socket, code::WRONG_KIND, "this socket only tells").await;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
            _ = looks.tick() => {
                let now = serde_json::to_string(&View::of(&server)).unwrap_or_default();
                if now != told {
                    if socket.send(Message::Text(now.as_str().into())).await.is_err() {
                        return;
                    }
                    told = now;
                }
            }
        }
    }
}
