//! A guild: users, channels, roles, voice states and messages. No sockets, no clock.

pub(crate) mod json;
pub(crate) mod permissions;
mod roles;
mod voice;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    control::types::{AccountKind, ChannelKind, DavePolicy},
    snowflake::{Ids, Snowflake},
};
use permissions::{Overwrite, OverwriteTarget, Permissions};
pub(crate) use roles::Role;
pub(crate) use voice::{VoiceRefusal, VoiceState};

/// Owner of all guilds, who is never seen.
pub(crate) const OWNER: Snowflake = Snowflake(1_100_000_000_000_000_009);
/// The first bot, and its application.
pub(crate) const FIRST_BOT: Snowflake = Snowflake(1_100_000_000_000_000_010);

const MESSAGES_KEPT: usize = 10_000;

/// The ids of what a guild begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstIds {
    /// The guild's own, also that of its role `@everyone`.
    pub(crate) guild: Snowflake,
    pub(crate) text_channel: Snowflake,
    pub(crate) voice_channel: Snowflake,
    pub(crate) second_voice_channel: Snowflake,
    /// The role of all bots.
    pub(crate) bot_role: Snowflake,
}

impl FirstIds {
    /// Those of the first guild, which are always the same.
    pub(crate) const OF_FIRST_GUILD: Self = Self {
        guild: Snowflake(1_100_000_000_000_000_001),
        text_channel: Snowflake(1_100_000_000_000_000_002),
        voice_channel: Snowflake(1_100_000_000_000_000_003),
        second_voice_channel: Snowflake(1_100_000_000_000_000_004),
        bot_role: Snowflake(1_100_000_000_000_000_005),
    };

    /// Those of another guild.
    pub(crate) fn fresh(ids: &Ids) -> Self {
        Self {
            guild: ids.fresh(),
            text_channel: ids.fresh(),
            voice_channel: ids.fresh(),
            second_voice_channel: ids.fresh(),
            bot_role: ids.fresh(),
        }
    }
}

/// A user as one guild knows him.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) kind: AccountKind,
    /// Nickname in the guild.
    pub(crate) nick: Option<String>,
    /// The hash that names his picture.
    pub(crate) avatar: Option<String>,
    /// A bot that was kicked still exists, outside the guild.
    pub(crate) in_guild: bool,
    /// Roles beside `@everyone`.
    pub(crate) roles: Vec<Snowflake>,
}

/// A channel.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) kind: ChannelKind,
    pub(crate) user_limit: u32,
    /// What a voice channel says of what goes on in it.
    pub(crate) status: Option<String>,
    pub(crate) overwrites: Vec<Overwrite>,
    /// Set by a test; otherwise its kind decides.
    pub(crate) dave: Option<DavePolicy>,
}

/// A text message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: Snowflake,
    pub(crate) channel: Snowflake,
    pub(crate) author: Snowflake,
    pub(crate) author_name: String,
    pub(crate) content: String,
    pub(crate) nonce: Option<serde_json::Value>,
    pub(crate) at_ns: u64,
}

/// All state of a guild.
#[derive(Debug)]
pub(crate) struct Guild {
    /// What it began with.
    pub(crate) first: FirstIds,
    pub(crate) name: String,
    /// Where those who are away are moved to.
    pub(crate) afk_channel: Option<Snowflake>,
    /// After how many seconds.
    pub(crate) afk_timeout: u32,
    pub(crate) roles: BTreeMap<Snowflake, Role>,
    pub(crate) accounts: BTreeMap<Snowflake, Account>,
    pub(crate) channels: BTreeMap<Snowflake, Channel>,
    pub(crate) voice: BTreeMap<Snowflake, VoiceState>,
    pub(crate) messages: VecDeque<Message>,
    /// Encryption of voice channels for which nothing else is said.
    pub(crate) dave: DavePolicy,
    ids: Arc<Ids>,
}

impl Guild {
    /// A guild with one text channel, two voice channels and nobody in it.
    pub(crate) fn new(name: &str, first: FirstIds, dave: DavePolicy, ids: Arc<Ids>) -> Self {
        let mut guild = Self {
            first,
            name: name.to_owned(),
            afk_channel: None,
            afk_timeout: 300,
            roles: Role::first(&first).map(|role| (role.id, role)).into(),
            accounts: BTreeMap::new(),
            channels: BTreeMap::new(),
            voice: BTreeMap::new(),
            messages: VecDeque::new(),
            dave,
            ids,
        };
        guild.insert_channel(first.text_channel, "general", ChannelKind::Text, 0);
        guild.insert_channel(first.voice_channel, "Voice", ChannelKind::Voice, 0);
        guild.insert_channel(first.second_voice_channel, "Voice 2", ChannelKind::Voice, 0);
        guild
    }

    /// Its id, also that of its role `@everyone`.
    pub(crate) const fn id(&self) -> Snowflake {
        self.first.guild
    }

    /// A new id.
    pub(crate) fn fresh_id(&self) -> Snowflake {
        self.ids.fresh()
    }

    /// Adds somebody new.
    pub(crate) fn add_account(&mut self, name: &str, kind: AccountKind) -> Snowflake {
        let id = self.fresh_id();
        self.admit(id, name, kind);
        id
    }

    /// Takes a user in, who may be in other guilds as well.
    pub(crate) fn admit(&mut self, id: Snowflake, name: &str, kind: AccountKind) {
        let account = Account {
            id,
            name: name.to_owned(),
            kind,
            nick: None,
            avatar: None,
            in_guild: true,
            roles: self.first_roles(kind),
        };
        self.accounts.insert(id, account);
    }

    /// Adds a channel.
    pub(crate) fn add_channel(&mut self, name: &str, kind: ChannelKind, user_limit: u32) -> Snowflake {
        let id = self.fresh_id();
        self.insert_channel(id, name, kind, user_limit);
        id
    }

    fn insert_channel(&mut self, id: Snowflake, name: &str, kind: ChannelKind, user_limit: u32) {
        let channel = Channel {
            id,
            name: name.to_owned(),
            kind,
            user_limit,
            status: None,
            overwrites: Vec::new(),
            dave: None,
        };
        self.channels.insert(id, channel);
    }

    /// Whether a channel's voice is encrypted end to end. As on Discord, stages are not.
    pub(crate) fn dave_policy(&self, channel: Snowflake) -> DavePolicy {
        match self.channels.get(&channel) {
            Some(Channel { dave: Some(policy), .. }) => *policy,
            Some(channel) if channel.kind == ChannelKind::Voice => self.dave,
            _ => DavePolicy::Off,
        }
    }

    /// The account with this id or name.
    pub(crate) fn find_account(&self, who: &str) -> Option<&Account> {
        let id = who.parse().ok();
        self.accounts
            .values()
            .find(|account| Some(account.id) == id || account.name == who)
    }

    /// Whether a user is in the guild; a bot that was kicked is not.
    pub(crate) fn has_member(&self, user: Snowflake) -> bool {
        self.accounts.get(&user).is_some_and(|account| account.in_guild)
    }

    /// The name of a user, empty when there is none.
    pub(crate) fn name_of(&self, user: Snowflake) -> String {
        self.accounts
            .get(&user)
            .map_or_else(String::new, |account| account.name.clone())
    }

    /// What a user may do in a channel.
    pub(crate) fn permissions(&self, user: Snowflake, channel: Snowflake) -> Permissions {
        let Some(channel) = self.channels.get(&channel) else {
            return Permissions::default();
        };
        permissions::in_channel(
            self.base_permissions(user),
            self.id(),
            self.accounts.get(&user).map_or(&[], |account| &account.roles),
            user,
            &channel.overwrites,
        )
    }

    /// Sets or, with `None`, removes an overwrite. False when there is no such channel.
    pub(crate) fn set_overwrite(
        &mut self,
        channel: Snowflake,
        target: OverwriteTarget,
        change: Option<(Permissions, Permissions)>,
    ) -> bool {
        let Some(channel) = self.channels.get_mut(&channel) else {
            return false;
        };
        channel.overwrites.retain(|known| known.target != target);
        channel
            .overwrites
            .extend(change.map(|(allow, deny)| Overwrite { target, allow, deny }));
        true
    }

    /// Keeps a text message.
    pub(crate) fn post(
        &mut self,
        channel: Snowflake,
        author: Snowflake,
        content: String,
        nonce: Option<serde_json::Value>,
        at_ns: u64,
    ) -> Message {
        let message = Message {
            id: self.fresh_id(),
            channel,
            author,
            author_name: self.name_of(author),
            content,
            nonce,
            at_ns,
        };
        if self.messages.len() == MESSAGES_KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back(message.clone());
        message
    }
}

#[cfg(test)]
impl Guild {
    /// The first guild with one bot in it.
    pub(crate) fn example() -> Self {
        let mut guild = Self::new(
            "Stand-in",
            FirstIds::OF_FIRST_GUILD,
            DavePolicy::Required,
            Arc::default(),
        );
        guild.admit(FIRST_BOT, "bot", AccountKind::Bot);
        guild
    }
}
