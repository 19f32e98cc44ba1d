//! Roles: who has them, their order, and who may change them.

use super::{FirstIds, Guild, OWNER, permissions::Permissions};
use crate::{control::types::AccountKind, snowflake::Snowflake};

/// A role. Its position tells who may change whom: a higher one is above.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) permissions: Permissions,
    pub(crate) position: u32,
    /// Belongs to an integration: nobody gives or takes it.
    pub(crate) managed: bool,
    pub(crate) color: u32,
    pub(crate) hoist: bool,
    pub(crate) mentionable: bool,
}

impl Role {
    pub(super) fn new(id: Snowflake, name: &str, permissions: Permissions, position: u32) -> Self {
        Self {
            id,
            name: name.to_owned(),
            permissions,
            position,
            managed: false,
            color: 0,
            hoist: false,
            mentionable: false,
        }
    }

    /// The roles that every guild here begins with: `@everyone` and that of the bots.
    pub(super) fn first(ids: &FirstIds) -> [Self; 2] {
        let everyone = Self::new(ids.guild, "@everyone", Permissions::EVERYONE, 0);
        let mut bots = Self::new(ids.bot_role, "bots", Permissions::EVERYONE, 1);
        bots.managed = true;
        [everyone, bots]
    }
}

impl Guild {
    /// Adds a role at the lowest place above `@everyone`.
    pub(crate) fn add_role(&mut self, name: &str, permissions: Permissions) -> Snowflake {
        for role in self.roles.values_mut().filter(|role| role.position > 0) {
            role.position += 1;
        }
        let id = self.fresh_id();
        self.roles.insert(id, Role::new(id, name, permissions, 1));
        id
    }

    /// Puts a role at a place; those between move on by one.
    pub(crate) fn move_role(&mut self, id: Snowflake, position: u32) {
        let highest = u32::try_from(self.roles.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let to = position.clamp(1, highest.max(1));
        let Some(from) = self.roles.get(&id).map(|role| role.position).filter(|from| *from > 0) else {
            return;
        };
        for role in self.roles.values_mut() {
            if role.id == id {
                role.position = to;
            } else if (from + 1..=to).contains(&role.position) {
                role.position -= 1;
            } else if (to..from).contains(&role.position) {
                role.position += 1;
            }
        }
    }

    /// Removes a role everywhere.
    pub(crate) fn remove_role(&mut self, id: Snowflake) -> Option<Role> {
        let removed = self.roles.remove(&id)?;
        for role in self.roles.values_mut().filter(|role| role.position > removed.position) {
            role.position -= 1;
        }
        for account in self.accounts.values_mut() {
            account.roles.retain(|role| *role != id);
        }
        for channel in self.channels.values_mut() {
            channel
                .overwrites
                .retain(|overwrite| overwrite.target != super::permissions::OverwriteTarget::Role(id));
        }
        Some(removed)
    }

    /// The role with this id or name; `everyone` needs no at-sign.
    pub(crate) fn find_role(&self, which: &str) -> Option<&Role> {
        let id = which.parse().ok();
        self.roles.values().find(|role| {
            let everyone = role.id == self.id() && which == "everyone";
            everyone || Some(role.id) == id || role.name == which
        })
    }

    /// The place of a user's highest role; the owner is above all.
    pub(crate) fn rank(&self, user: Snowflake) -> u32 {
        if user == OWNER {
            return u32::MAX;
        }
        let roles = self.accounts.get(&user).map_or(&[][..], |account| &account.roles);
        let places = roles.iter().filter_map(|role| self.roles.get(role));
        places.map(|role| role.position).max().unwrap_or(0)
    }

    /// Whether a user may change or give a role: it is below his own, and he may do so at all.
    pub(crate) fn may_manage_role(&self, user: Snowflake, role: &Role) -> bool {
        self.base_permissions(user).contains(Permissions::MANAGE_ROLES) && role.position < self.rank(user)
    }

    /// What a user may do in the guild, before a channel's overwrites.
    pub(crate) fn base_permissions(&self, user: Snowflake) -> Permissions {
        let Some(account) = self.accounts.get(&user).filter(|account| account.in_guild) else {
            return Permissions::default();
        };
        let held = account.roles.iter().chain([&self.first.guild]);
        let together = held
            .filter_map(|role| self.roles.get(role))
            .fold(Permissions::default(), |set, role| set | role.permissions);
        if together.contains(Permissions::ADMINISTRATOR) {
            Permissions::ALL
        } else {
            together
        }
    }

    /// The roles that a new account has.
    pub(super) fn first_roles(&self, kind: AccountKind) -> Vec<Snowflake> {
        match kind {
            AccountKind::Bot => vec![self.first.bot_role],
            AccountKind::Person => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guild::FIRST_BOT;

    fn order(guild: &Guild) -> Vec<String> {
        let mut roles: Vec<_> = guild.roles.values().collect();
        roles.sort_by_key(|role| role.position);
        for (position, role) in (0..).zip(&roles) {
            assert_eq!(role.position, position, "no gaps and no doubles");
        }
        roles.iter().map(|role| role.name.clone()).collect()
    }

    #[test]
    fn roles_keep_an_order_without_gaps() {
        let mut guild = Guild::example();
        let first = guild.add_role("first", Permissions::default());
        guild.add_role("second", Permissions::default());
        assert_eq!(order(&guild), ["@everyone", "second", "first", "bots"]);
        guild.move_role(first, 3);
        assert_eq!(order(&guild), ["@everyone", "second", "bots", "first"]);
        guild.move_role(first, 1);
        assert_eq!(order(&guild), ["@everyone", "first", "second", "bots"]);
        guild.remove_role(first);
        assert_eq!(order(&guild), ["@everyone", "second", "bots"]);
    }

    #[test]
    fn everyone_stays_below() {
        let mut guild = Guild::example();
        guild.move_role(guild.first.guild, 1);
        guild.move_role(guild.first.bot_role, 0);
        assert_eq!(order(&guild), ["@everyone", "bots"]);
    }

    #[test]
    fn roles_add_up_and_only_lower_ones_may_be_managed() {
        let mut guild = Guild::example();
        let low = guild.add_role("low", Permissions::MUTE_MEMBERS);
        let high = guild.add_role("high", Permissions::MANAGE_ROLES);
        guild.move_role(high, 3);
        let low = guild.roles[&low].clone();
        assert!(!guild.may_manage_role(FIRST_BOT, &low), "no permission");
        guild.accounts.get_mut(&FIRST_BOT).unwrap().roles.push(high);
        assert!(guild.may_manage_role(FIRST_BOT, &low));
        let high = guild.roles[&high].clone();
        assert!(!guild.may_manage_role(FIRST_BOT, &high), "not below its own");
        assert!(!guild.base_permissions(FIRST_BOT).contains(Permissions::MUTE_MEMBERS));
        guild.accounts.get_mut(&FIRST_BOT).unwrap().roles.push(low.id);
        assert!(guild.base_permissions(FIRST_BOT).contains(Permissions::MUTE_MEMBERS));
    }
}
