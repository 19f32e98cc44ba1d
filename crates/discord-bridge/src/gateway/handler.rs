//! Passes on what the gateway tells, as far as the bridge must act on it.

use std::sync::Arc;

use serenity::all::{
    Cache, ConnectionStage, Context, Event, EventHandler, Guild, GuildChannel, GuildMemberUpdateEvent, Member, Message,
    RawEventHandler, Ready, Role, RoleId, ShardStageUpdateEvent, UnavailableGuild, VoiceState,
};
use serenity::async_trait;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::facts::{GuildId, UserId};

/// Something changed in a guild. What exactly is read from the [`Directory`](super::Directory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GatewayEvent {
    /// The bot was moved, taken out of a voice channel, or put into one.
    BotMoved(GuildId),
    /// Somebody else came into a voice channel, or left one.
    PeopleMoved(GuildId),
    /// Somebody else was muted or deafened in one, or is not any more.
    PeopleChanged(GuildId),
    /// Channels, roles or the guild itself changed.
    GuildChanged(GuildId),
}

/// The receiving end of serenity's client.
#[derive(Clone)]
pub(super) struct Handler {
    pub(super) connection: Arc<Connection>,
    pub(super) bot: UserId,
    pub(super) events: mpsc::Sender<GatewayEvent>,
}

impl Handler {
    fn changed(&self, guild: serenity::model::id::GuildId) {
        self.tell(GatewayEvent::GuildChanged(guild.into()));
    }

    fn tell(&self, event: GatewayEvent) {
        let (GatewayEvent::BotMoved(guild)
        | GatewayEvent::PeopleMoved(guild)
        | GatewayEvent::PeopleChanged(guild)
        | GatewayEvent::GuildChanged(guild)) = event;
        self.connection.guild_changed(guild);
        // A full queue holds an event of the same kind already, or the bridge is stopping.
        if self.events.try_send(event).is_err() {
            tracing::debug!(?event, "an event of the gateway found no room");
        }
    }

    fn open(&self, cache: &Arc<Cache>) {
        self.connection.open(cache, self.bot);
    }
}

#[async_trait]
impl RawEventHandler for Handler {
    /// serenity 0.12.5 leaves its cache as it was when a guild changes, and hands the change on in a form that the cache
    /// does not take.
    async fn raw_event(&self, context: Context, event: Event) {
        if let Event::GuildUpdate(mut update) = event {
            context.cache.update(&mut update);
            self.changed(update.guild.id);
        }
    }
}

#[async_trait]
impl EventHandler for Handler {
    async fn ready(&self, context: Context, ready: Ready) {
        // The guilds follow one by one; where there are none, no event says that they are complete.
        if ready.guilds.is_empty() {
            self.open(&context.cache);
        }
    }

    async fn cache_ready(&self, context: Context, _: Vec<serenity::model::id::GuildId>) {
        self.open(&context.cache);
    }

    async fn shard_stage_update(&self, context: Context, update: ShardStageUpdateEvent) {
        match update.new {
            // After a resumption the cache is as good as before; after a new session it fills up first.
            ConnectionStage::Connected if update.old == ConnectionStage::Resuming => self.open(&context.cache),
            ConnectionStage::Connected => {}
            _ => self.connection.lost(),
        }
    }

    async fn voice_state_update(&self, _: Context, old: Option<VoiceState>, new: VoiceState) {
        let Some(guild) = new.guild_id else {
            return;
        };
        if self.bot == new.user_id.into() {
            self.connection.bot_moved();
            self.tell(GatewayEvent::BotMoved(guild.into()));
        } else if old.is_none_or(|old| old.channel_id != new.channel_id) {
            self.tell(GatewayEvent::PeopleMoved(guild.into()));
        } else {
            self.tell(GatewayEvent::PeopleChanged(guild.into()));
        }
    }

    async fn guild_delete(&self, _: Context, guild: UnavailableGuild, _: Option<Guild>) {
        self.changed(guild.id);
    }

    async fn channel_create(&self, _: Context, channel: GuildChannel) {
        self.changed(channel.guild_id);
    }

    async fn channel_delete(&self, _: Context, channel: GuildChannel, _: Option<Vec<Message>>) {
        self.changed(channel.guild_id);
    }

    async fn channel_update(&self, _: Context, _: Option<GuildChannel>, channel: GuildChannel) {
        self.changed(channel.guild_id);
    }

    async fn guild_role_update(&self, _: Context, _: Option<Role>, role: Role) {
        self.changed(role.guild_id);
    }

    async fn guild_role_delete(&self, _: Context, guild: serenity::model::id::GuildId, _: RoleId, _: Option<Role>) {
        self.changed(guild);
    }

    async fn guild_member_update(
        &self,
        _: Context,
        _: Option<Member>,
        _: Option<Member>,
        update: GuildMemberUpdateEvent,
    ) {
        if self.bot == update.user.id.into() {
            self.changed(update.guild_id);
        }
    }
}
