//! What is done to members from outside, bots above all.

use axum::{Json, extract::Path};
use serde_json::Value;

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{CloseWith, InChannel},
};

pub(super) async fn kick_voice(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    server.leave_voice(answer::user(&server, &who)?);
    Ok(done())
}

pub(super) async fn move_member(
    Here(server): Here,
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
    Here(server): Here,
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
