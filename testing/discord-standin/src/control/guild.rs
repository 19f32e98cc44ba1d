//! Guilds, and changes of one: accounts and channels.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{Account, AccountKind, Channel, ChannelChange, Guild, Looks, NewBot, NewChannel, NewGuild, NewPerson},
    view,
};
use crate::{
    discord::Discord,
    gateway::intents,
    guild::{self, FirstIds, json as object},
    server::Server,
    standin::StartError,
    voice_servers::Sockets,
};

/// Discord's limit of a user name.
const LONGEST_NAME: usize = 32;

/// Another guild, with a voice server of its own.
pub(super) async fn create_guild(
    State(discord): State<Arc<Discord>>,
    Json(NewGuild { name }): Json<NewGuild>,
) -> Answer<Guild> {
    let first = FirstIds::fresh(&discord.ids);
    let opened = Sockets::on_any_ports(&discord.config)
        .map_err(StartError::from)
        .and_then(|sockets| Server::open(&discord, discord.new_guild(&name, first), sockets));
    opened.map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Json(Guild {
        id: first.guild.to_string(),
        name,
        text_channel_id: first.text_channel.to_string(),
        voice_channel_id: first.voice_channel.to_string(),
        second_voice_channel_id: first.second_voice_channel.to_string(),
    }))
}

pub(super) async fn create_person(Here(server): Here, Json(person): Json<NewPerson>) -> Answer<Account> {
    create(&server, &person.name, None)
}

/// As on Discord, whoever watches members is told, and everybody else sees it with the next voice state.
pub(super) async fn change_looks(
    Here(server): Here,
    Path(who): Path<String>,
    Json(looks): Json<Looks>,
) -> Answer<Account> {
    let user = answer::person(&server, &who)?;
    let mut world = server.world.lock();
    let Some(account) = world.guild.accounts.get_mut(&user) else {
        return Err(Refusal::NotFound(format!("there is no {who}")));
    };
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    account.nick = looks.nick.map_or_else(|| account.nick.clone(), some);
    account.avatar = looks.avatar.map_or_else(|| account.avatar.clone(), some);
    let answer = view::account(account);
    world.broadcast_member(user);
    Ok(Json(answer))
}

pub(super) async fn create_bot(Here(server): Here, Json(bot): Json<NewBot>) -> Answer<Account> {
    if server.discord.bots.lock().by_token(&bot.token).is_some() {
        return Err(Refusal::Conflict("the token is taken".to_owned()));
    }
    create(&server, &bot.name, Some(bot.token))
}

fn create(server: &Server, name: &str, token: Option<String>) -> Answer<Account> {
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains('/');
    if !fits {
        return Err(Refusal::Invalid(format!(
            "{name:?} is no name: 1 to {LONGEST_NAME} characters without a slash"
        )));
    }
    let mut world = server.world.lock();
    if world.guild.find_account(name).is_some() {
        return Err(Refusal::Conflict(format!("the name {name} is taken")));
    }
    let kind = if token.is_some() {
        AccountKind::Bot
    } else {
        AccountKind::Person
    };
    let id = world.guild.add_account(name, kind);
    if let Some(token) = token {
        server.discord.bots.lock().add(id, token);
    }
    let Some(account) = world.guild.accounts.get(&id).cloned() else {
        return Err(Refusal::Internal("the account is gone".to_owned()));
    };
    let mut member = object::member(&account, None);
    if let Some(fields) = member.as_object_mut() {
        fields.insert("guild_id".into(), json!(world.guild.id()));
    }
    world.broadcast(intents::GUILD_MEMBERS, "GUILD_MEMBER_ADD", &member);
    Ok(Json(view::account(&account)))
}

pub(super) async fn remove(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    server.remove_from_guild(answer::user(&server, &who)?);
    Ok(done())
}

pub(super) async fn create_channel(Here(server): Here, Json(new): Json<NewChannel>) -> Answer<Channel> {
    let mut world = server.world.lock();
    let id = world.guild.add_channel(&new.name, new.kind, new.user_limit);
    if let Some(channel) = world.guild.channels.get_mut(&id) {
        channel.dave = new.dave;
    }
    world.broadcast_channel("CHANNEL_CREATE", id);
    show(&server, &world.guild, &id.to_string())
}

pub(super) async fn change_channel(
    Here(server): Here,
    Path(id): Path<String>,
    Json(change): Json<ChannelChange>,
) -> Answer<Channel> {
    let mut world = server.world.lock();
    let channel = answer::channel(&world.guild, &id)?;
    if let Some(known) = world.guild.channels.get_mut(&channel) {
        known.user_limit = change.user_limit.unwrap_or(known.user_limit);
        known.dave = change.dave.or(known.dave);
        if let Some(name) = change.name {
            known.name = name;
        }
    }
    world.broadcast_channel("CHANNEL_UPDATE", channel);
    if let Some(policy) = change.dave {
        server.voice.set_dave_policy(channel, policy);
    }
    show(&server, &world.guild, &id)
}

pub(super) async fn delete_channel(Here(server): Here, Path(id): Path<String>) -> Answer<Value> {
    let channel = answer::channel(&server.world.lock().guild, &id)?;
    server.delete_channel(channel);
    Ok(done())
}

fn show(server: &Server, guild: &guild::Guild, id: &str) -> Answer<Channel> {
    let id = answer::channel(guild, id)?;
    guild
        .channels
        .get(&id)
        .map(|channel| Json(view::channel(server, guild, channel)))
        .ok_or_else(|| Refusal::Internal("the channel is gone".to_owned()))
}
