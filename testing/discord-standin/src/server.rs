//! Everything that runs, and the actions that more than one interface can cause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, serve::Listener};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::{Config, Info},
    control::types::{AccountKind, RestRequest, VoiceFlags},
    counters::Counters,
    gateway::{intents, log::GatewayLog, payload::VoiceStateUpdate, sessions::ToClient},
    guild::{GUILD, Message, VoiceRefusal, VoiceState, json as object},
    journal::Journal,
    people::player::Player,
    rest::limits::Limits,
    snowflake::Snowflake,
    threads::Threads,
    voice::{Voice, tls::Identity},
    world::World,
};

/// The running stand-in, shared by all its tasks.
///
/// Lock order: [`Server::world`] before what [`Voice`] and [`Player`] lock inside; never the other way round.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) info: Info,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) world: Mutex<World>,
    pub(crate) voice: Arc<Voice>,
    /// What voice servers prove themselves with.
    pub(crate) identity: Identity,
    pub(crate) threads: Threads,
    /// How many REST requests may come, and which came.
    pub(crate) limits: Mutex<Limits>,
    pub(crate) requests: Mutex<Journal<RestRequest>>,
    pub(crate) gateway_log: Arc<GatewayLog>,
    pub(crate) player: Player,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) connections: AtomicU64,
}

impl Server {
    /// A number for a new websocket.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Op 4 of a bot. What may not be is ignored, as Discord does, and counted.
    pub(crate) fn voice_state_update(&self, user: Snowflake, session_id: &str, update: &VoiceStateUpdate) {
        if update.guild_id != GUILD {
            self.counters.count("gateway_voice_wrong_guild");
            return;
        }
        let Some(channel) = update.channel_id else {
            self.leave_voice(user);
            return;
        };
        let flags = (update.self_mute, update.self_deaf);
        if let Err(refusal) = self.join_voice(user, channel, session_id, flags) {
            self.counters.count(match refusal {
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
        }
        self.voice.disconnect(user);
    }

    /// Changes mute, deaf and suppression; `None` when the user is not in voice.
    pub(crate) fn set_voice_flags(&self, user: Snowflake, flags: VoiceFlags) -> Option<VoiceState> {
        let now = self.clock.now_ns();
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
        let message = world.guild.post(channel, author, content, nonce, self.clock.now_ns());
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
        let Some(account) = world.guild.accounts.get_mut(&user) else {
            return;
        };
        let data = json!({"guild_id": GUILD, "user": object::user(account)});
        if account.kind == AccountKind::Bot {
            account.in_guild = false;
            for session in world.sessions.of_user(user) {
                session.dispatch("GUILD_DELETE", &json!({"id": GUILD}));
            }
        } else {
            world.guild.accounts.remove(&user);
            self.voice.forget(user);
            self.player.forget(user);
        }
        world.broadcast(intents::GUILD_MEMBERS, "GUILD_MEMBER_REMOVE", &data);
    }

    /// Ends a gateway session and the voice that belongs to it.
    pub(crate) fn end_session(&self, id: &str, only_if_detached: bool) {
        let user = {
            let mut world = self.world.lock();
            let ended = if only_if_detached {
                world.sessions.end_if_detached(id)
            } else {
                world.sessions.end(id)
            };
            let Some(session) = ended else {
                return;
            };
            let owns_voice = world
                .guild
                .voice
                .get(&session.user)
                .is_some_and(|state| state.session_id == id);
            owns_voice.then_some(session.user)
        };
        if let Some(user) = user {
            self.leave_voice(user);
        }
    }

    /// Sends something to every websocket of a bot; false when there is none.
    pub(crate) fn tell_bot(&self, user: Snowflake, message: impl Fn() -> ToClient) -> bool {
        let mut world = self.world.lock();
        let mut told = false;
        for session in world.sessions.of_user(user) {
            told |= session.attachment.is_some();
            session.send(message());
        }
        told
    }

    /// Serves a router until the stand-in ends or `end` is cancelled.
    pub(crate) fn serve<L>(&self, listener: L, router: Router, end: CancellationToken)
    where
        L: Listener,
        L::Addr: std::fmt::Debug,
    {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            // Open keep-alive connections must not hold up the end, so the server is dropped, not drained.
            tokio::select! {
                () = cancel.cancelled() => {}
                () = end.cancelled() => {}
                _ = axum::serve(listener, router) => {}
            }
        });
    }

    /// Runs `f` after a while, unless the stand-in ends before.
    pub(crate) fn later(self: &Arc<Self>, delay: Duration, f: impl FnOnce(&Self) + Send + 'static) {
        let server = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = server.cancel.cancelled() => {}
                () = tokio::time::sleep(delay) => f(&server),
            }
        });
    }
}

fn is_person(world: &World, user: Snowflake) -> bool {
    world
        .guild
        .accounts
        .get(&user)
        .is_none_or(|account| account.kind == AccountKind::Person)
}
