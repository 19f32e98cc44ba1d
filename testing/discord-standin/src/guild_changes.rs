//! Changes of roles, overwrites and the guild, told to everyone whom they concern.

use serde_json::json;

use crate::{
    gateway::intents,
    guild::{
        Role, json as object,
        permissions::{OverwriteTarget, Permissions},
    },
    server::Server,
    snowflake::Snowflake,
    world::World,
};

/// What is to change about a role; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoleChange {
    pub(crate) name: Option<String>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) position: Option<u32>,
    pub(crate) color: Option<u32>,
    pub(crate) hoist: Option<bool>,
    pub(crate) mentionable: Option<bool>,
}

impl World {
    /// Adds a role.
    pub(crate) fn create_role(&mut self, change: &RoleChange) -> Option<Role> {
        let name = change.name.as_deref().unwrap_or("new role");
        let id = self.guild.add_role(name, change.permissions.unwrap_or_default());
        apply(self, id, change);
        let role = self.guild.roles.get(&id).cloned()?;
        let data = json!({"guild_id": self.guild.id(), "role": object::role(&role)});
        self.broadcast(intents::GUILDS, "GUILD_ROLE_CREATE", &data);
        Some(role)
    }
}

impl Server {
    /// Changes a role; `None` when there is none.
    pub(crate) fn change_role(&self, world: &mut World, id: Snowflake, change: &RoleChange) -> Option<Role> {
        let before = places(world);
        apply(world, id, change);
        let role = world.guild.roles.get(&id).cloned()?;
        let moved = places(world).into_iter().zip(before);
        let others = moved.filter(|((other, to), (_, from))| *other != id && to != from);
        let changed: Vec<_> = std::iter::once(id).chain(others.map(|((other, _), _)| other)).collect();
        for id in changed {
            if let Some(role) = world.guild.roles.get(&id) {
                let data = json!({"guild_id": world.guild.id(), "role": object::role(role)});
                world.broadcast(intents::GUILDS, "GUILD_ROLE_UPDATE", &data);
            }
        }
        self.permissions_changed(world, &[]);
        Some(role)
    }

    /// Removes a role; false when there is none.
    pub(crate) fn delete_role(&self, world: &mut World, id: Snowflake) -> bool {
        let removed = world.guild.remove_role(id).is_some();
        if removed {
            let data = json!({"guild_id": world.guild.id(), "role_id": id});
            world.broadcast(intents::GUILDS, "GUILD_ROLE_DELETE", &data);
            self.permissions_changed(world, &[]);
        }
        removed
    }

    /// Gives a member exactly these roles; false when there is no such member.
    pub(crate) fn set_roles(&self, world: &mut World, user: Snowflake, roles: Vec<Snowflake>) -> bool {
        let Some(account) = world.guild.accounts.get_mut(&user).filter(|account| account.in_guild) else {
            return false;
        };
        account.roles = roles;
        world.broadcast_member(user);
        self.permissions_changed(world, &[]);
        true
    }

    /// Gives a member a role or takes it; false when there is no such member.
    pub(crate) fn set_role(&self, world: &mut World, user: Snowflake, role: Snowflake, held: bool) -> bool {
        let Some(account) = world.guild.accounts.get(&user) else {
            return false;
        };
        let others = account.roles.iter().copied().filter(|known| *known != role);
        let roles = others.chain(held.then_some(role)).collect();
        self.set_roles(world, user, roles)
    }

    /// Sets or, with `None`, removes an overwrite.
    pub(crate) fn set_overwrite(
        &self,
        world: &mut World,
        channel: Snowflake,
        target: OverwriteTarget,
        change: Option<(Permissions, Permissions)>,
    ) {
        world.change_sight(channel, |guild| {
            guild.set_overwrite(channel, target, change);
        });
        self.permissions_changed(world, &[]);
    }

    /// Sets where those who are away are moved to.
    pub(crate) fn set_afk(&self, channel: Option<Snowflake>, timeout: Option<u32>) {
        let mut world = self.world.lock();
        world.guild.afk_channel = channel;
        world.guild.afk_timeout = timeout.unwrap_or(world.guild.afk_timeout);
        let data = world.guild.json();
        world.broadcast(intents::GUILDS, "GUILD_UPDATE", &data);
        self.permissions_changed(&mut world, &[]);
    }
}

fn apply(world: &mut World, id: Snowflake, change: &RoleChange) {
    if let Some(position) = change.position {
        world.guild.move_role(id, position);
    }
    let Some(role) = world.guild.roles.get_mut(&id) else {
        return;
    };
    role.permissions = change.permissions.unwrap_or(role.permissions);
    role.color = change.color.unwrap_or(role.color);
    role.hoist = change.hoist.unwrap_or(role.hoist);
    role.mentionable = change.mentionable.unwrap_or(role.mentionable);
    if let Some(name) = &change.name {
        role.name.clone_from(name);
    }
}

fn places(world: &World) -> Vec<(Snowflake, u32)> {
    world
        .guild
        .roles
        .values()
        .map(|role| (role.id, role.position))
        .collect()
}
