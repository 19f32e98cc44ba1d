//! Roles, who has them, and a channel's overwrites.

use axum::{
    body::Bytes,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Deserializer, de};

use super::answer::{Bot, Here, Refusal, body, check_channel, check_member, ok};
use crate::{
    guild::{
        Guild, Role, json as object,
        permissions::{OverwriteTarget, Permissions},
    },
    guild_changes::RoleChange,
    server::Server,
    snowflake::Snowflake,
};

/// Permission bits, which Discord writes as a string.
#[derive(Clone, Copy, Debug, Default)]
struct Bits(Permissions);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(|bits| Self(Permissions(bits)))
            .map_err(de::Error::custom)
    }
}

#[derive(Deserialize)]
struct RoleBody {
    name: Option<String>,
    permissions: Option<Bits>,
    color: Option<u32>,
    hoist: Option<bool>,
    mentionable: Option<bool>,
}

impl From<RoleBody> for RoleChange {
    fn from(body: RoleBody) -> Self {
        Self {
            name: body.name,
            permissions: body.permissions.map(|bits| bits.0),
            position: None,
            color: body.color,
            hoist: body.hoist,
            mentionable: body.mentionable,
        }
    }
}

pub(super) async fn role(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, role)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let world = server.world.lock();
    check_member(&world.guild, bot)?;
    Ok(ok(&object::role(find(&world.guild, &role)?)))
}

pub(super) async fn create(Bot(bot): Bot, Here(server): Here, bytes: Bytes) -> Result<Response, Refusal> {
    let change: RoleChange = body::<RoleBody>(&bytes)?.into();
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    if !world.guild.base_permissions(bot).contains(Permissions::MANAGE_ROLES) {
        return Err(Refusal::MissingPermissions);
    }
    check_granted(&world.guild, bot, change.permissions)?;
    let role = world.create_role(&change).ok_or(Refusal::UnknownRole)?;
    Ok(ok(&object::role(&role)))
}

pub(super) async fn change(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, role)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: RoleChange = body::<RoleBody>(&bytes)?.into();
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    let id = manageable(&world.guild, bot, &role)?;
    check_granted(&world.guild, bot, change.permissions)?;
    let role = server
        .change_role(&mut world, id, &change)
        .ok_or(Refusal::UnknownRole)?;
    Ok(ok(&object::role(&role)))
}

#[derive(Deserialize)]
struct RolePlace {
    id: Snowflake,
    position: Option<u32>,
}

pub(super) async fn change_places(Bot(bot): Bot, Here(server): Here, bytes: Bytes) -> Result<Response, Refusal> {
    let places: Vec<RolePlace> = body(&bytes)?;
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    let rank = world.guild.rank(bot);
    for place in &places {
        manageable(&world.guild, bot, &place.id.to_string())?;
        if place.position.is_some_and(|position| position >= rank) {
            return Err(Refusal::MissingPermissions);
        }
    }
    for RolePlace { id, position } in places {
        let change = RoleChange {
            position,
            ..RoleChange::default()
        };
        server.change_role(&mut world, id, &change);
    }
    Ok(ok(&world.guild.roles_json()))
}

pub(super) async fn delete(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, role)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    let id = manageable(&world.guild, bot, &role)?;
    if id == world.guild.id() || find(&world.guild, &role)?.managed {
        return Err(Refusal::InvalidRole);
    }
    server.delete_role(&mut world, id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn give(
    Bot(bot): Bot,
    Here(server): Here,
    Path(path): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    set(&server, bot, &path, true)
}

pub(super) async fn take(
    Bot(bot): Bot,
    Here(server): Here,
    Path(path): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    set(&server, bot, &path, false)
}

fn set(
    server: &Server,
    bot: Snowflake,
    (_, user, role): &(String, String, String),
    held: bool,
) -> Result<Response, Refusal> {
    let mut world = server.world.lock();
    check_member(&world.guild, bot)?;
    let user = user.parse().map_err(|_| Refusal::UnknownMember)?;
    let id = manageable(&world.guild, bot, role)?;
    if id == world.guild.id() || find(&world.guild, role)?.managed {
        return Err(Refusal::InvalidRole);
    }
    if server.set_role(&mut world, user, id, held) {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Refusal::UnknownMember)
    }
}

#[derive(Deserialize)]
struct OverwriteBody {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    allow: Option<Bits>,
    #[serde(default)]
    deny: Option<Bits>,
}

/// A bot may only give and take in a channel what it has there itself.
pub(super) async fn set_overwrite(
    Bot(bot): Bot,
    Here(server): Here,
    Path((channel, target)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let asked: OverwriteBody = body(&bytes)?;
    let allow = asked.allow.unwrap_or_default().0;
    let deny = asked.deny.unwrap_or_default().0;
    let mut world = server.world.lock();
    let channel = check_channel(&world.guild, bot, &channel, Permissions::MANAGE_ROLES)?;
    if !world.guild.permissions(bot, channel).contains(allow | deny) {
        return Err(Refusal::MissingPermissions);
    }
    let id = target.parse().map_err(|_| Refusal::UnknownOverwrite)?;
    let target = match asked.kind {
        0 => world.guild.roles.get(&id).map(|role| OverwriteTarget::Role(role.id)),
        1 => Some(OverwriteTarget::Member(id)),
        _ => None,
    };
    let target = target.ok_or(Refusal::UnknownOverwrite)?;
    server.set_overwrite(&mut world, channel, target, Some((allow, deny)));
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn clear_overwrite(
    Bot(bot): Bot,
    Here(server): Here,
    Path((channel, target)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let mut world = server.world.lock();
    let channel = check_channel(&world.guild, bot, &channel, Permissions::MANAGE_ROLES)?;
    let id = target.parse().map_err(|_| Refusal::UnknownOverwrite)?;
    let targets = [OverwriteTarget::Role(id), OverwriteTarget::Member(id)];
    let known = world.guild.channels.get(&channel).and_then(|channel| {
        let mut overwrites = channel.overwrites.iter().map(|overwrite| overwrite.target);
        overwrites.find(|target| targets.contains(target))
    });
    let target = known.ok_or(Refusal::UnknownOverwrite)?;
    server.set_overwrite(&mut world, channel, target, None);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The roles of a member object that a bot sends: it may only change those below its own.
pub(super) fn check_new_roles(
    guild: &Guild,
    bot: Snowflake,
    user: Snowflake,
    roles: &[Snowflake],
) -> Result<(), Refusal> {
    let before = guild.accounts.get(&user).map_or(&[][..], |account| &account.roles);
    let given = roles.iter().filter(|role| !before.contains(role));
    let taken = before.iter().filter(|role| !roles.contains(role));
    for role in given.chain(taken) {
        let id = manageable(guild, bot, &role.to_string())?;
        if id == guild.id() || guild.roles.get(&id).is_some_and(|role| role.managed) {
            return Err(Refusal::InvalidRole);
        }
    }
    Ok(())
}

fn find<'a>(guild: &'a Guild, role: &str) -> Result<&'a Role, Refusal> {
    role.parse()
        .ok()
        .and_then(|id| guild.roles.get(&id))
        .ok_or(Refusal::UnknownRole)
}

/// A role that the bot may change or give.
fn manageable(guild: &Guild, bot: Snowflake, role: &str) -> Result<Snowflake, Refusal> {
    let role = find(guild, role)?;
    if guild.may_manage_role(bot, role) {
        Ok(role.id)
    } else {
        Err(Refusal::MissingPermissions)
    }
}

/// Nobody gives what he does not have.
fn check_granted(guild: &Guild, bot: Snowflake, granted: Option<Permissions>) -> Result<(), Refusal> {
    if guild.base_permissions(bot).contains(granted.unwrap_or_default()) {
        Ok(())
    } else {
        Err(Refusal::MissingPermissions)
    }
}
