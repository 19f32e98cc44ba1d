//! Roles, overwrites, and settings of the guild.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Path,
    routing::{post, put},
};
use serde_json::Value;

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{AfkSettings, Overwrite, Role, RolePermissions, RoleSettings},
    view,
};
use crate::{
    control::types::ChannelKind,
    discord::Discord,
    guild::permissions::{OverwriteTarget, Permissions},
    guild_changes::RoleChange,
    server::Server,
    snowflake::Snowflake,
    world::World,
};

pub(super) fn router() -> Router<Arc<Discord>> {
    Router::new()
        .route("/roles", post(create))
        .route("/roles/{role}", put(set_permissions).patch(change).delete(delete))
        .route("/people/{who}/roles/{role}", put(give).delete(take))
        .route(
            "/channels/{channel}/overwrites/{target}",
            put(set_overwrite).delete(clear_overwrite),
        )
        .route("/afk", put(set_afk))
        .route("/people/{who}/idle", post(idle))
}

async fn create(Here(server): Here, Json(settings): Json<RoleSettings>) -> Answer<Role> {
    let change = change_of(settings)?;
    let mut world = server.world.lock();
    let role = world.create_role(&change);
    role.as_ref()
        .map(|role| Json(view::role(role)))
        .ok_or_else(|| Refusal::Internal("the role is gone".to_owned()))
}

async fn set_permissions(
    Here(server): Here,
    Path(role): Path<String>,
    Json(RolePermissions { permissions }): Json<RolePermissions>,
) -> Answer<Role> {
    let settings = RoleSettings {
        permissions: Some(permissions),
        ..RoleSettings::default()
    };
    change(Here(server), Path(role), Json(settings)).await
}

async fn change(Here(server): Here, Path(role): Path<String>, Json(settings): Json<RoleSettings>) -> Answer<Role> {
    let change = change_of(settings)?;
    let mut world = server.world.lock();
    let id = find(&world, &role)?;
    let changed = server.change_role(&mut world, id, &change);
    changed
        .as_ref()
        .map(|role| Json(view::role(role)))
        .ok_or_else(|| Refusal::NotFound(format!("no role is called {role}")))
}

async fn delete(Here(server): Here, Path(role): Path<String>) -> Answer<Value> {
    let mut world = server.world.lock();
    let id = find(&world, &role)?;
    if id == world.guild.id() {
        return Err(Refusal::Conflict("everyone is everyone".to_owned()));
    }
    server.delete_role(&mut world, id);
    Ok(done())
}

async fn give(Here(server): Here, Path(path): Path<(String, String)>) -> Answer<Value> {
    set(&server, &path, true)
}

async fn take(Here(server): Here, Path(path): Path<(String, String)>) -> Answer<Value> {
    set(&server, &path, false)
}

fn set(server: &Server, (who, role): &(String, String), held: bool) -> Answer<Value> {
    let user = answer::user(server, who)?;
    let mut world = server.world.lock();
    let id = find(&world, role)?;
    if id != world.guild.id() && server.set_role(&mut world, user, id, held) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} cannot have or lose the role {role}")))
    }
}

async fn set_overwrite(
    Here(server): Here,
    Path((channel, target)): Path<(String, String)>,
    Json(overwrite): Json<Overwrite>,
) -> Answer<Value> {
    let allow = permissions(&overwrite.allow)?;
    let deny = permissions(&overwrite.deny)?;
    change_overwrite(&server, &channel, &target, Some((allow, deny)))
}

async fn clear_overwrite(Here(server): Here, Path((channel, target)): Path<(String, String)>) -> Answer<Value> {
    change_overwrite(&server, &channel, &target, None)
}

/// The target is a member, or else a role.
fn change_overwrite(
    server: &Server,
    channel: &str,
    target: &str,
    change: Option<(Permissions, Permissions)>,
) -> Answer<Value> {
    let mut world = server.world.lock();
    let channel = answer::channel(&world.guild, channel)?;
    let member = world.guild.find_account(target).map(|account| account.id);
    let target = match member {
        Some(member) => OverwriteTarget::Member(member),
        None => OverwriteTarget::Role(find(&world, target)?),
    };
    server.set_overwrite(&mut world, channel, target, change);
    Ok(done())
}

async fn set_afk(Here(server): Here, Json(settings): Json<AfkSettings>) -> Answer<Value> {
    let channel = {
        let world = server.world.lock();
        let channel = settings.channel_id.map(|id| answer::channel(&world.guild, &id));
        let channel = channel.transpose()?;
        let kind = channel
            .and_then(|id| world.guild.channels.get(&id))
            .map(|known| known.kind);
        if kind.is_some_and(|kind| kind != ChannelKind::Voice) {
            return Err(Refusal::Conflict(
                "only a voice channel is for those who are away".to_owned(),
            ));
        }
        channel
    };
    server.set_afk(channel, settings.timeout);
    Ok(done())
}

/// A person was away for so long that he is moved.
async fn idle(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    let user = answer::person(&server, &who)?;
    let channel = server.world.lock().guild.afk_channel;
    let channel = channel.ok_or_else(|| Refusal::Conflict("there is no channel for those who are away".to_owned()))?;
    if server.move_member(user, channel) {
        Ok(done())
    } else {
        Err(Refusal::Conflict(format!("{who} is not in voice")))
    }
}

fn find(world: &World, role: &str) -> Result<Snowflake, Refusal> {
    world
        .guild
        .find_role(role)
        .map(|role| role.id)
        .ok_or_else(|| Refusal::NotFound(format!("no role is called {role}")))
}

fn change_of(settings: RoleSettings) -> Result<RoleChange, Refusal> {
    Ok(RoleChange {
        name: settings.name,
        permissions: settings.permissions.map(|names| permissions(&names)).transpose()?,
        position: settings.position,
        ..RoleChange::default()
    })
}

fn permissions(names: &[String]) -> Result<Permissions, Refusal> {
    Permissions::from_names(names).map_err(|name| Refusal::Invalid(format!("{name} is no permission")))
}
