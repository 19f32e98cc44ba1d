//! Looks things up in what the gateway has told of the guilds.

use std::sync::{Arc, PoisonError, RwLock};

use serenity::cache::Cache;
use serenity::model::channel::{ChannelType, GuildChannel};
use serenity::model::guild::{AfkMetadata, Guild, Member, PartialGuild};
use serenity::model::permissions::Permissions as Flags;
use tokio::sync::watch;

use super::bell::Bell;
use super::facts::{
    BotPlace, ChannelFacts, ChannelId, ChannelKind, Face, Floor, GuildId, Permissions, Person, Place, UserId,
    VoiceChannel,
};

/// The guilds, channels and people that the bot knows of; empty while it has no connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    known: Arc<RwLock<Option<Known>>>,
    bot_moves: watch::Sender<()>,
    bell: Bell,
}

#[derive(Debug, Clone)]
struct Known {
    cache: Arc<Cache>,
    bot: UserId,
}

impl Directory {
    /// There is a connection, and this is what it keeps up to date.
    pub(super) fn open(&self, cache: Arc<Cache>, bot: UserId) {
        self.set(Some(Known { cache, bot }));
        self.bell.ring_everywhere();
    }

    /// The connection is gone: what was known may be wrong by now.
    pub(super) fn close(&self) {
        self.set(None);
    }

    fn set(&self, known: Option<Known>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.bot_moved();
    }

    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bot's user.
    pub(crate) fn bot(&self) -> Option<UserId> {
        Some(self.known()?.bot)
    }

    /// How many guilds the bot is in.
    pub(crate) fn guilds(&self) -> usize {
        self.known().map_or(0, |known| known.cache.guild_count())
    }

    /// What is known of a channel. Without a guild, the channel's own is taken.
    pub(crate) fn place(&self, guild: Option<GuildId>, channel: ChannelId) -> Place {
        let Some(Known { cache, bot }) = self.known() else {
            return Place::Offline;
        };
        let Some(guild) = guild.or_else(|| guild_of(&cache, channel)) else {
            return Place::UnknownChannel;
        };
        if cache.unavailable_guilds().get(&guild.into()).is_some() {
            return Place::UnavailableGuild;
        }
        let Some(guild) = cache.guild(guild) else {
            return Place::UnknownGuild;
        };
        match guild.channels.get(&channel.into()) {
            None => Place::UnknownChannel,
            Some(channel) => Place::Known(facts(&guild, channel, bot)),
        }
    }

    /// Who is in a voice channel, the bot itself left out; none while nobody can say.
    pub(crate) fn people(&self, at: VoiceChannel) -> Option<Vec<UserId>> {
        match self.place(Some(at.guild), at.channel) {
            Place::Known(facts) => Some(facts.members),
            _ => None,
        }
    }

    /// Who is in a voice channel, and how, the bot itself left out; nobody where there is no such channel, or none that the bot
    /// may see. None while nobody can say. Without a guild, the channel's own is taken.
    pub(crate) fn crowd(&self, guild: Option<GuildId>, channel: ChannelId) -> Option<Vec<Person>> {
        let facts = match self.place(guild, channel) {
            Place::Offline | Place::UnavailableGuild => return None,
            Place::UnknownGuild | Place::UnknownChannel | Place::HiddenChannel => return Some(Vec::new()),
            Place::Known(facts) => facts,
        };
        if facts.kind == ChannelKind::Text || !facts.permissions.view {
            return Some(Vec::new());
        }
        let Known { cache, .. } = self.known()?;
        let guild = cache.guild(facts.at.guild)?;
        let people = facts.members.iter().filter_map(|user| person(&guild, *user));
        Some(people.collect())
    }

    /// Tells of changes; one at a time may wait for them.
    pub(crate) fn changes(&self) -> Bell {
        self.bell.clone()
    }

    /// Something has changed in a guild.
    pub(super) fn changed(&self, guild: GuildId) {
        self.bell.ring(guild);
    }

    /// The voice channel of a guild that the bot is in.
    pub(crate) fn bot_place(&self, guild: GuildId) -> BotPlace {
        let Some(Known { cache, bot }) = self.known() else {
            return BotPlace::Unknown;
        };
        let Some(guild) = cache.guild(guild) else {
            return BotPlace::Unknown;
        };
        let channel = guild.voice_states.get(&bot.into()).and_then(|state| state.channel_id);
        channel.map_or(BotPlace::Nowhere, |channel| BotPlace::In(channel.into()))
    }

    /// The bot's voice state has changed.
    pub(super) fn bot_moved(&self) {
        self.bot_moves.send_replace(());
    }

    /// Waits until the bot is in no voice channel of a guild, or nobody can say.
    pub(crate) async fn bot_left(&self, guild: GuildId) {
        let mut moves = self.bot_moves.subscribe();
        while matches!(self.bot_place(guild), BotPlace::In(_)) {
            if moves.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether a user of a guild is a bot, as far as is known.
    pub(crate) fn is_bot(&self, guild: GuildId, user: UserId) -> bool {
        self.member(guild, user, |member| member.user.bot).unwrap_or(false)
    }

    /// What people see of a user in a guild, as far as is known.
    pub(crate) fn face(&self, guild: GuildId, user: UserId) -> Option<Face> {
        self.member(guild, user, |member| Face {
            name: member.display_name().to_owned(),
            avatar: member.face(),
        })
    }

    /// Reads what is known of a member; of those in voice more is known than of others.
    fn member<T>(&self, guild: GuildId, user: UserId, read: impl FnOnce(&Member) -> T) -> Option<T> {
        let known = self.known()?;
        let guild = known.cache.guild(guild)?;
        let id = user.into();
        let of_voice = || guild.voice_states.get(&id)?.member.as_ref();
        guild.members.get(&id).or_else(of_voice).map(read)
    }
}

fn guild_of(cache: &Cache, channel: ChannelId) -> Option<GuildId> {
    let holds = |guild: &serenity::model::id::GuildId| {
        cache
            .guild(*guild)
            .is_some_and(|guild| guild.channels.contains_key(&channel.into()))
    };
    cache.guilds().into_iter().find(holds).map(GuildId::from)
}

fn facts(guild: &Guild, channel: &GuildChannel, bot: UserId) -> ChannelFacts {
    let bot_id = serenity::all::UserId::from(bot);
    let mut members: Vec<UserId> = guild
        .voice_states
        .values()
        .filter(|state| state.channel_id == Some(channel.id) && state.user_id != bot_id)
        .map(|state| state.user_id.into())
        .collect();
    members.sort_unstable();
    let flags = flags(guild, channel, bot);
    describe(channel, guild.afk_metadata.as_ref(), flags, members)
}

fn person(guild: &Guild, user: UserId) -> Option<Person> {
    let id = user.into();
    let state = guild.voice_states.get(&id)?;
    // What came with the voice state is newer than what the guild began with.
    let member = state.member.as_ref().or_else(|| guild.members.get(&id));
    Some(Person {
        id: user,
        name: member.map_or_else(|| user.to_string(), |member| member.display_name().to_owned()),
        avatar: member.and_then(|member| picture(guild, member)),
        bot: member.is_some_and(|member| member.user.bot),
        self_mute: state.self_mute,
        self_deaf: state.self_deaf,
        server_mute: state.mute,
        server_deaf: state.deaf,
        suppressed: state.suppress,
    })
}

/// Where somebody's picture is: the one that he has in this guild, else his own.
fn picture(guild: &Guild, member: &Member) -> Option<String> {
    let user = member.user.id;
    let here = member
        .avatar
        .map(|hash| format!("guilds/{}/users/{user}/avatars/{hash}", guild.id));
    here.or_else(|| Some(format!("avatars/{user}/{}", member.user.avatar?)))
}

/// The facts that the REST API tells, which does not know who is in a voice channel.
pub(super) fn facts_without_people(guild: &PartialGuild, channel: &GuildChannel, bot: &Member) -> ChannelFacts {
    let flags = guild.user_permissions_in(channel, bot);
    describe(channel, guild.afk_metadata.as_ref(), flags, Vec::new())
}

fn describe(channel: &GuildChannel, afk: Option<&AfkMetadata>, flags: Flags, members: Vec<UserId>) -> ChannelFacts {
    let kind = kind(channel.kind, flags);
    ChannelFacts {
        at: VoiceChannel {
            guild: channel.guild_id.into(),
            channel: channel.id.into(),
        },
        name: channel.name.clone(),
        kind,
        afk: afk.is_some_and(|afk| afk.afk_channel_id == channel.id),
        permissions: permissions(flags, kind),
        user_limit: channel.user_limit.unwrap_or(0),
        bitrate: channel.bitrate,
        members,
    }
}

fn kind(kind: ChannelType, flags: Flags) -> ChannelKind {
    match kind {
        ChannelType::Voice => ChannelKind::Voice,
        ChannelType::Stage => ChannelKind::Stage(floor(flags)),
        _ => ChannelKind::Text,
    }
}

fn floor(flags: Flags) -> Floor {
    if flags.contains(Flags::MUTE_MEMBERS) {
        Floor::Free
    } else if flags.contains(Flags::REQUEST_TO_SPEAK) {
        Floor::OnRequest
    } else {
        Floor::Closed
    }
}

/// What the bot may do in a channel. A bot whose own membership Discord has not told has no roles, as far as anybody knows.
fn flags(guild: &Guild, channel: &GuildChannel, bot: UserId) -> Flags {
    match guild.members.get(&bot.into()) {
        Some(member) => guild.user_permissions_in(channel, member),
        None => guild
            .roles
            .get(&guild.id.everyone_role())
            .map_or(Flags::empty(), |everyone| everyone.permissions),
    }
}

fn permissions(flags: Flags, kind: ChannelKind) -> Permissions {
    Permissions {
        view: flags.contains(Flags::VIEW_CHANNEL),
        connect: flags.contains(Flags::CONNECT),
        speak: flags.contains(Flags::SPEAK) || matches!(kind, ChannelKind::Stage(_)),
        exceed_limit: flags.contains(Flags::MOVE_MEMBERS),
    }
}

#[cfg(test)]
mod tests;
