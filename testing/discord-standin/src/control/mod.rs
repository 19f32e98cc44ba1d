//! The control interface: makes things happen and tells what was seen.

pub(crate) mod answer;
mod bots;
pub(crate) mod client;
mod gateway;
mod guild;
mod interactions;
mod network;
mod people;
mod roles;
pub mod types;
mod view;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};

use crate::{
    discord::Discord,
    page::{self, same_origin},
};

/// The routes of the control interface, the page among them.
pub(crate) fn router(discord: Arc<Discord>) -> Router {
    Router::new()
        .route("/health", get(view::health))
        .route("/info", get(view::info))
        .route("/state", get(view::state))
        .route("/counters", get(view::counters))
        .route("/guilds", post(guild::create_guild))
        .route("/people", post(guild::create_person))
        .route("/bots", post(guild::create_bot))
        .route(
            "/people/{who}",
            axum::routing::delete(guild::remove).patch(guild::change_looks),
        )
        .route("/people/{who}/join", post(people::join))
        .route("/people/{who}/leave", post(people::leave))
        .route("/people/{who}/voice_state", post(people::set_voice))
        .route("/people/{who}/play", post(people::play))
        .route("/people/{who}/stop", post(people::stop))
        .route("/people/{who}/priority", post(people::set_priority))
        .route("/people/{who}/playback", get(people::playback))
        .route("/people/{who}/record", post(people::record))
        .route("/people/{who}/record/stop", post(people::stop_recording))
        .route("/people/{who}/recording", get(people::recording))
        .route("/people/{who}/recording.wav", get(people::recording_wav))
        .route("/people/{who}/frames", get(people::frames))
        .route("/people/{who}/sent", get(people::sent))
        .route("/people/{who}/say", post(people::say))
        .route("/people/{who}/kick_voice", post(bots::kick_voice))
        .route("/people/{who}/move", post(bots::move_member))
        .route("/people/{who}/close_voice", post(bots::close_voice))
        .route("/people/{who}/kick_guild", post(guild::remove))
        .route("/channels", post(guild::create_channel))
        .route(
            "/channels/{channel}",
            axum::routing::patch(guild::change_channel).delete(guild::delete_channel),
        )
        .route("/channels/{channel}/messages", get(view::messages))
        .merge(gateway::router())
        .merge(interactions::router())
        .merge(network::router())
        .merge(roles::router())
        .merge(page::router())
        .fallback(answer::unknown)
        .layer(middleware::from_fn(same_origin::only))
        .with_state(discord)
}
