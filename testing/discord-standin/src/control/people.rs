//! What people do: join, speak, listen.

use std::io::Cursor;

use axum::{
    Json,
    extract::{Path, Query},
    http::header,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    answer::{self, Answer, Here, Refusal, done},
    types::{
        Frames, InChannel, Message, Play, Playback, Recording, RecordingStarted, Say, SetPriority, VoiceFlags,
        VoiceMember,
    },
    view,
};
use crate::{
    people::sound,
    server::Server,
    snowflake::Snowflake,
    voice::recording::{SAMPLE_RATE, Sound},
};

pub(super) async fn join(
    Here(server): Here,
    Path(who): Path<String>,
    Json(body): Json<InChannel>,
) -> Answer<VoiceMember> {
    let user = answer::person(&server, &who)?;
    let (channel, before) = {
        let world = server.world.lock();
        let channel = answer::channel(&world.guild, &body.channel_id)?;
        (channel, world.guild.voice.get(&user).cloned())
    };
    let flags = before
        .as_ref()
        .map_or((false, false), |state| (state.self_mute, state.self_deaf));
    let session = before.map_or_else(|| format!("{:032x}", rand::random::<u128>()), |state| state.session_id);
    server
        .join_voice(user, channel, &session, flags)
        .map_err(|refusal| Refusal::Conflict(refusal.to_string()))?;
    voice_member(&server, user)
}

pub(super) async fn leave(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    server.leave_voice(answer::person(&server, &who)?);
    Ok(done())
}

/// A bot mutes and deafens itself by its own gateway session; the server's mute and deaf work for everyone.
pub(super) async fn set_voice(
    Here(server): Here,
    Path(who): Path<String>,
    Json(flags): Json<VoiceFlags>,
) -> Answer<VoiceMember> {
    let user = if flags.self_mute.is_some() || flags.self_deaf.is_some() {
        answer::person(&server, &who)?
    } else {
        answer::user(&server, &who)?
    };
    server.set_voice_flags(user, flags);
    voice_member(&server, user)
}

pub(super) async fn play(Here(server): Here, Path(who): Path<String>, Json(play): Json<Play>) -> Answer<Playback> {
    let user = answer::person(&server, &who)?;
    if !server.world.lock().guild.voice.contains_key(&user) {
        return Err(Refusal::Conflict(format!("{who} is not in voice")));
    }
    let file = play.file.clone();
    let frames = blocking(move || sound::load(&file))
        .await?
        .map_err(|error| Refusal::Invalid(format!("{}: {error}", play.file.display())))?;
    server
        .player
        .play(user, frames, play.looping)
        .await
        .map_err(|_| Refusal::Conflict("another file took its place".to_owned()))?;
    server
        .player
        .playback(user)
        .map(Json)
        .ok_or_else(|| Refusal::Internal("the playback is gone".to_owned()))
}

pub(super) async fn stop(Here(server): Here, Path(who): Path<String>) -> Answer<Value> {
    server.player.stop(answer::person(&server, &who)?);
    Ok(done())
}

/// From the next frame that he says.
pub(super) async fn set_priority(
    Here(server): Here,
    Path(who): Path<String>,
    Json(SetPriority { priority }): Json<SetPriority>,
) -> Answer<Value> {
    server.player.set_priority(answer::person(&server, &who)?, priority);
    Ok(done())
}

pub(super) async fn playback(Here(server): Here, Path(who): Path<String>) -> Answer<Playback> {
    let user = answer::person(&server, &who)?;
    server
        .player
        .playback(user)
        .map(Json)
        .ok_or_else(|| Refusal::NotFound(format!("{who} has played nothing")))
}

pub(super) async fn record(Here(server): Here, Path(who): Path<String>) -> Answer<RecordingStarted> {
    let user = answer::person(&server, &who)?;
    let started_at_ns = server.voice.record(user);
    Ok(Json(RecordingStarted { started_at_ns }))
}

pub(super) async fn stop_recording(Here(server): Here, Path(who): Path<String>) -> Answer<Recording> {
    let user = answer::person(&server, &who)?;
    server
        .voice
        .recording(user, |recording, now| {
            recording.stop(now);
            recording.metadata(now)
        })
        .map(Json)
        .ok_or_else(|| no_recording(&who))
}

pub(super) async fn recording(Here(server): Here, Path(who): Path<String>) -> Answer<Recording> {
    let user = answer::person(&server, &who)?;
    server
        .voice
        .recording(user, |recording, now| recording.metadata(now))
        .map(Json)
        .ok_or_else(|| no_recording(&who))
}

#[derive(Deserialize)]
pub(super) struct Source {
    user: Option<String>,
}

pub(super) async fn recording_wav(
    Here(server): Here,
    Path(who): Path<String>,
    Query(source): Query<Source>,
) -> Result<Response, Refusal> {
    let user = answer::person(&server, &who)?;
    let source = source.user.map(|source| answer::user(&server, &source)).transpose()?;
    let sound = server
        .voice
        .recording(user, |recording, now| recording.sound(now, source))
        .ok_or_else(|| no_recording(&who))?;
    let wav = blocking(move || wav(&sound))
        .await?
        .map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], wav).into_response())
}

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

pub(super) async fn frames(
    Here(server): Here,
    Path(who): Path<String>,
    Query(Since { since }): Query<Since>,
) -> Answer<Frames> {
    let user = answer::person(&server, &who)?;
    server
        .voice
        .heard(user, since)
        .map(Json)
        .ok_or_else(|| no_recording(&who))
}

pub(super) async fn sent(
    Here(server): Here,
    Path(who): Path<String>,
    Query(Since { since }): Query<Since>,
) -> Answer<Frames> {
    let user = answer::user(&server, &who)?;
    Ok(Json(server.voice.sent(user, since)))
}

pub(super) async fn say(Here(server): Here, Path(who): Path<String>, Json(body): Json<Say>) -> Answer<Message> {
    let user = answer::person(&server, &who)?;
    let channel = answer::channel(&server.world.lock().guild, &body.channel_id)?;
    let message = server.post(channel, user, body.content, None);
    Ok(Json(view::message(&message)))
}

fn voice_member(server: &Server, user: Snowflake) -> Answer<VoiceMember> {
    let world = server.world.lock();
    view::voice_member(server, &world.guild, user).map(Json)
}

fn no_recording(who: &str) -> Refusal {
    Refusal::NotFound(format!("{who} has recorded nothing"))
}

/// Runs something that takes a while away from the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::Internal(error.to_string()))
}

/// Why a recording could not be written.
#[derive(Debug, thiserror::Error)]
enum WavError {
    #[error("decoding: {0}")]
    Opus(#[from] opus2::Error),
    #[error("writing: {0}")]
    Wav(#[from] hound::Error),
}

fn wav(sound: &Sound) -> Result<Vec<u8>, WavError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec)?;
    for sample in sound.render()? {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(file.into_inner())
}
