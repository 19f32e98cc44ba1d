//! Voice states, and what a bot changes about them on a stage.

use axum::{
    body::Bytes,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    answer::{Bot, Here, Refusal, body, check_member},
    guild::{own, read},
};
use crate::{
    control::types::VoiceFlags,
    guild::{Guild, VoiceState, permissions::Permissions},
    snowflake::Snowflake,
};

pub(super) async fn own_state(Bot(bot): Bot, Here(server): Here) -> Result<Response, Refusal> {
    read(&server, bot, |guild| state_json(guild, bot))
}

pub(super) async fn state(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, user)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    read(&server, bot, |guild| state_json(guild, own(&user, bot)?))
}

#[derive(Deserialize)]
struct OwnChange {
    channel_id: Option<Snowflake>,
    suppress: Option<bool>,
    #[serde(default, deserialize_with = "request")]
    request_to_speak_timestamp: Option<bool>,
}

/// A time asks to speak, null takes that back.
fn request<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    Ok(Some(Option::<String>::deserialize(deserializer)?.is_some()))
}

/// A bot in a stage's audience makes itself a speaker, if it may mute members, or asks to speak.
pub(super) async fn change_own(Bot(bot): Bot, Here(server): Here, bytes: Bytes) -> Result<Response, Refusal> {
    let change: OwnChange = body(&bytes)?;
    {
        let world = server.world.lock();
        check_member(&world.guild, bot)?;
        let state = in_voice(&world.guild, bot, change.channel_id)?;
        let permissions = world.guild.permissions(bot, state.channel);
        let lifts_itself = change.suppress == Some(false) && !permissions.contains(Permissions::MUTE_MEMBERS);
        let asks = change.request_to_speak_timestamp == Some(true);
        if lifts_itself || (asks && !permissions.contains(Permissions::REQUEST_TO_SPEAK)) {
            return Err(Refusal::MissingPermissions);
        }
    }
    server.set_voice_flags(
        bot,
        VoiceFlags {
            suppress: change.suppress,
            request_to_speak: change.request_to_speak_timestamp,
            ..VoiceFlags::default()
        },
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct OtherChange {
    channel_id: Option<Snowflake>,
    suppress: Option<bool>,
}

/// A bot that may mute members makes somebody else a speaker, or puts him back into the audience.
pub(super) async fn change_other(
    Bot(bot): Bot,
    Here(server): Here,
    Path((_, user)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Response, Refusal> {
    let change: OtherChange = body(&bytes)?;
    let user = own(&user, bot)?;
    {
        let world = server.world.lock();
        check_member(&world.guild, bot)?;
        let state = in_voice(&world.guild, user, change.channel_id)?;
        let permissions = world.guild.permissions(bot, state.channel);
        if !permissions.contains(Permissions::MUTE_MEMBERS) {
            return Err(Refusal::MissingPermissions);
        }
    }
    server.set_voice_flags(
        user,
        VoiceFlags {
            suppress: change.suppress,
            ..VoiceFlags::default()
        },
    );
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Where a user is, which has to be the channel that the request names, if it names one.
fn in_voice(guild: &Guild, user: Snowflake, named: Option<Snowflake>) -> Result<&VoiceState, Refusal> {
    let state = guild.voice.get(&user).ok_or(Refusal::UnknownVoiceState)?;
    if named.is_some_and(|channel| channel != state.channel) {
        return Err(Refusal::UnknownVoiceState);
    }
    Ok(state)
}

fn state_json(guild: &Guild, user: Snowflake) -> Result<Value, Refusal> {
    let state = guild.voice.get(&user).ok_or(Refusal::UnknownVoiceState)?;
    Ok(guild.voice_state_json(user, state))
}
