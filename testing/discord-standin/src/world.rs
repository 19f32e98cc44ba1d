//! A guild and the gateway sessions that watch it: whatever changes is told under the guild's lock, so that everyone hears
//! of changes in their order.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    gateway::{
        intents,
        payload::{Presence, RequestMembers, Status},
        sessions::{Session, Sessions},
    },
    guild::{Guild, Message, json as object, permissions::Permissions},
    snowflake::Snowflake,
};

/// A guild, and the way to those who watch it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) guild: Guild,
    pub(crate) sessions: Arc<Mutex<Sessions>>,
}

impl World {
    /// Sends `GUILD_CREATE` to all sessions of the guild's bots.
    pub(crate) fn introduce(&self) {
        let Self { guild, sessions } = self;
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| guild.has_member(session.user))
        {
            session.introduce(guild);
        }
    }

    /// Tells those who look how a member wants to be seen.
    pub(crate) fn broadcast_presence(&self, user: Snowflake, presence: &Presence) {
        if !self.guild.has_member(user) {
            return;
        }
        let seen = match presence.status {
            Status::Invisible => Status::Offline,
            status => status,
        };
        let data = json!({
            "user": {"id": user}, "guild_id": self.guild.id(), "status": seen, "activities": presence.activities,
            "client_status": {"web": seen},
        });
        self.broadcast(intents::GUILD_PRESENCES, "PRESENCE_UPDATE", &data);
    }

    /// Answers a request for members; false when the session may not ask for them.
    pub(crate) fn send_members(&self, session_id: &str, request: &RequestMembers) -> bool {
        let guild = &self.guild;
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions
            .get_mut(session_id)
            .filter(|session| guild.has_member(session.user))
        else {
            return false;
        };
        let query = request.query.as_deref().unwrap_or_default();
        let everyone = request.user_ids.is_none() && query.is_empty() && request.limit == 0;
        if everyone && session.intents & intents::GUILD_MEMBERS == 0 {
            return false;
        }
        let most = if request.limit == 0 { usize::MAX } else { request.limit };
        let wanted = |id: Snowflake, name: &str| match &request.user_ids {
            Some(ids) => ids.contains(&id),
            None => name.starts_with(query),
        };
        let members: Vec<_> = guild
            .accounts
            .values()
            .filter(|account| account.in_guild && wanted(account.id, &account.name))
            .take(most)
            .map(|account| object::member(account, guild.voice.get(&account.id)))
            .collect();
        let unknown = |id: &&Snowflake| !guild.accounts.contains_key(id);
        let not_found: Vec<_> = request.user_ids.iter().flatten().filter(unknown).collect();
        let data = json!({
            "guild_id": guild.id(), "members": members, "chunk_index": 0, "chunk_count": 1, "not_found": not_found,
            "nonce": request.nonce,
        });
        session.dispatch("GUILD_MEMBERS_CHUNK", &data);
        true
    }

    /// Sends `GUILD_MEMBER_UPDATE` to those who watch members, and to the member.
    pub(crate) fn broadcast_member(&self, user: Snowflake) {
        let Self { guild, sessions } = self;
        let Some(account) = guild.accounts.get(&user) else {
            return;
        };
        let mut data = object::member(account, guild.voice.get(&user));
        if let Some(fields) = data.as_object_mut() {
            fields.insert("guild_id".into(), json!(guild.id()));
        }
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| session.user == user || watches(guild, session, intents::GUILD_MEMBERS))
        {
            session.dispatch("GUILD_MEMBER_UPDATE", &data);
        }
    }

    /// Sends an event to every session of a member of the guild that asked for `intent`.
    pub(crate) fn broadcast(&self, intent: u64, name: &str, data: &Value) {
        let Self { guild, sessions } = self;
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| watches(guild, session, intent))
        {
            session.dispatch(name, data);
        }
    }

    /// Sends a channel event to everyone who may see the channel.
    pub(crate) fn broadcast_channel(&self, name: &str, channel: Snowflake) {
        let Some(data) = self
            .guild
            .channels
            .get(&channel)
            .map(|known| self.guild.channel_json(known))
        else {
            return;
        };
        let Self { guild, sessions } = self;
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| watches(guild, session, intents::GUILDS) && sees(guild, session, channel))
        {
            session.dispatch(name, &data);
        }
    }

    /// Changes what may be done in a channel, and tells everyone who saw it before or sees it after: to whoever sees it no
    /// more it is deleted, to whoever did not see it before it is new.
    pub(crate) fn change_sight(&mut self, channel: Snowflake, change: impl FnOnce(&mut Guild)) {
        let Self { guild, sessions } = self;
        let mut sessions = sessions.lock();
        let saw: Vec<bool> = sessions
            .iter_mut()
            .map(|session| sees(guild, session, channel))
            .collect();
        change(guild);
        let Some(data) = guild.channels.get(&channel).map(|known| guild.channel_json(known)) else {
            return;
        };
        for (session, saw) in sessions.iter_mut().zip(saw) {
            let name = match (saw, sees(guild, session, channel)) {
                (true, true) => "CHANNEL_UPDATE",
                (true, false) => "CHANNEL_DELETE",
                (false, true) => "CHANNEL_CREATE",
                (false, false) => continue,
            };
            if watches(guild, session, intents::GUILDS) {
                session.dispatch(name, &data);
            }
        }
    }

    /// Sets or takes back a voice channel's status, and tells everyone who sees the channel.
    pub(crate) fn set_status(&mut self, channel: Snowflake, status: Option<String>) {
        let Self { guild, sessions } = self;
        let Some(known) = guild.channels.get_mut(&channel) else {
            return;
        };
        known.status = status;
        let data =
            json!({"id": channel, "guild_id": guild.id(), "status": guild.channels.get(&channel).map(|c| &c.status)});
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| watches(guild, session, intents::GUILDS) && sees(guild, session, channel))
        {
            session.dispatch("VOICE_CHANNEL_STATUS_UPDATE", &data);
        }
    }

    /// A voice channel that everybody has left has no status any more.
    pub(crate) fn clear_status_if_empty(&mut self, channel: Snowflake) {
        let empty = self.guild.voice.values().all(|state| state.channel != channel);
        let has_one = self
            .guild
            .channels
            .get(&channel)
            .is_some_and(|known| known.status.is_some());
        if empty && has_one {
            self.set_status(channel, None);
        }
    }

    /// Sends `MESSAGE_CREATE`; the text only to its author and to those who asked for it.
    pub(crate) fn broadcast_message(&self, message: &Message) {
        let Self { guild, sessions } = self;
        let author = guild.accounts.get(&message.author);
        let mut data = object::message(message, author);
        if let (Some(fields), Some(author)) = (data.as_object_mut(), author) {
            let mut member = object::member(author, guild.voice.get(&author.id));
            if let Some(member) = member.as_object_mut() {
                member.remove("user");
            }
            fields.insert("guild_id".into(), json!(guild.id()));
            fields.insert("member".into(), member);
        }
        let mut without_text = data.clone();
        if let Some(fields) = without_text.as_object_mut() {
            fields.insert("content".into(), json!(""));
        }
        for session in sessions
            .lock()
            .iter_mut()
            .filter(|session| watches(guild, session, intents::GUILD_MESSAGES) && sees(guild, session, message.channel))
        {
            let may_read = session.intents & intents::MESSAGE_CONTENT != 0 || session.user == message.author;
            session.dispatch("MESSAGE_CREATE", if may_read { &data } else { &without_text });
        }
    }

    /// Sends `VOICE_STATE_UPDATE` with a member's present state.
    pub(crate) fn broadcast_voice_state(&self, user: Snowflake) {
        let Some(data) = self
            .guild
            .voice
            .get(&user)
            .map(|state| self.guild.voice_state_json(user, state))
        else {
            return;
        };
        self.broadcast(intents::GUILD_VOICE_STATES, "VOICE_STATE_UPDATE", &data);
    }
}

fn watches(guild: &Guild, session: &Session, intent: u64) -> bool {
    guild.has_member(session.user) && session.intents & intent != 0
}

fn sees(guild: &Guild, session: &Session, channel: Snowflake) -> bool {
    guild
        .permissions(session.user, channel)
        .contains(Permissions::VIEW_CHANNEL)
}
