//! The guild and the gateway sessions that watch it, changed together under one lock.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    gateway::{
        intents,
        payload::{Presence, RequestMembers, Status},
        sessions::{Session, Sessions},
        starts::Starts,
    },
    guild::{GUILD, Guild, Message, json as object, permissions::Permissions},
    interactions::Interactions,
    snowflake::Snowflake,
};

/// Guild and sessions.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) guild: Guild,
    pub(crate) sessions: Sessions,
    /// How often each bot has begun a session.
    pub(crate) starts: BTreeMap<Snowflake, Starts>,
    pub(crate) interactions: Interactions,
}

impl World {
    /// Keeps how a bot wants to be seen, and tells those who look.
    pub(crate) fn set_presence(&mut self, session_id: &str, presence: Presence) {
        let Some(session) = self.sessions.get_mut(session_id) else {
            return;
        };
        let seen = match presence.status {
            Status::Invisible => Status::Offline,
            status => status,
        };
        let data = json!({
            "user": {"id": session.user}, "guild_id": GUILD, "status": seen, "activities": presence.activities,
            "client_status": {"web": seen},
        });
        session.presence = Some(presence);
        self.broadcast(intents::GUILD_PRESENCES, "PRESENCE_UPDATE", &data);
    }

    /// Answers a request for members; false when the session's intents do not allow it.
    pub(crate) fn send_members(&mut self, session_id: &str, request: &RequestMembers) -> bool {
        let Self { guild, sessions, .. } = self;
        let Some(session) = sessions.get_mut(session_id) else {
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
            "guild_id": GUILD, "members": members, "chunk_index": 0, "chunk_count": 1, "not_found": not_found,
            "nonce": request.nonce,
        });
        session.dispatch("GUILD_MEMBERS_CHUNK", &data);
        true
    }

    /// Sends `GUILD_MEMBER_UPDATE` to those who watch members, and to the member.
    pub(crate) fn broadcast_member(&mut self, user: Snowflake) {
        let Self { guild, sessions, .. } = self;
        let Some(account) = guild.accounts.get(&user) else {
            return;
        };
        let mut data = object::member(account, guild.voice.get(&user));
        if let Some(fields) = data.as_object_mut() {
            fields.insert("guild_id".into(), json!(GUILD));
        }
        for session in sessions
            .iter_mut()
            .filter(|session| session.user == user || watches(guild, session, intents::GUILD_MEMBERS))
        {
            session.dispatch("GUILD_MEMBER_UPDATE", &data);
        }
    }

    /// Sends an event to every session of a member of the guild that asked for `intent`.
    pub(crate) fn broadcast(&mut self, intent: u64, name: &str, data: &Value) {
        let Self { guild, sessions, .. } = self;
        for session in sessions.iter_mut().filter(|session| watches(guild, session, intent)) {
            session.dispatch(name, data);
        }
    }

    /// Sends a channel event to everyone who may see the channel.
    pub(crate) fn broadcast_channel(&mut self, name: &str, channel: Snowflake) {
        let Some(data) = self
            .guild
            .channels
            .get(&channel)
            .map(|known| self.guild.channel_json(known))
        else {
            return;
        };
        let Self { guild, sessions, .. } = self;
        for session in sessions
            .iter_mut()
            .filter(|session| watches(guild, session, intents::GUILDS) && sees(guild, session, channel))
        {
            session.dispatch(name, &data);
        }
    }

    /// Changes what may be done in a channel, and tells everyone who saw it before or sees it after: to whoever sees it no
    /// more it is deleted, to whoever did not see it before it is new.
    pub(crate) fn change_sight(&mut self, channel: Snowflake, change: impl FnOnce(&mut Guild)) {
        let Self { guild, sessions, .. } = self;
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

    /// Sends `MESSAGE_CREATE`; the text only to its author and to those who asked for it.
    pub(crate) fn broadcast_message(&mut self, message: &Message) {
        let Self { guild, sessions, .. } = self;
        let author = guild.accounts.get(&message.author);
        let mut data = object::message(message, author);
        if let (Some(fields), Some(author)) = (data.as_object_mut(), author) {
            let mut member = object::member(author, guild.voice.get(&author.id));
            if let Some(member) = member.as_object_mut() {
                member.remove("user");
            }
            fields.insert("guild_id".into(), json!(GUILD));
            fields.insert("member".into(), member);
        }
        let mut without_text = data.clone();
        if let Some(fields) = without_text.as_object_mut() {
            fields.insert("content".into(), json!(""));
        }
        for session in sessions
            .iter_mut()
            .filter(|session| watches(guild, session, intents::GUILD_MESSAGES) && sees(guild, session, message.channel))
        {
            let may_read = session.intents & intents::MESSAGE_CONTENT != 0 || session.user == message.author;
            session.dispatch("MESSAGE_CREATE", if may_read { &data } else { &without_text });
        }
    }

    /// Sends `VOICE_STATE_UPDATE` with a member's present state.
    pub(crate) fn broadcast_voice_state(&mut self, user: Snowflake) {
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

    /// Sends the events of a session's beginning.
    pub(crate) fn greet(&mut self, session_id: &str, gateway_url: &str) {
        let Self { guild, sessions, .. } = self;
        let Some(session) = sessions.get_mut(session_id) else {
            return;
        };
        let Some(account) = guild.accounts.get(&session.user) else {
            return;
        };
        let guilds: Vec<_> = account
            .in_guild
            .then(|| json!({"id": GUILD, "unavailable": true}))
            .into_iter()
            .collect();
        let in_guild = account.in_guild;
        let ready = json!({
            "v": 10, "user": object::own_user(account), "guilds": guilds, "session_id": session_id,
            "resume_gateway_url": gateway_url, "session_type": "normal", "private_channels": [], "presences": [],
            "relationships": [], "user_settings": {}, "geo_ordered_rtc_regions": [], "guild_join_requests": [],
            "shard": [0, 1], "application": {"id": account.id, "flags": 0}, "_trace": [],
        });
        session.dispatch("READY", &ready);
        if in_guild && session.intents & intents::GUILDS != 0 {
            let with_voice = session.intents & intents::GUILD_VOICE_STATES != 0;
            let all_members = session.intents & intents::GUILD_MEMBERS != 0;
            let guild = guild.create_json(session.user, with_voice, all_members);
            session.dispatch("GUILD_CREATE", &guild);
        }
    }
}

fn watches(guild: &Guild, session: &Session, intent: u64) -> bool {
    let member = guild
        .accounts
        .get(&session.user)
        .is_some_and(|account| account.in_guild);
    member && session.intents & intent != 0
}

fn sees(guild: &Guild, session: &Session, channel: Snowflake) -> bool {
    guild
        .permissions(session.user, channel)
        .contains(Permissions::VIEW_CHANNEL)
}
