//! The REST interface under `/api/v10` (and `/api/v9`, `/api`), as far as voice bots use it.

mod answer;
mod channels;
mod commands;
mod guard;
mod guild;
mod interactions;
pub(crate) mod limits;
mod pictures;
mod roles;
mod users;
mod voice_states;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{Method, Uri},
    middleware,
    response::Response,
    routing::{get, patch, post, put},
};
use serde_json::json;

use crate::{discord::Discord, gateway};
use answer::{Bot, Refusal, ok};

/// REST and gateway of one stand-in.
pub(crate) fn router(discord: Arc<Discord>) -> Router {
    let api = Router::new()
        .route("/gateway", get(gateway_url))
        .route("/gateway/bot", get(gateway_bot))
        .route("/users/@me", get(users::me))
        .route("/users/@me/guilds", get(users::my_guilds))
        .route("/users/{user}", get(users::user))
        .route("/oauth2/applications/@me", get(users::application))
        .route("/applications/@me", get(users::application))
        .route("/voice/regions", get(guild::regions))
        .route("/guilds/{guild}", get(guild::guild))
        .route("/guilds/{guild}/channels", get(guild::channels))
        .route(
            "/guilds/{guild}/roles",
            get(guild::roles).post(roles::create).patch(roles::change_places),
        )
        .route(
            "/guilds/{guild}/roles/{role}",
            get(roles::role).patch(roles::change).delete(roles::delete),
        )
        .route(
            "/guilds/{guild}/members/{user}/roles/{role}",
            put(roles::give).delete(roles::take),
        )
        .route("/guilds/{guild}/members", get(guild::members))
        .route("/guilds/{guild}/members/@me", patch(guild::change_own_nick))
        .route(
            "/guilds/{guild}/members/{user}",
            get(guild::member).patch(guild::change_member),
        )
        .route(
            "/guilds/{guild}/voice-states/@me",
            get(voice_states::own_state).patch(voice_states::change_own),
        )
        .route(
            "/guilds/{guild}/voice-states/{user}",
            get(voice_states::state).patch(voice_states::change_other),
        )
        .route("/channels/{channel}", get(channels::channel))
        .route("/channels/{channel}/typing", post(channels::typing))
        .route("/channels/{channel}/voice-status", put(channels::set_status))
        .route(
            "/channels/{channel}/permissions/{target}",
            put(roles::set_overwrite).delete(roles::clear_overwrite),
        )
        .route(
            "/channels/{channel}/messages",
            get(channels::messages).post(channels::post_message),
        )
        .route(
            "/channels/{channel}/messages/{message}",
            get(channels::message)
                .patch(channels::edit_message)
                .delete(channels::delete_message),
        )
        .merge(commands::router())
        .merge(interactions::router())
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed);
    let guard = middleware::from_fn_with_state(Arc::clone(&discord), guard::pass);
    Router::new()
        .nest("/api/v10", api.clone())
        .nest("/api/v9", api.clone())
        .nest("/api", api)
        .route("/gateway", get(gateway::upgrade))
        .route("/gateway/", get(gateway::upgrade))
        .fallback(unknown)
        .layer(guard)
        .route("/avatars/{user}/{file}", get(pictures::avatar))
        .with_state(discord)
}

/// Needs no token, and must answer from the first moment: serenity falls back to the real Discord without it.
async fn gateway_url(State(discord): State<Arc<Discord>>) -> Response {
    ok(&json!({"url": discord.info.gateway}))
}

async fn gateway_bot(State(discord): State<Arc<Discord>>, Bot(bot): Bot) -> Result<Response, Refusal> {
    let now = discord.clock.now_ns();
    let mut bots = discord.bots.lock();
    let login = bots.get_mut(bot).ok_or(Refusal::Unauthorized)?;
    let (remaining, total, reset_after) = login.starts.left(now);
    Ok(ok(&json!({
        "url": discord.info.gateway, "shards": 1,
        "session_start_limit": {
            "total": total, "remaining": remaining, "reset_after": reset_after, "max_concurrency": 1,
        },
    })))
}

async fn unknown(State(discord): State<Arc<Discord>>, method: Method, uri: Uri) -> Refusal {
    tracing::debug!(%method, path = uri.path(), "a route that is not there");
    discord.counters.count("rest_unknown_routes");
    Refusal::NotFound
}

async fn not_allowed(State(discord): State<Arc<Discord>>, method: Method, uri: Uri) -> Refusal {
    tracing::debug!(%method, path = uri.path(), "a method that is not there");
    discord.counters.count("rest_unknown_routes");
    Refusal::MethodNotAllowed
}
