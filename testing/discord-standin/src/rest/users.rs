//! Users and applications.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::answer::{Bot, Refusal, ok};
use crate::{
    discord::Discord,
    guild::{Account, json as object},
    snowflake::Snowflake,
};

pub(super) async fn me(State(discord): State<Arc<Discord>>, Bot(bot): Bot) -> Result<Response, Refusal> {
    show(&discord, bot, object::own_user)
}

pub(super) async fn application(State(discord): State<Arc<Discord>>, Bot(bot): Bot) -> Result<Response, Refusal> {
    let privileged_intents = discord.bots.lock().privileged_intents(bot);
    show(&discord, bot, |account| {
        object::application(account, privileged_intents)
    })
}

pub(super) async fn user(
    State(discord): State<Arc<Discord>>,
    Bot(_): Bot,
    Path(user): Path<String>,
) -> Result<Response, Refusal> {
    let user = user.parse().map_err(|_| Refusal::UnknownUser)?;
    show(&discord, user, object::user)
}

pub(super) async fn my_guilds(State(discord): State<Arc<Discord>>, Bot(bot): Bot) -> Response {
    let mut guilds = Vec::new();
    for server in discord.servers() {
        let guild = &server.world.lock().guild;
        if guild.has_member(bot) {
            guilds.push(json!({
                "id": guild.id(), "name": guild.name, "icon": null, "banner": null, "owner": false, "features": [],
                "permissions": guild.base_permissions(bot).0.to_string(),
            }));
        }
    }
    ok(&json!(guilds))
}

fn show(discord: &Discord, user: Snowflake, as_json: impl Fn(&Account) -> Value) -> Result<Response, Refusal> {
    let account = discord.account(user).ok_or(Refusal::UnknownUser)?;
    Ok(ok(&as_json(&account)))
}
