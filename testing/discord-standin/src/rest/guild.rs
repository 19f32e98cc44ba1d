//! The guild: channels, roles, members.

use axum::{body::Bytes, extract::Path, response::Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Bot, Here, Refusal, body, check_member, ok},
    roles::check_new_roles,
};
use crate::{
    control::types::VoiceFlags,
    gateway::intents,
    guild::{Guild, json as object, permissions::Permissions},
    server::Server,
    snowflake::Snowflake,
};

pub(super) async fn regions(Bot(_): Bot) -> Response {
    ok(&json!([{"id": "local", "name": "Local", "optimal": true, "deprecated": false, "custom": false}]))
}

pub(super) async fn guild(Bot(bot): Bot, Here(server): Here) -> Result<Response, Refusal> {
    read(&server, bot, |guild| Ok(guild.json()))
}

pub(super) async fn channels(Bot(bot): Bot, Here(server): Here) -> Result<Response, Refusal> {
    read(&server, bot, |guild| Ok(json!(guild.visible_channels_json(bot))))
}

pub(super) async fn roles(Bot(bot): Bot, Here(server): Here) -> Result<Response, Refusal> {
    read(&server, bot, |guild| Ok(guild.roles_json()))
}

pub(super) async fn members(Bot(bot): Bot, Here(server): Here) -> Result<Response, Refusal> {
    read(&server, bot, |guild| {
        // Whoever may not ask for the members intent may not list members either.
        if server.discord.bots.lock().privileged_intents(bot) & intents::GUILD_MEMBERS == 0 {
            return Err(Refusal::MissingAccess);
        }
        Ok(json!(guild.members_json()))
    })
}

pub(super) async fn member(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    read(&server, bot, |guild| member_json(guild, own(&user, bot)?))
}

#[derive(Deserialize)]
struct MemberChange {
    mute: Option<bool>,
    deaf: Option<bool>,
    roles: Option<Vec<Snowflake>>,
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

/// A bot mutes, deafens, moves or disconnects a member, or gives him roles.
pub(super) async fn change_member(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, user)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: MemberChange = body(&bytes)?;
    let user = own(&user, bot)?;
    {
        let world = server.world.lock();
        check_member(&world.guild, bot)?;
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
        if let Move::To(channel) = change.channel_id
            && !world.guild.permissions(bot, channel).contains(Permissions::CONNECT)
        {
            return Err(Refusal::MissingPermissions);
        }
        if let Some(roles) = &change.roles {
            check_new_roles(&world.guild, bot, user, roles)?;
        }
    }
    if let Some(roles) = change.roles {
        server.set_roles(&mut server.world.lock(), user, roles);
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

pub(super) async fn change_own_nick(Bot(bot): Bot, Here(server): Here, bytes: Bytes) -> Result<Response, Refusal> {
    let change: NickChange = body(&bytes)?;
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    let account = world.guild.accounts.get_mut(&bot).ok_or(Refusal::UnknownMember)?;
    account.nick = change.nick.filter(|nick| !nick.is_empty());
    Ok(ok(&member_json(&world.guild, bot)?))
}

pub(super) fn read(
    server: &Server,
    bot: Snowflake,
    what: impl FnOnce(&Guild) -> Result<Value, Refusal>,
) -> Result<Response, Refusal> {
    let world = server.world.lock();
    check_member(&world.guild, bot)?;
    what(&world.guild).map(|value| ok(&value))
}

pub(super) fn own(user: &str, bot: Snowflake) -> Result<Snowflake, Refusal> {
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
