//! Whether there is a connection to Discord's gateway, as the rest of the bridge sees it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use bridge_kit::health::{Component, State};
use serenity::all::Cache;

use super::directory::Directory;
use super::facts::{GuildId, UserId};

/// The connection as the rest of the bridge sees it.
pub(crate) struct Connection {
    directory: Directory,
    health: Component,
    state: Mutex<GatewayState>,
    connected: AtomicU64,
}

/// Whether the gateway can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayState {
    /// Not yet, or not any more; it is being connected.
    Connecting,
    /// It can.
    Connected,
}

impl GatewayState {
    /// Its name in `/status`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
        }
    }
}

impl Connection {
    pub(crate) fn new(directory: Directory, health: Component) -> Self {
        health.set(State::Connecting, "waiting for Discord");
        Self {
            directory,
            health,
            state: Mutex::new(GatewayState::Connecting),
            connected: AtomicU64::new(0),
        }
    }

    /// Its state at the moment.
    pub(crate) fn state(&self) -> GatewayState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it has been connected; more than once means that it was lost in between.
    pub(crate) fn connections(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    pub(super) fn open(&self, cache: &Arc<Cache>, bot: UserId) {
        self.directory.open(Arc::clone(cache), bot);
        if self.change(GatewayState::Connected) {
            self.connected.fetch_add(1, Relaxed);
            tracing::info!(guilds = cache.guild_count(), "connected to Discord");
            self.health.set(State::Ready, "");
        }
    }

    pub(super) fn guild_changed(&self, guild: GuildId) {
        self.directory.changed(guild);
    }

    pub(super) fn bot_moved(&self) {
        self.directory.bot_moved();
    }

    pub(super) fn lost(&self) {
        if self.change(GatewayState::Connecting) {
            tracing::warn!("the connection to Discord's gateway is lost; connecting again");
            self.health
                .set(State::Connecting, "connecting to Discord's gateway again");
        }
        self.directory.close();
    }

    /// Whether it was not in that state before.
    fn change(&self, new: GatewayState) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *state, new) != new
    }
}
