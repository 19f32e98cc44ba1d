//! What the control interface shows.

use std::collections::BTreeMap;

use axum::{Json, extract::Path};
use serde_json::{Value, json};

use super::{
    answer::{self, Answer, Here, Refusal},
    types::{self, Account, Channel, GatewaySession, GuildName, Message, Overwrite, Role, VoiceMember},
};
use crate::{
    config::Info,
    gateway::sessions::Sessions,
    guild::{
        self, Guild,
        permissions::{self, OverwriteTarget},
    },
    server::Server,
    snowflake::Snowflake,
};

pub(super) async fn health() -> Json<Value> {
    Json(json!({"ok": true}))
}

pub(super) async fn info(Here(server): Here) -> Json<Info> {
    Json(server.discord.info.clone())
}

pub(super) async fn counters(Here(server): Here) -> Json<BTreeMap<String, u64>> {
    Json(server.discord.counters.snapshot())
}

pub(super) async fn messages(Here(server): Here, Path(channel): Path<String>) -> Answer<Value> {
    let world = server.world.lock();
    let channel = answer::channel(&world.guild, &channel)?;
    let messages: Vec<_> = world
        .guild
        .messages
        .iter()
        .filter(|known| known.channel == channel)
        .map(message)
        .collect();
    Ok(Json(json!({"messages": messages})))
}

pub(super) async fn state(Here(server): Here) -> Json<types::State> {
    let world = server.world.lock();
    let guild = &world.guild;
    Json(types::State {
        guild: GuildName {
            id: guild.id().to_string(),
            name: guild.name.clone(),
        },
        accounts: guild
            .accounts
            .values()
            .filter(|known| known.in_guild)
            .map(account)
            .collect(),
        roles: roles(guild),
        channels: guild
            .channels
            .values()
            .map(|known| channel(&server, guild, known))
            .collect(),
        voice: guild
            .voice
            .keys()
            .filter_map(|user| voice_member(&server, guild, *user).ok())
            .collect(),
        voice_server: server.voice.server().view(),
        gateway: gateway_sessions(&world.sessions.lock()),
        messages: guild.messages.iter().map(message).collect(),
        counters: server.discord.counters.snapshot(),
    })
}

pub(super) fn account(account: &guild::Account) -> Account {
    Account {
        id: account.id.to_string(),
        name: account.name.clone(),
        kind: account.kind,
        roles: account.roles.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn role(role: &guild::Role) -> Role {
    Role {
        id: role.id.to_string(),
        name: role.name.clone(),
        position: role.position,
        permissions: role.permissions.names(),
        managed: role.managed,
    }
}

fn roles(guild: &Guild) -> Vec<Role> {
    let mut roles: Vec<_> = guild.roles.values().map(role).collect();
    roles.sort_by_key(|role| role.position);
    roles
}

fn overwrites(channel: &guild::Channel) -> BTreeMap<String, Overwrite> {
    let of = |overwrite: &permissions::Overwrite| {
        let (OverwriteTarget::Role(id) | OverwriteTarget::Member(id)) = overwrite.target;
        let names = Overwrite {
            allow: overwrite.allow.names(),
            deny: overwrite.deny.names(),
        };
        (id.to_string(), names)
    };
    channel.overwrites.iter().map(of).collect()
}

pub(super) fn channel(server: &Server, guild: &Guild, channel: &guild::Channel) -> Channel {
    let members = guild
        .voice
        .iter()
        .filter(|(_, state)| state.channel == channel.id)
        .map(|(user, _)| user.to_string())
        .collect();
    Channel {
        id: channel.id.to_string(),
        name: channel.name.clone(),
        kind: channel.kind,
        user_limit: channel.user_limit,
        members,
        status: channel.status.clone(),
        dave: guild.dave_policy(channel.id),
        call: server.voice.call(channel.id),
        overwrites: overwrites(channel),
    }
}

pub(super) fn message(message: &guild::Message) -> Message {
    Message {
        id: message.id.to_string(),
        channel_id: message.channel.to_string(),
        author_id: message.author.to_string(),
        author: message.author_name.clone(),
        content: message.content.clone(),
        at_ns: message.at_ns,
    }
}

/// A user's voice; a refusal when he is in none.
pub(super) fn voice_member(server: &Server, guild: &Guild, user: Snowflake) -> Result<VoiceMember, Refusal> {
    let not_there = || Refusal::Conflict(format!("{} is not in voice", guild.name_of(user)));
    let state = guild.voice.get(&user).ok_or_else(not_there)?;
    let account = guild.accounts.get(&user).ok_or_else(not_there)?;
    let view = server.voice.view(user).ok_or_else(not_there)?;
    Ok(VoiceMember {
        user_id: user.to_string(),
        name: account.name.clone(),
        kind: account.kind,
        channel_id: state.channel.to_string(),
        session_id: state.session_id.clone(),
        self_mute: state.self_mute,
        self_deaf: state.self_deaf,
        mute: state.mute,
        deaf: state.deaf,
        suppress: state.suppress,
        request_to_speak_ns: state.request_to_speak_ns,
        ssrc: view.ssrc,
        speaking: view.speaking,
        rings: view.rings,
        connection: view.connection,
        frames_sent: view.counts.frames_sent,
        bytes_sent: view.counts.bytes_sent,
        silence_sent: view.counts.silence_sent,
        toc_only_sent: view.counts.toc_only_sent,
        encrypted_sent: view.counts.encrypted_sent,
        plain_sent: view.counts.plain_sent,
        frames_heard: view.counts.frames_heard,
        dropped: view.counts.dropped,
        heard: view.heard,
    })
}

fn gateway_sessions(sessions: &Sessions) -> Vec<GatewaySession> {
    sessions
        .iter()
        .map(|(id, session)| GatewaySession {
            session_id: id.clone(),
            user_id: session.user.to_string(),
            intents: session.intents,
            connected: session.attachment.is_some(),
            sequence: session.sequence,
            resumes: session.resumes,
            heartbeats: session.heartbeats,
            last_heartbeat_ns: session.last_heartbeat_ns,
            presence: session.presence.as_ref().map(|presence| json!(presence)),
        })
        .collect()
}
