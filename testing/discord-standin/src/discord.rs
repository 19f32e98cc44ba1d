//! What all guilds share: who may log in, gateway sessions, commands, and whatever runs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, serve::Listener};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    bots::Bots,
    clock::Clock,
    config::{Config, Info},
    control::types::{AccountKind, RestRequest},
    counters::Counters,
    gateway::{
        log::GatewayLog,
        payload::{Identify, Presence, RequestMembers, VoiceStateUpdate},
        sessions::{Attachment, Sessions, ToClient},
    },
    guild::{Account, FIRST_BOT, FirstIds, Guild, json as object},
    interactions::Interactions,
    journal::Journal,
    rest::limits::Limits,
    server::Server,
    snowflake::{Ids, Snowflake},
    threads::Threads,
    voice::tls::Identity,
};

/// The running stand-in, shared by all its tasks.
///
/// Lock order: [`Discord::interactions`], then [`Server::world`] (the lower guild id first), then [`Discord::sessions`],
/// [`Discord::bots`] and what voice and players lock inside; never the other way round.
#[derive(Debug)]
pub(crate) struct Discord {
    pub(crate) config: Config,
    pub(crate) info: Info,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    pub(crate) ids: Arc<Ids>,
    /// The guilds by their ids.
    pub(crate) servers: RwLock<BTreeMap<Snowflake, Arc<Server>>>,
    pub(crate) bots: Mutex<Bots>,
    pub(crate) sessions: Arc<Mutex<Sessions>>,
    pub(crate) interactions: Mutex<Interactions>,
    /// What voice servers prove themselves with.
    pub(crate) identity: Identity,
    pub(crate) threads: Threads,
    /// How many REST requests may come, and which came.
    pub(crate) limits: Mutex<Limits>,
    pub(crate) requests: Mutex<Journal<RestRequest>>,
    pub(crate) gateway_log: Arc<GatewayLog>,
    pub(crate) cancel: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) connections: AtomicU64,
}

impl Discord {
    /// A guild as it begins, with the first bot in it.
    pub(crate) fn new_guild(&self, name: &str, first: FirstIds) -> Guild {
        let mut guild = Guild::new(name, first, self.config.dave, Arc::clone(&self.ids));
        guild.admit(FIRST_BOT, &self.config.bot_name, AccountKind::Bot);
        guild
    }

    /// All guilds, the lowest id first.
    pub(crate) fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.read().values().cloned().collect()
    }

    /// The guild with this id.
    pub(crate) fn server(&self, guild: Snowflake) -> Option<Arc<Server>> {
        self.servers.read().get(&guild).cloned()
    }

    /// The guild that has this channel.
    pub(crate) fn server_of_channel(&self, channel: Snowflake) -> Option<Arc<Server>> {
        let has = |server: &Arc<Server>| server.world.lock().guild.channels.contains_key(&channel);
        self.servers().into_iter().find(has)
    }

    /// A user, as some guild knows him.
    pub(crate) fn account(&self, user: Snowflake) -> Option<Account> {
        let known = |server: Arc<Server>| server.world.lock().guild.accounts.get(&user).cloned();
        self.servers().into_iter().find_map(known)
    }

    /// Begins a bot's gateway session and sends the events of its beginning; returns its id. All guilds hold still
    /// meanwhile, so that nothing of a guild comes before the guild itself.
    pub(crate) fn begin_session(&self, user: Snowflake, identify: &Identify, attachment: Attachment) -> Option<String> {
        let account = self.account(user)?;
        let servers = self.servers();
        let worlds: Vec<_> = servers.iter().map(|server| server.world.lock()).collect();
        let joined = worlds.iter().filter(|world| world.guild.has_member(user));
        let joined: Vec<_> = joined.map(|world| &world.guild).collect();
        let guilds: Vec<_> = joined
            .iter()
            .map(|guild| json!({"id": guild.id(), "unavailable": true}))
            .collect();
        let mut sessions = self.sessions.lock();
        let id = sessions.begin(user, identify.intents, attachment);
        let session = sessions.get_mut(&id)?;
        session.dispatch(
            "READY",
            &json!({
                "v": 10, "user": object::own_user(&account), "guilds": guilds, "session_id": id,
                "resume_gateway_url": self.info.gateway, "session_type": "normal", "private_channels": [],
                "presences": [], "relationships": [], "user_settings": {}, "geo_ordered_rtc_regions": [],
                "guild_join_requests": [], "shard": [0, 1], "application": {"id": user, "flags": 0}, "_trace": [],
            }),
        );
        for guild in joined {
            session.introduce(guild);
        }
        Some(id)
    }

    /// Keeps how a bot wants to be seen, and tells those who look.
    pub(crate) fn set_presence(&self, session_id: &str, presence: &Presence) {
        let user = {
            let mut sessions = self.sessions.lock();
            let Some(session) = sessions.get_mut(session_id) else {
                return;
            };
            session.presence = Some(presence.clone());
            session.user
        };
        for server in self.servers() {
            server.world.lock().broadcast_presence(user, presence);
        }
    }

    /// Answers a request for members; false when it may not ask.
    pub(crate) fn send_members(&self, session_id: &str, request: &RequestMembers) -> bool {
        let server = self.server(request.guild_id);
        server.is_some_and(|server| server.world.lock().send_members(session_id, request))
    }

    /// Op 4 of a bot. What may not be is ignored, as Discord does, and counted.
    pub(crate) fn voice_state_update(&self, user: Snowflake, session_id: &str, update: &VoiceStateUpdate) {
        match self.server(update.guild_id) {
            Some(server) => server.voice_state_update(user, session_id, update),
            None => self.counters.count("gateway_voice_wrong_guild"),
        }
    }

    /// Ends a gateway session and the voice that belongs to it.
    pub(crate) fn end_session(&self, id: &str, only_if_detached: bool) {
        let ended = {
            let mut sessions = self.sessions.lock();
            if only_if_detached {
                sessions.end_if_detached(id)
            } else {
                sessions.end(id)
            }
        };
        let Some(session) = ended else {
            return;
        };
        for server in self.servers() {
            server.end_voice_of(session.user, id);
        }
    }

    /// Sends something to every websocket of a bot; false when there is none.
    pub(crate) fn tell_bot(&self, user: Snowflake, message: impl Fn() -> ToClient) -> bool {
        let mut told = false;
        for session in self.sessions.lock().of_user(user) {
            told |= session.attachment.is_some();
            session.send(message());
        }
        told
    }

    /// A number for a new websocket.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
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
    pub(crate) fn later(&self, delay: Duration, f: impl FnOnce() + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(delay) => f(),
            }
        });
    }

    /// Ends all tasks and threads, and parts the guilds from what they share.
    pub(crate) fn end(&self) {
        self.cancel.cancel();
        self.threads.tell_to_end();
        self.servers.write().clear();
    }
}
