//! Channels and their messages.

use axum::{
    body::Bytes,
    extract::{Path, Query},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Bot, Here, Refusal, body, check_channel, ok};
use crate::{
    control::types::ChannelKind,
    guild::{Guild, Message, json as object, permissions::Permissions},
    interactions::form::FormErrors,
    snowflake::Snowflake,
};

/// Discord's limit of a message's text, in characters.
pub(super) const LONGEST_MESSAGE: usize = 2_000;
const MOST_MESSAGES: usize = 100;
/// Discord's limit of a voice channel's status, in characters.
const LONGEST_STATUS: usize = 500;

pub(super) async fn channel(Bot(bot): Bot, Here(server): Here, Path(id): Path<String>) -> Result<Response, Refusal> {
    let world = server.world.lock();
    let id = check_channel(&world.guild, bot, &id, Permissions::VIEW_CHANNEL)?;
    let channel = world.guild.channels.get(&id).ok_or(Refusal::UnknownChannel)?;
    Ok(ok(&world.guild.channel_json(channel)))
}

pub(super) async fn typing(Bot(bot): Bot, Here(server): Here, Path(id): Path<String>) -> Result<Response, Refusal> {
    let world = server.world.lock();
    check_channel(&world.guild, bot, &id, Permissions::SEND_MESSAGES)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct StatusChange {
    status: Option<String>,
}

/// Whoever is not in the voice channel has to be able to manage it.
pub(super) async fn set_status(
    Bot(bot): Bot,
    Here(server): Here,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: StatusChange = body(&bytes)?;
    let mut world = server.world.lock();
    let id = check_channel(&world.guild, bot, &id, Permissions::SET_VOICE_CHANNEL_STATUS)?;
    let is_voice = |kind: ChannelKind| kind == ChannelKind::Voice;
    if !world
        .guild
        .channels
        .get(&id)
        .is_some_and(|channel| is_voice(channel.kind))
    {
        return Err(Refusal::InvalidForm(FormErrors::one(
            &[],
            "CHANNEL_TYPE_INVALID",
            "Invalid channel type.",
        )));
    }
    let is_there = world.guild.voice.get(&bot).is_some_and(|state| state.channel == id);
    if !is_there && !world.guild.permissions(bot, id).contains(Permissions::MANAGE_CHANNELS) {
        return Err(Refusal::MissingPermissions);
    }
    let status = change.status.filter(|status| !status.is_empty());
    if status
        .as_ref()
        .is_some_and(|status| status.chars().count() > LONGEST_STATUS)
    {
        let text = format!("Must be {LONGEST_STATUS} or fewer in length.");
        return Err(Refusal::InvalidForm(FormErrors::one(
            &["status"],
            "BASE_TYPE_MAX_LENGTH",
            text,
        )));
    }
    world.set_status(id, status);
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
}

pub(super) async fn messages(
    Bot(bot): Bot,
    Here(server): Here,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Response, Refusal> {
    let world = server.world.lock();
    let id = check_channel(&world.guild, bot, &id, Permissions::READ_MESSAGE_HISTORY)?;
    let newest: Vec<_> = world
        .guild
        .messages
        .iter()
        .rev()
        .filter(|message| message.channel == id)
        .take(page.limit.unwrap_or(50).min(MOST_MESSAGES))
        .map(|message| message_json(&world.guild, message))
        .collect();
    Ok(ok(&json!(newest)))
}

#[derive(Deserialize)]
struct NewMessage {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    nonce: Option<Value>,
    #[serde(default)]
    embeds: Vec<Value>,
}

pub(super) async fn post_message(
    Bot(bot): Bot,
    Here(server): Here,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let new: NewMessage = body(&bytes)?;
    let content = new.content.unwrap_or_default();
    if content.is_empty() && new.embeds.is_empty() {
        return Err(Refusal::EmptyMessage);
    }
    if content.chars().count() > LONGEST_MESSAGE {
        return Err(Refusal::BadRequest);
    }
    let id = check_channel(&server.world.lock().guild, bot, &id, Permissions::SEND_MESSAGES)?;
    let message = server.post(id, bot, content, new.nonce);
    let world = server.world.lock();
    Ok(ok(&message_json(&world.guild, &message)))
}

pub(super) async fn message(
    Bot(bot): Bot,
    Here(server): Here,
    Path((channel, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let world = server.world.lock();
    let index = find(&world.guild, bot, &channel, &id)?;
    let message = world.guild.messages.get(index).ok_or(Refusal::UnknownMessage)?;
    Ok(ok(&message_json(&world.guild, message)))
}

pub(super) async fn edit_message(
    Bot(bot): Bot,
    Here(server): Here,
    Path((channel, id)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: NewMessage = body(&bytes)?;
    let mut world = server.world.lock();
    let index = find(&world.guild, bot, &channel, &id)?;
    let message = world.guild.messages.get_mut(index).ok_or(Refusal::UnknownMessage)?;
    if message.author != bot {
        return Err(Refusal::NotAuthor);
    }
    message.content = change.content.unwrap_or_default();
    let message = message.clone();
    Ok(ok(&message_json(&world.guild, &message)))
}

pub(super) async fn delete_message(
    Bot(bot): Bot,
    Here(server): Here,
    Path((channel, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let mut world = server.world.lock();
    let index = find(&world.guild, bot, &channel, &id)?;
    let author = world.guild.messages.get(index).map(|message| message.author);
    if author != Some(bot) {
        return Err(Refusal::MissingPermissions);
    }
    world.guild.messages.remove(index);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Position of a message that the bot may read.
fn find(guild: &Guild, bot: Snowflake, channel: &str, id: &str) -> Result<usize, Refusal> {
    let channel = check_channel(guild, bot, channel, Permissions::READ_MESSAGE_HISTORY)?;
    let id = id.parse().map_err(|_| Refusal::UnknownMessage)?;
    guild
        .messages
        .iter()
        .position(|message| message.channel == channel && message.id == id)
        .ok_or(Refusal::UnknownMessage)
}

fn message_json(guild: &Guild, message: &Message) -> Value {
    object::message(message, guild.accounts.get(&message.author))
}
