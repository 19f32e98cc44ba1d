//! What the page shows of the guild.

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    control::types::{AccountKind, Call, ChannelKind, DavePolicy},
    guild::VoiceState,
    server::Server,
    snowflake::Snowflake,
    voice::hearing::Glimpse,
};

/// The guild, as the page draws it.
#[derive(Debug, Serialize)]
pub(super) struct View {
    guild: String,
    channels: Vec<Channel>,
    accounts: Vec<Account>,
    voice: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Channel {
    id: Snowflake,
    name: String,
    kind: ChannelKind,
    user_limit: u32,
    dave: DavePolicy,
    /// Its encryption while somebody is there.
    call: Option<Call>,
}

#[derive(Debug, Serialize)]
struct Account {
    id: Snowflake,
    name: String,
    kind: AccountKind,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "Discord's voice state is made of them")]
struct Member {
    id: Snowflake,
    channel: Snowflake,
    self_mute: bool,
    self_deaf: bool,
    mute: bool,
    deaf: bool,
    suppress: bool,
    speaking: bool,
    frames_sent: u64,
    heard: Vec<Heard>,
}

#[derive(Debug, Serialize)]
struct Heard {
    speaker: Snowflake,
    frames: u64,
    lost: u64,
    undecrypted: u64,
}

impl View {
    /// The guild as it is now.
    pub(super) fn of(server: &Server) -> Self {
        let world = server.world.lock();
        let glimpses = server.voice.glimpses();
        let guild = &world.guild;
        let channels = guild.channels.values().map(|channel| Channel {
            id: channel.id,
            name: channel.name.clone(),
            kind: channel.kind,
            user_limit: channel.user_limit,
            dave: guild.dave_policy(channel.id),
            call: server.voice.call(channel.id),
        });
        let accounts = guild.accounts.values().filter(|account| account.in_guild);
        let accounts = accounts.map(|account| Account {
            id: account.id,
            name: account.name.clone(),
            kind: account.kind,
        });
        let voice = guild
            .voice
            .iter()
            .map(|(user, state)| Member::of(*user, state, &glimpses));
        Self {
            guild: guild.name.clone(),
            channels: channels.collect(),
            accounts: accounts.collect(),
            voice: voice.collect(),
        }
    }
}

impl Member {
    fn of(user: Snowflake, state: &VoiceState, glimpses: &HashMap<Snowflake, Glimpse>) -> Self {
        let glimpse = glimpses.get(&user);
        let heard = glimpse.into_iter().flat_map(|glimpse| &glimpse.heard);
        Self {
            id: user,
            channel: state.channel,
            self_mute: state.self_mute,
            self_deaf: state.self_deaf,
            mute: state.mute,
            deaf: state.deaf,
            suppress: state.suppress,
            speaking: glimpse.is_some_and(|glimpse| glimpse.speaking),
            frames_sent: glimpse.map_or(0, |glimpse| glimpse.frames_sent),
            heard: heard
                .map(|(speaker, heard)| Heard {
                    speaker: *speaker,
                    frames: heard.frames,
                    lost: heard.lost,
                    undecrypted: heard.undecrypted,
                })
                .collect(),
        }
    }
}
