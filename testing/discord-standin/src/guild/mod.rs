//! The guild: users, channels, roles, voice states and messages. No sockets, no clock.

pub(crate) mod json;
pub(crate) mod permissions;
mod roles;
mod voice;

use std::collections::{BTreeMap, VecDeque};

use crate::{
    control::types::{AccountKind, ChannelKind, DavePolicy},
    snowflake::Snowflake,
};
use permissions::{Overwrite, OverwriteTarget, Permissions};
pub(crate) use roles::Role;
pub(crate) use voice::{VoiceRefusal, VoiceState};

/// The guild's id, also the id of its role `@everyone`.
pub(crate) const GUILD: Snowflake = Snowflake(1_100_000_000_000_000_001);
/// The first text channel.
pub(crate) const TEXT_CHANNEL: Snowflake = Snowflake(1_100_000_000_000_000_002);
/// The first voice channel.
pub(crate) const VOICE_CHANNEL: Snowflake = Snowflake(1_100_000_000_000_000_003);
/// The second voice channel.
pub(crate) const SECOND_VOICE_CHANNEL: Snowflake = Snowflake(1_100_000_000_000_000_004);
/// The role of all bots.
pub(crate) const BOT_ROLE: Snowflake = Snowflake(1_100_000_000_000_000_005);
/// Owner of the guild, who is never seen.
pub(crate) const OWNER: Snowflake = Snowflake(1_100_000_000_000_000_009);
/// The first bot, and its application.
pub(crate) const FIRST_BOT: Snowflake = Snowflake(1_100_000_000_000_000_010);

const FIRST_FREE_ID: u64 = 1_100_000_000_000_001_000;
const MESSAGES_KEPT: usize = 10_000;

/// A user.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) kind: AccountKind,
    /// What a bot logs in with.
    pub(crate) token: Option<String>,
    /// Nickname in the guild.
    pub(crate) nick: Option<String>,
    /// A bot that was kicked still exists, outside the guild.
    pub(crate) in_guild: bool,
    /// Roles beside `@everyone`.
    pub(crate) roles: Vec<Snowflake>,
    /// Privileged intents that a bot may ask for.
    pub(crate) privileged_intents: u64,
    /// A bot that is too large for one shard.
    pub(crate) sharding_required: bool,
}

/// A channel.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) id: Snowflake,
    pub(crate) name: String,
    pub(crate) kind: ChannelKind,
    pub(crate) user_limit: u32,
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

/// All state of the guild.
#[derive(Debug)]
pub(crate) struct Guild {
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
    next_id: u64,
}

impl Guild {
    /// A guild with one text channel, two voice channels and one bot.
    pub(crate) fn new(bot_name: &str, bot_token: &str) -> Self {
        let mut guild = Self {
            name: "Stand-in".to_owned(),
            afk_channel: None,
            afk_timeout: 300,
            roles: Role::first().map(|role| (role.id, role)).into(),
            accounts: BTreeMap::new(),
            channels: BTreeMap::new(),
            voice: BTreeMap::new(),
            messages: VecDeque::new(),
            dave: DavePolicy::Required,
            next_id: FIRST_FREE_ID,
        };
        guild.insert_channel(TEXT_CHANNEL, "general", ChannelKind::Text, 0);
        guild.insert_channel(VOICE_CHANNEL, "Voice", ChannelKind::Voice, 0);
        guild.insert_channel(SECOND_VOICE_CHANNEL, "Voice 2", ChannelKind::Voice, 0);
        guild.insert_account(FIRST_BOT, bot_name, Some(bot_token.to_owned()));
        guild
    }

    /// A new id.
    pub(crate) fn fresh_id(&mut self) -> Snowflake {
        self.next_id += 1;
        Snowflake(self.next_id)
    }

    /// Adds a person, or a bot when there is a token.
    pub(crate) fn add_account(&mut self, name: &str, token: Option<String>) -> Snowflake {
        let id = self.fresh_id();
        self.insert_account(id, name, token);
        id
    }

    fn insert_account(&mut self, id: Snowflake, name: &str, token: Option<String>) {
        let kind = if token.is_some() {
            AccountKind::Bot
        } else {
            AccountKind::Person
        };
        let account = Account {
            id,
            name: name.to_owned(),
            kind,
            token,
            nick: None,
            in_guild: true,
            roles: Self::first_roles(kind),
            privileged_intents: 0,
            sharding_required: false,
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

    /// The bot that logs in with `token`.
    pub(crate) fn bot_by_token(&self, token: &str) -> Option<Snowflake> {
        self.accounts
            .values()
            .find(|account| account.token.as_deref() == Some(token))
            .map(|account| account.id)
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
            GUILD,
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
