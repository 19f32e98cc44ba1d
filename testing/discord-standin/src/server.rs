//! One guild with its voice, and the actions that more than one interface can cause in it.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use crate::{
    control::types::{AccountKind, VoiceFlags},
    discord::Discord,
    gateway::{intents, payload::VoiceStateUpdate},
    guild::{Guild, Message, VoiceRefusal, VoiceState, json as object},
    people::player::Player,
    snowflake::Snowflake,
    standin::StartError,
    voice::{Voice, dave::Proposer, groups, network},
    voice_servers::Sockets,
    world::World,
};

/// A guild: on Discord people call it a server. It has a voice server of its own.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it shares with the other guilds.
    pub(crate) discord: Arc<Discord>,
    pub(crate) world: Mutex<World>,
    pub(crate) voice: Arc<Voice>,
    pub(crate) player: Player,
}

impl Server {
    /// Opens a guild with its voice, and tells its bots of it.
    pub(crate) fn open(discord: &Arc<Discord>, guild: Guild, sockets: Sockets) -> Result<(), StartError> {
        let proposer = Proposer::new()?;
        let voice_server = sockets.server()?;
        let (id, clock) = (guild.id(), discord.clock);
        let counters = Arc::clone(&discord.counters);
        let server = Arc::new(Self {
            discord: Arc::clone(discord),
            voice: Arc::new(Voice::new(id, Arc::clone(&voice_server), clock, counters, proposer)),
            player: Player::new(clock),
            world: Mutex::new(World {
                guild,
                sessions: Arc::clone(&discord.sessions),
            }),
        });
        let Self { voice, player, .. } = &*server;
        let threads = &discord.threads;
        threads.keep(network::spawn(Arc::clone(voice), threads.stop())?);
        threads.keep(groups::spawn(Arc::clone(voice), threads.stop())?);
        threads.keep(player.spawn(Arc::clone(voice), threads.stop())?);
        server.open_voice_server(&voice_server, sockets.gateway)?;
        let world = server.world.lock();
        discord.servers.write().insert(id, Arc::clone(&server));
        world.introduce();
        Ok(())
    }

    /// Op 4 of a bot. What may not be is ignored, as Discord does, and counted.
    pub(crate) fn voice_state_update(&self, user: Snowflake, session_id: &str, update: &VoiceStateUpdate) {
        let Some(channel) = update.channel_id else {
            self.leave_voice(user);
            return;
        };
        let flags = (update.self_mute, update.self_deaf);
        if let Err(refusal) = self.join_voice(user, channel, session_id, flags) {
            self.discord.counters.count(match refusal {
                VoiceRefusal::NoVoiceChannel => "gateway_voice_no_channel",
                VoiceRefusal::NotPermitted => "gateway_voice_not_permitted",
                VoiceRefusal::Full => "gateway_voice_full",
            });
        }
    }

    /// Puts a user into a voice channel, moves him, or changes his own mute and deaf there.
    pub(crate) fn join_voice(
        &self,
        user: Snowflake,
        channel: Snowflake,
        session_id: &str,
        flags: (bool, bool),
    ) -> Result<VoiceState, VoiceRefusal> {
        let mut world = self.world.lock();
        let before = world.guild.voice.get(&user).map(|state| state.channel);
        let state = world.guild.join_voice(user, channel, session_id, flags)?;
        let stays = before == Some(channel) && self.voice.is_placed(user, session_id);
        self.settle_voice(&mut world, user, &state, !stays);
        if let Some(left) = before.filter(|left| *left != channel) {
            world.clear_status_if_empty(left);
        }
        Ok(state)
    }

    /// A moderator moves a member who is in voice, wherever that member may go himself; false when he is not in voice,
    /// or there is no such voice channel.
    pub(crate) fn move_member(&self, user: Snowflake, channel: Snowflake) -> bool {
        let mut world = self.world.lock();
        let Some(before) = world.guild.voice.get(&user).cloned() else {
            return false;
        };
        let flags = (before.self_mute, before.self_deaf);
        let joined = world.guild.enter_voice(user, channel, &before.session_id, flags);
        let Ok(state) = joined else {
            return false;
        };
        self.settle_voice(&mut world, user, &state, before.channel != channel);
        true
    }

    /// Tells the voice server and everyone else of a changed voice state.
    fn settle_voice(&self, world: &mut World, user: Snowflake, state: &VoiceState, new_place: bool) {
        let person = is_person(world, user);
        let policy = world.guild.dave_policy(state.channel);
        let token = new_place.then(|| self.voice.place(user, person, state, policy));
        self.voice.set_flags(user, state);
        world.broadcast_voice_state(user);
        if let (Some(token), false) = (token, person) {
            self.tell_voice_server(world, &state.session_id, &token);
        }
    }

    /// Takes a user out of voice.
    pub(crate) fn leave_voice(&self, user: Snowflake) {
        self.player.stop(user);
        let mut world = self.world.lock();
        if let Some(state) = world.guild.voice.remove(&user) {
            let data = world.guild.left_voice_json(user, &state.session_id);
            world.broadcast(intents::GUILD_VOICE_STATES, "VOICE_STATE_UPDATE", &data);
            world.clear_status_if_empty(state.channel);
        }
        self.voice.disconnect(user);
    }

    /// Changes mute, deaf and suppression; `None` when the user is not in voice.
    pub(crate) fn set_voice_flags(&self, user: Snowflake, flags: VoiceFlags) -> Option<VoiceState> {
        let now = self.discord.clock.now_ns();
        let mut world = self.world.lock();
        let person = is_person(&world, user);
        let state = world.guild.voice.get_mut(&user)?;
        match (flags.suppress, flags.request_to_speak) {
            (Some(true), _) | (_, Some(false)) => state.request_to_speak_ns = None,
            (_, Some(true)) => state.request_to_speak_ns = Some(now),
            // Whoever is invited onto a stage has asked for it from then on, but a bot.
            (Some(false), None) if person => state.request_to_speak_ns = Some(now),
            (Some(false) | None, None) => {}
        }
        state.self_mute = flags.self_mute.unwrap_or(state.self_mute);
        state.self_deaf = flags.self_deaf.unwrap_or(state.self_deaf);
        state.mute = flags.mute.unwrap_or(state.mute);
        state.deaf = flags.deaf.unwrap_or(state.deaf);
        state.suppress = flags.suppress.unwrap_or(state.suppress);
        let state = state.clone();
        self.voice.set_flags(user, &state);
        world.broadcast_voice_state(user);
        Some(state)
    }

    /// Applies changed permissions to those in voice, and tells everyone of the channels.
    pub(crate) fn permissions_changed(&self, world: &mut World, channels: &[Snowflake]) {
        for channel in channels {
            world.broadcast_channel("CHANNEL_UPDATE", *channel);
        }
        for user in world.guild.refresh_suppression() {
            if let Some(state) = world.guild.voice.get(&user) {
                self.voice.set_flags(user, state);
            }
            world.broadcast_voice_state(user);
        }
    }

    /// Posts a text message and tells the gateway.
    pub(crate) fn post(
        &self,
        channel: Snowflake,
        author: Snowflake,
        content: String,
        nonce: Option<serde_json::Value>,
    ) -> Message {
        let mut world = self.world.lock();
        let message = world
            .guild
            .post(channel, author, content, nonce, self.discord.clock.now_ns());
        world.broadcast_message(&message);
        message
    }

    /// Deletes a channel; whoever is in its voice is disconnected. False when there is none.
    pub(crate) fn delete_channel(&self, channel: Snowflake) -> bool {
        let members: Vec<_> = {
            let mut world = self.world.lock();
            let Some(known) = world.guild.channels.get(&channel) else {
                return false;
            };
            let data = world.guild.channel_json(known);
            world.broadcast(intents::GUILDS, "CHANNEL_DELETE", &data);
            world.guild.channels.remove(&channel);
            world.guild.afk_channel.take_if(|afk| *afk == channel);
            let in_voice = world.guild.voice.iter();
            in_voice
                .filter(|(_, state)| state.channel == channel)
                .map(|(user, _)| *user)
                .collect()
        };
        for user in members {
            self.leave_voice(user);
        }
        true
    }

    /// Takes a user out of the guild.
    pub(crate) fn remove_from_guild(&self, user: Snowflake) {
        self.leave_voice(user);
        let mut world = self.world.lock();
        let guild = world.guild.id();
        let Some(account) = world.guild.accounts.get_mut(&user) else {
            return;
        };
        let data = json!({"guild_id": guild, "user": object::user(account)});
        if account.kind == AccountKind::Bot {
            account.in_guild = false;
            for session in world.sessions.lock().of_user(user) {
                session.dispatch("GUILD_DELETE", &json!({"id": guild}));
            }
        } else {
            world.guild.accounts.remove(&user);
            self.voice.forget(user);
            self.player.forget(user);
        }
        world.broadcast(intents::GUILD_MEMBERS, "GUILD_MEMBER_REMOVE", &data);
    }

    /// Takes a user out of voice if it belongs to this gateway session.
    pub(crate) fn end_voice_of(&self, user: Snowflake, session_id: &str) {
        let state = self.world.lock().guild.voice.get(&user).cloned();
        if state.is_some_and(|state| state.session_id == session_id) {
            self.leave_voice(user);
        }
    }
}

fn is_person(world: &World, user: Snowflake) -> bool {
    world
        .guild
        .accounts
        .get(&user)
        .is_none_or(|account| account.kind == AccountKind::Person)
}
