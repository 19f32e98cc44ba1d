//! Users and applications.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::answer::{Bot, Refusal, ok};
use crate::{
    guild::{Account, GUILD, Guild, json as object},
    server::Server,
    snowflake::Snowflake,
};

pub(super) async fn me(State(server): State<Arc<Server>>, Bot(bot): Bot) -> Result<Response, Refusal> {
    show(&server.world.lock().guild, bot, object::own_user)
}

pub(super) async fn application(State(server): State<Arc<Server>>, Bot(bot): Bot) -> Result<Response, Refusal> {
    show(&server.world.lock().guild, bot, object::application)
}

pub(super) async fn user(
    State(server): State<Arc<Server>>,
    Bot(_): Bot,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let user = user.parse().map_err(|_| Refusal::UnknownUser)?;
    show(&server.world.lock().guild, user, object::user)
}

pub(super) async fn my_guilds(State(server): State<Arc<Server>>, Bot(bot): Bot) -> Response {
    let world = server.world.lock();
    let guild = &world.guild;
    let member = guild.accounts.get(&bot).is_some_and(|account| account.in_guild);
    let guilds: Vec<_> = member
        .then(|| {
            json!({
                "id": GUILD, "name": guild.name, "icon": null, "banner": null, "owner": false, "features": [],
                "permissions": guild.base_permissions(bot).0.to_string(),
            })
        })
        .into_iter()
        .collect();
    ok(&json!(guilds))
}

fn show(guild: &Guild, user: Snowflake, as_json: fn(&Account) -> Value) -> Result<Response, Refusal> {
    let account = guild.accounts.get(&user).ok_or(Refusal::UnknownUser)?;
    Ok(ok(&as_json(account)))
}
