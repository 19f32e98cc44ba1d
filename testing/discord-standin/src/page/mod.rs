//! The page: the guild to look at, to hear and to talk in, from a browser.
//!
//! It is served beside the control interface and does by that what a person can do; what a browser needs more is here:
//! the page's files, a socket that tells how the guild is, and one that carries a person's voice both ways.

mod assets;
pub(crate) mod same_origin;
mod sound;
mod view;
mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::ws::{CloseFrame, Message, WebSocket},
    routing::get,
};

use crate::discord::Discord;

/// Close codes of the page's sockets.
mod code {
    /// The stand-in ends.
    pub(super) const GOING_AWAY: u16 = 1001;
    /// Text where only binary messages are taken, or the other way round.
    pub(super) const WRONG_KIND: u16 = 1003;
    /// A message that cannot be what it should.
    pub(super) const INVALID: u16 = 1007;
    /// Another page took over, or the person is gone.
    pub(super) const REPLACED: u16 = 4000;
}

/// The routes of the page.
pub(crate) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/", get(assets::index))
        .route("/page/{file}", get(assets::file))
        .route("/page/watch", get(watch::upgrade))
        .route("/page/sound", get(sound::upgrade))
}

/// Closes a socket and says why.
async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    // A page that is gone already needs no reason.
    drop(socket.send(Message::Close(Some(frame))).await);
}
