//! What is done to members from outside, bots above all.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, Refusal, done},
    types::{CloseWith, InChannel, Invalidate},
};
use crate::{gateway::sessions::ToClient, server::Server};

pub(super) async fn kick_voice(State(server): State<Arc<Server>>, Path(who): Path<String>) -> Answer<Value> {
    server.leave_voice(answer::user(&server, &who)?);
    Ok(done())
}

pub(super) async fn move_member(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(body): Json<InChannel>,
) -> Answer<Value> {
    let user = answer::user(&server, &who)?;
    let channel = answer::channel(&server.world.lock().guild, &body.channel_id)?;
    if server.move_member(user, channel) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} cannot be moved there")))
    }
}

pub(super) async fn close_voice(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(CloseWith { code }): Json<CloseWith>,
) -> Answer<Value> {
    let user = answer::user(&server, &who)?;
    if server.voice.close(user, code) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} has no voice websocket")))
    }
}

pub(super) async fn close_gateway(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(CloseWith { code }): Json<CloseWith>,
) -> Answer<Value> {
    tell(&server, &who, || match code {
        0 => ToClient::Cut,
        code => ToClient::Close(code),
    })
}

pub(super) async fn reconnect_gateway(State(server): State<Arc<Server>>, Path(who): Path<String>) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 7, "d": null}).to_string())
    })
}

pub(super) async fn invalidate_gateway(
    State(server): State<Arc<Server>>,
    Path(who): Path<String>,
    Json(Invalidate { resumable }): Json<Invalidate>,
) -> Answer<Value> {
    tell(&server, &who, || {
        ToClient::Text(json!({"op": 9, "d": resumable}).to_string())
    })
}

fn tell(server: &Server, who: &str, message: impl Fn() -> ToClient) -> Answer<Value> {
    let user = answer::user(server, who)?;
    if server.tell_bot(user, message) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} has no gateway websocket")))
    }
}
