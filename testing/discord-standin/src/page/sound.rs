//! The socket of a person's voice: the browser sends Opus as he speaks, and gets what he hears.
//!
//! Both ways each binary message is one frame. What he says is the Opus packet alone, 20 ms long; what he hears is
//! preceded by who speaks (8 bytes), the RTP sequence number (2) and the RTP timestamp (4), big-endian.

use std::sync::Arc;

use axum::{
    extract::{
        Query, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{close, code};
use crate::{
    control::answer::{self, Here, Refusal},
    people::sound::FRAME,
    server::Server,
    snowflake::Snowflake,
    voice::{frames::Arrival, recording::SAMPLE_RATE},
};

/// Largest Opus packet of 20 ms.
const LARGEST_PACKET: usize = 1_275;
/// More than a packet, so that one that is too long can be refused with a reason.
const LARGEST_MESSAGE: usize = 4_096;
/// Bytes before a heard frame.
const HEADER: usize = 14;

#[derive(Deserialize)]
pub(super) struct Whose {
    who: String,
}

pub(super) async fn upgrade(
    Here(server): Here,
    Query(whose): Query<Whose>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let user = answer::person(&server, &whose.who)?;
    Ok(upgrade
        .max_message_size(LARGEST_MESSAGE)
        .on_upgrade(move |socket| async move {
            let tasks = server.discord.tasks.clone();
            tasks.track_future(carry(server, socket, user)).await;
        }))
}

/// Carries voice both ways until either side ends it.
async fn carry(server: Arc<Server>, mut socket: WebSocket, user: Snowflake) {
    let cancel = server.discord.cancel.clone();
    let mut heard: mpsc::Receiver<Arrival> = server.voice.listen(user);
    let (why, reason) = loop {
        tokio::select! {
            () = cancel.cancelled() => break (code::GOING_AWAY, "the stand-in ends"),
            frame = heard.recv() => match frame {
                Some(frame) => {
                    if socket.send(Message::Binary(encode(&frame).into())).await.is_err() {
                        return;
                    }
                }
                None => break (code::REPLACED, "another page listens, or the person is gone"),
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(opus))) if is_frame(&opus) => {
                    if !server.player.talk(user, Arc::from(&*opus)) {
                        server.discord.counters.count("page_talks_too_fast");
                    }
                }
                Some(Ok(Message::Binary(_))) => break (code::INVALID, "this is no Opus packet of 20 ms"),
                Some(Ok(Message::Text(_))) => break (code::WRONG_KIND, "only Opus packets are taken here"),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    };
    close(socket, why, reason).await;
}

fn is_frame(opus: &[u8]) -> bool {
    (1..=LARGEST_PACKET).contains(&opus.len()) && opus2::packet::get_nb_samples(opus, SAMPLE_RATE).ok() == Some(FRAME)
}

fn encode(frame: &Arrival) -> Vec<u8> {
    let opus = frame.opus.as_deref().unwrap_or_default();
    let mut message = Vec::with_capacity(HEADER + opus.len());
    message.extend_from_slice(&frame.user.0.to_be_bytes());
    message.extend_from_slice(&frame.sequence.to_be_bytes());
    message.extend_from_slice(&frame.timestamp.to_be_bytes());
    message.extend_from_slice(opus);
    message
}
