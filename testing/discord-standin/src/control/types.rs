//! The JSON of the control interface, shared by its server and its client.

mod dave;
mod gateway;
mod interactions;
mod logs;
mod network;
mod rest;
mod roles;
mod sound;

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

pub use dave::{Call, DavePolicy, HeardSpeaker, NoPolicy, PendingTransition};
pub use gateway::{GatewayRules, GatewaySession};
pub use interactions::{Command, Interaction, InteractionReply, InteractionState, UseCommand};
pub use logs::{GatewayMessage, GatewayMessages, RestRequest, RestRequests, Sender};
pub use network::{
    ActiveImpairment, Direction, Impairment, ImpairmentCounts, SetImpairment, VoiceRefusal, VoiceServer,
};
pub use rest::{Rate, RateScope, RefuseRequests, Route, SetRate};
pub use roles::{AfkSettings, Role, RoleSettings};
pub use sound::{
    Frame, FrameKind, Frames, Play, Playback, Protection, RecordedSource, Recording, RecordingStarted, SetPriority,
};

/// A person that the control interface plays, or a bot that logs in by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Played by the control interface.
    Person,
    /// A real client.
    Bot,
}

/// What a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Text only.
    Text,
    /// Voice with its own text.
    Voice,
    /// A stage: newcomers are in the audience.
    Stage,
}

/// A user of the guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// User id.
    pub id: String,
    /// User name, unique.
    pub name: String,
    /// Who moves it.
    pub kind: AccountKind,
    /// Ids of its roles beside `@everyone`.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A channel of the guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// Channel id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: ChannelKind,
    /// Greatest number of voice members; 0 is no limit.
    pub user_limit: u32,
    /// Ids of the users whose voice is here.
    pub members: Vec<String>,
    /// Its status, if it has one.
    #[serde(default)]
    pub status: Option<String>,
    /// Whether voice is encrypted end to end.
    pub dave: DavePolicy,
    /// The encryption of its call; `None` while nobody is there.
    pub call: Option<Call>,
    /// Permissions given and taken here, by the id of a role or member.
    #[serde(default)]
    pub overwrites: BTreeMap<String, Overwrite>,
}

/// One text message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// Message id.
    pub id: String,
    /// Where it was posted.
    pub channel_id: String,
    /// Who posted it.
    pub author_id: String,
    /// His name.
    pub author: String,
    /// Its text.
    pub content: String,
    /// When, in UNIX nanoseconds.
    pub at_ns: u64,
}

/// One stretch of a lit speaking ring, by packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStretch {
    /// When it was lit, in UNIX nanoseconds.
    pub on_ns: u64,
    /// When it went out; `None` while lit.
    pub off_ns: Option<u64>,
}

/// The network side of a bot's voice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VoiceConnection {
    /// Voice gateway version.
    pub version: u8,
    /// Transport encryption, once chosen.
    pub mode: Option<String>,
    /// DAVE version of the call.
    pub dave_protocol_version: u16,
    /// The highest DAVE version that the client speaks.
    pub max_dave_protocol_version: u16,
    /// Where its voice comes from, once known.
    pub address: Option<SocketAddr>,
    /// Whether its websocket is up.
    pub websocket: bool,
}

/// A member of a voice channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "Discord's voice state is made of them")]
pub struct VoiceMember {
    /// User id.
    pub user_id: String,
    /// User name.
    pub name: String,
    /// Who moves it.
    pub kind: AccountKind,
    /// Where the user is.
    pub channel_id: String,
    /// Voice session.
    pub session_id: String,
    /// Muted by himself.
    pub self_mute: bool,
    /// Deafened by himself.
    pub self_deaf: bool,
    /// Muted by the server.
    pub mute: bool,
    /// Deafened by the server.
    pub deaf: bool,
    /// May not speak (a stage's audience, or no SPEAK permission).
    pub suppress: bool,
    /// Since when he asks to speak on a stage, in UNIX nanoseconds.
    pub request_to_speak_ns: Option<u64>,
    /// RTP source.
    pub ssrc: u32,
    /// Whether the ring is lit now.
    pub speaking: bool,
    /// The ring's history since the user joined.
    pub rings: Vec<RingStretch>,
    /// A bot's connection; `None` for people and before a bot has connected.
    pub connection: Option<VoiceConnection>,
    /// Voice frames accepted from this member.
    pub frames_sent: u64,
    /// Opus bytes of those.
    pub bytes_sent: u64,
    /// Silence frames (`f8 ff fe`) among them.
    pub silence_sent: u64,
    /// One-byte frames among them.
    pub toc_only_sent: u64,
    /// Encrypted frames among them; silence and one-byte frames inside those are not seen.
    pub encrypted_sent: u64,
    /// Frames among them with sound that came unencrypted into an encrypted call.
    pub plain_sent: u64,
    /// Frames delivered to this member.
    pub frames_heard: u64,
    /// Frames of this member that were refused.
    pub dropped: u64,
    /// What a person made of the frames of the others since he joined; empty for bots.
    pub heard: Vec<HeardSpeaker>,
}

/// Name and id of the guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GuildName {
    /// Guild id.
    pub id: String,
    /// Name.
    pub name: String,
}

/// Everything, as `GET /state` answers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The guild.
    pub guild: GuildName,
    /// Its users.
    pub accounts: Vec<Account>,
    /// Its roles, the lowest first.
    pub roles: Vec<Role>,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// Everyone in a voice channel.
    pub voice: Vec<VoiceMember>,
    /// The voice server of the moment.
    pub voice_server: VoiceServer,
    /// Gateway sessions that live or can be resumed.
    pub gateway: Vec<GatewaySession>,
    /// Text messages, oldest first.
    pub messages: Vec<Message>,
    /// Counters above zero.
    pub counters: BTreeMap<String, u64>,
}

impl State {
    /// The voice of the user with this id or name.
    pub fn voice_of(&self, who: &str) -> Option<&VoiceMember> {
        self.voice
            .iter()
            .find(|member| member.user_id == who || member.name == who)
    }
}

/// A guild, and the channels that it begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guild {
    /// Guild id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its first text channel.
    pub text_channel_id: String,
    /// Its first voice channel.
    pub voice_channel_id: String,
    /// Its second voice channel.
    pub second_voice_channel_id: String,
}

/// Asks for another guild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewGuild {
    /// Name.
    pub name: String,
}

/// Asks for a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewPerson {
    /// Unique name.
    pub name: String,
}

/// Changes what a person looks like; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Looks {
    /// His nickname in the guild; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// The hash that names his picture, in hexadecimal digits; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

/// Asks for another bot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewBot {
    /// Unique name.
    pub name: String,
    /// The token that it logs in with.
    pub token: String,
}

/// Asks for a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewChannel {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: ChannelKind,
    /// Greatest number of voice members; 0 is no limit.
    #[serde(default)]
    pub user_limit: u32,
    /// Whether voice is encrypted end to end; by default as the stand-in was told for voice channels, and never on
    /// stages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dave: Option<DavePolicy>,
}

/// Changes a channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChannelChange {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<u32>,
    /// New policy of encryption. Clients whom it does not admit any more are closed with 4017.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dave: Option<DavePolicy>,
}

/// Names a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InChannel {
    /// Channel id.
    pub channel_id: String,
}

/// Posts a text message as a person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Say {
    /// Where.
    pub channel_id: String,
    /// What.
    pub content: String,
}

/// Changes mute and deaf; what is absent stays.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct VoiceFlags {
    /// Muted by himself (people only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_mute: Option<bool>,
    /// Deafened by himself (people only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_deaf: Option<bool>,
    /// Muted by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<bool>,
    /// Deafened by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deaf: Option<bool>,
    /// Kept in a stage's audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<bool>,
    /// Asks to speak on a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_to_speak: Option<bool>,
}

/// Permission names, as Discord's, given and taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwrite {
    /// Given.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Taken.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// The permissions of a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RolePermissions {
    /// Permission names.
    pub permissions: Vec<String>,
}

/// Closes a websocket.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CloseWith {
    /// Close code; 0 cuts the TCP connection without a close frame.
    pub code: u16,
}

/// Invalidates a gateway session.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Invalidate {
    /// Whether the client may resume.
    #[serde(default)]
    pub resumable: bool,
}
