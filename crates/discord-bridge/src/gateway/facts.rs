//! What Discord says about a voice channel, as far as the bridge must know it, in types of its own.
//!
//! Decisions are made on these alone, so that each of them can be tested without a Discord.

use std::fmt;
use std::num::NonZeroU64;

/// A guild, which Discord's users call a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GuildId(pub(crate) NonZeroU64);

/// A channel of a guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelId(pub(crate) NonZeroU64);

/// A user of Discord; bots are users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId(pub(crate) NonZeroU64);

macro_rules! snowflakes {
    ($($id:ident)*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$id> for serenity::all::$id {
            fn from(id: $id) -> Self {
                id.0.into()
            }
        }

        impl From<serenity::all::$id> for $id {
            fn from(id: serenity::all::$id) -> Self {
                Self(id.into())
            }
        }
    )*};
}

snowflakes!(GuildId ChannelId UserId);

/// What people see of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Face {
    /// What he is called in the guild.
    pub(crate) name: String,
    /// Where his picture is.
    pub(crate) avatar: String,
}

/// Where a link leads, found on Discord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VoiceChannel {
    /// Its guild.
    pub(crate) guild: GuildId,
    /// The channel itself.
    pub(crate) channel: ChannelId,
}

/// What is known about the place that a link names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing: there is no connection to Discord's gateway.
    Offline,
    /// The bot is not in that guild.
    UnknownGuild,
    /// Discord says that the guild has an outage.
    UnavailableGuild,
    /// The guild has no such channel, or none that the bot may see.
    UnknownChannel,
    /// The channel exists, and the bot may not see it.
    HiddenChannel,
    /// It is there.
    Known(ChannelFacts),
}

/// Where the bot is in a guild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BotPlace {
    /// Nobody can say: the gateway is away.
    Unknown,
    /// In no voice channel.
    Nowhere,
    /// In this one.
    In(ChannelId),
}

/// A channel and the bot's standing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelFacts {
    /// Where it is.
    pub(crate) at: VoiceChannel,
    /// Its name, for people.
    pub(crate) name: String,
    /// What kind of channel it is.
    pub(crate) kind: ChannelKind,
    /// Whether it is where Discord puts people who are away.
    pub(crate) afk: bool,
    /// What the bot may do there.
    pub(crate) permissions: Permissions,
    /// How many may be in it; 0 for no limit.
    pub(crate) user_limit: u32,
    /// Bits a second that voice in it may have.
    pub(crate) bitrate: Option<u32>,
    /// Who is in it, the bot itself left out.
    pub(crate) members: Vec<UserId>,
}

/// Somebody in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and any combination occurs"
)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    /// What he is called in the guild.
    pub(crate) name: String,
    /// Where his picture is below Discord's address for pictures, without its ending; a new picture has a new place.
    pub(crate) avatar: Option<String>,
    pub(crate) bot: bool,
    pub(crate) self_mute: bool,
    pub(crate) self_deaf: bool,
    pub(crate) server_mute: bool,
    pub(crate) server_deaf: bool,
    /// He is in the audience of a stage, or may not speak.
    pub(crate) suppressed: bool,
}

impl Person {
    /// Whether he hears what is said in the channel.
    pub(crate) fn hears(&self) -> bool {
        !self.self_deaf && !self.server_deaf
    }
}

/// Kinds of channels, as far as they make a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelKind {
    /// An ordinary voice channel.
    Voice,
    /// A stage, where everybody begins in the audience.
    Stage(Floor),
    /// Anything without voice.
    Text,
}

/// How the bot gets out of the audience of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// By itself: it has `MUTE_MEMBERS`, and unmutes itself.
    Free,
    /// It has `REQUEST_TO_SPEAK`, and waits for a moderator.
    OnRequest,
    /// Not at all.
    Closed,
}

/// The permissions of the bot in a voice channel that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a permission of its own, and any combination occurs"
)]
pub(crate) struct Permissions {
    /// `VIEW_CHANNEL`.
    pub(crate) view: bool,
    /// `CONNECT`.
    pub(crate) connect: bool,
    /// `SPEAK`, which stages do not ask for.
    pub(crate) speak: bool,
    /// `MOVE_MEMBERS`, which lets one into a full channel.
    pub(crate) exceed_limit: bool,
}

impl Permissions {
    /// Names of the permissions without which no call is possible, as Discord's settings show them.
    pub(crate) fn missing(self) -> Vec<&'static str> {
        [
            (self.view, "View Channel"),
            (self.connect, "Connect"),
            (self.speak, "Speak"),
        ]
        .into_iter()
        .filter_map(|(has, name)| (!has).then_some(name))
        .collect()
    }
}
