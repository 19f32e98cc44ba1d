//! What befalls voice on its way, and the voice server.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Path,
    routing::{get, post, put},
};
use serde_json::Value;

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{ActiveImpairment, Direction, Impairment, SetImpairment, VoiceRefusal, VoiceServer},
};
use crate::discord::Discord;

const BOTH: [Direction; 2] = [Direction::ToServer, Direction::FromServer];

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/impairments", get(impairments).put(impair).delete(clear_impairments))
        .route("/voice_server", get(voice_server))
        .route("/voice_server/move", post(move_voice_server))
        .route("/voice_server/withdraw", post(withdraw_voice_server))
        .route("/voice_server/die", post(die))
        .route("/voice_server/revive", post(revive))
        .route(
            "/people/{who}/voice_refusal",
            put(refuse_identifies).delete(accept_identifies),
        )
}

async fn impairments(Here(server): Here) -> Json<Vec<ActiveImpairment>> {
    Json(server.voice.impairments())
}

async fn impair(Here(server): Here, Json(asked): Json<SetImpairment>) -> Answer<Vec<ActiveImpairment>> {
    let user = asked.who.map(|who| answer::user(&server, &who)).transpose()?;
    check(&asked.impairment)?;
    let wanted = |direction: &&Direction| asked.direction.is_none_or(|only| only == **direction);
    for direction in BOTH.iter().filter(wanted) {
        server.voice.impair(*direction, user, asked.impairment);
    }
    Ok(Json(server.voice.impairments()))
}

fn check(impairment: &Impairment) -> Result<(), Refusal> {
    let Impairment {
        loss,
        loss_burst,
        reorder,
        duplicate,
        ..
    } = *impairment;
    let shares = [("loss", loss), ("reorder", reorder), ("duplicate", duplicate)];
    if let Some((name, _)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        return Err(Refusal::Invalid(format!("{name} is a share from 0 to 1")));
    }
    let possible = loss_burst == 0.0 || (loss_burst >= 1.0 && loss <= loss_burst * (1.0 - loss)) || loss >= 1.0;
    if possible {
        Ok(())
    } else {
        Err(Refusal::Invalid(
            "loss_burst is 0 or at least 1, and so long that there is something between two bursts".to_owned(),
        ))
    }
}

async fn clear_impairments(Here(server): Here) -> Json<Value> {
    server.voice.clear_impairments();
    done()
}

async fn voice_server(Here(server): Here) -> Json<VoiceServer> {
    Json(server.voice.server().view())
}

async fn move_voice_server(Here(server): Here) -> Answer<VoiceServer> {
    let opened = server
        .move_voice_server()
        .map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Json(opened.view()))
}

async fn withdraw_voice_server(Here(server): Here) -> Json<VoiceServer> {
    server.withdraw_voice_server();
    voice_server(Here(server)).await
}

async fn die(Here(server): Here) -> Json<VoiceServer> {
    server.voice.server().set_alive(false);
    voice_server(Here(server)).await
}

async fn revive(Here(server): Here) -> Json<VoiceServer> {
    server.voice.server().set_alive(true);
    voice_server(Here(server)).await
}

async fn refuse_identifies(
    Here(server): Here,
    Path(who): Path<String>,
    Json(refusal): Json<VoiceRefusal>,
) -> Answer<Value> {
    let user = answer::user(&server, &who)?;
    server.voice.refuse_identifies(user, Some(refusal));
    Ok(done())
}

async fn accept_identifies(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    server.voice.refuse_identifies(answer::user(&server, &who)?, None);
    Ok(done())
}
