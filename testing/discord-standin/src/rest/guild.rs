//! The guild: channels, roles, members, voice states.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Bot, Refusal, body, check_guild, ok};
use crate::{
    control::types::VoiceFlags,
    guild::{Guild, json as object, permissions::Permissions},
    server::Server,
    snowflake::Snowflake,
};

pub(super) async fn regions(Bot(_): Bot) -> Response {
    ok(&json!([{"id": "local", "name": "Local", "optimal": true, "deprecated": false, "custom": false}]))
}

pub(super) async fn guild(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| Ok(guild.json()))
}

pub(super) async fn channels(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| Ok(json!(guild.visible_channels_json(bot))))
}

pub(super) async fn roles(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| Ok(guild.roles_json()))
}

pub(super) async fn members(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| Ok(json!(guild.members_json())))
}

pub(super) async fn member(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path((id, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| member_json(guild, own(&user, bot)?))
}

pub(super) async fn own_voice_state(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| voice_json(guild, bot))
}

pub(super) async fn voice_state(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path((id, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    read(&server, bot, &id, |guild| voice_json(guild, own(&user, bot)?))
}

#[derive(Deserialize)]
struct OwnVoiceChange {
    suppress: Option<bool>,
}

/// A bot in a stage's audience makes itself a speaker, if it may mute members.
pub(super) async fn change_own_voice_state(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: OwnVoiceChange = body(&bytes)?;
    {
        let world = server.world.lock();
        check_guild(&world.guild, bot, &id)?;
        let state = world.guild.voice.get(&bot).ok_or(Refusal::UnknownVoiceState)?;
        let permissions = world.guild.permissions(bot, state.channel);
        if change.suppress == Some(false) && !permissions.contains(Permissions::MUTE_MEMBERS) {
            return Err(Refusal::MissingPermissions);
        }
    }
    server.set_voice_flags(
        bot,
        VoiceFlags {
            suppress: change.suppress,
            ..VoiceFlags::default()
        },
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct MemberChange {
    mute: Option<bool>,
    deaf: Option<bool>,
    #[serde(default, deserialize_with = "move_to")]
    channel_id: Move,
}

/// Where a member is moved to.
#[derive(Clone, Copy, Default, PartialEq)]
enum Move {
    /// The field is absent.
    #[default]
    Stay,
    /// The field is null.
    Out,
    To(Snowflake),
}

fn move_to<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Move, D::Error> {
    Ok(Option::deserialize(deserializer)?.map_or(Move::Out, Move::To))
}

/// A bot mutes, deafens, moves or disconnects a member.
pub(super) async fn change_member(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path((id, user)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: MemberChange = body(&bytes)?;
    let user = own(&user, bot)?;
    {
        let world = server.world.lock();
        check_guild(&world.guild, bot, &id)?;
        let permissions = world.guild.base_permissions(bot);
        let needed = [
            (change.mute.is_some(), Permissions::MUTE_MEMBERS),
            (change.deaf.is_some(), Permissions::DEAFEN_MEMBERS),
            (change.channel_id != Move::Stay, Permissions::MOVE_MEMBERS),
        ];
        if needed
            .iter()
            .any(|(asked, permission)| *asked && !permissions.contains(*permission))
        {
            return Err(Refusal::MissingPermissions);
        }
        let in_voice = world.guild.voice.contains_key(&user);
        if !in_voice && needed.iter().any(|(asked, _)| *asked) {
            return Err(Refusal::NotInVoice);
        }
    }
    server.set_voice_flags(
        user,
        VoiceFlags {
            mute: change.mute,
            deaf: change.deaf,
            ..VoiceFlags::default()
        },
    );
    match change.channel_id {
        Move::Stay => {}
        Move::Out => server.leave_voice(user),
        Move::To(channel) if server.move_member(user, channel) => {}
        Move::To(_) => return Err(Refusal::UnknownChannel),
    }
    let world = server.world.lock();
    Ok(ok(&member_json(&world.guild, user)?))
}

#[derive(Deserialize)]
struct NickChange {
    nick: Option<String>,
}

pub(super) async fn change_own_nick(
    State(server): State<Arc<Server>>,
    Bot(bot): Bot,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: NickChange = body(&bytes)?;
    let mut world = server.world.lock();
    check_guild(&world.guild, bot, &id)?;
    let account = world.guild.accounts.get_mut(&bot).ok_or(Refusal::UnknownMember)?;
    account.nick = change.nick.filter(|nick| !nick.is_empty());
    Ok(ok(&member_json(&world.guild, bot)?))
}

fn read(
    server: &Server,
    bot: Snowflake,
    id: &str,
    what: impl FnOnce(&Guild) -> Result<Value, Refusal>,
) -> Result<Response, Refusal> {
    let world = server.world.lock();
    check_guild(&world.guild, bot, id)?;
    what(&world.guild).map(|value| ok(&value))
}

fn own(user: &str, bot: Snowflake) -> Result<Snowflake, Refusal> {
    match user {
        "@me" => Ok(bot),
        id => id.parse().map_err(|_| Refusal::UnknownMember),
    }
}

fn member_json(guild: &Guild, user: Snowflake) -> Result<Value, Refusal> {
    let account = guild
        .accounts
        .get(&user)
        .filter(|account| account.in_guild)
        .ok_or(Refusal::UnknownMember)?;
    Ok(object::member(account, guild.voice.get(&user)))
}

fn voice_json(guild: &Guild, user: Snowflake) -> Result<Value, Refusal> {
    let state = guild.voice.get(&user).ok_or(Refusal::UnknownVoiceState)?;
    Ok(guild.voice_state_json(user, state))
}
