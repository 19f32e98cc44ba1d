//! A typed client of the control interface.

mod gateway;
mod guild;
mod network;

use std::path::Path;

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::types::{
    Account, Channel, ChannelChange, ChannelKind, DavePolicy, Frames, Guild, Looks, Message, NewBot, NewChannel,
    NewGuild, NewPerson, Overwrite, Play, Playback, Recording, RecordingStarted, Say, SetPriority, State, VoiceFlags,
    VoiceMember,
};

/// Why a call of the control interface failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The stand-in could not be asked.
    #[error("the stand-in's control interface did not answer")]
    Transport(#[from] reqwest::Error),
    /// The stand-in refused.
    #[error("the stand-in answered {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its reason.
        text: String,
    },
}

/// Makes things happen in a running stand-in. `who` is always a user id or a name.
#[derive(Clone, Debug)]
pub struct ControlClient {
    base: String,
    /// The guild that it is about; the first without.
    guild: Option<String>,
    http: reqwest::Client,
}

impl ControlClient {
    /// A client of the control interface at `base` (the `control` field of [`crate::Info`]).
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            guild: None,
            http: reqwest::Client::new(),
        }
    }

    /// The same for another guild: its people, its channels, its voice server.
    #[must_use]
    pub fn of_guild(&self, id: &str) -> Self {
        Self {
            guild: Some(id.to_owned()),
            ..self.clone()
        }
    }

    /// Opens another guild, which the first bot is in.
    pub async fn create_guild(&self, name: &str) -> Result<Guild, ControlError> {
        let guild = NewGuild { name: name.to_owned() };
        self.call(Method::POST, "guilds", &guild).await
    }

    /// Everything that is to be known.
    pub async fn state(&self) -> Result<State, ControlError> {
        self.fetch("state").await
    }

    /// Adds a person to the guild.
    pub async fn create_person(&self, name: &str) -> Result<Account, ControlError> {
        let person = NewPerson { name: name.to_owned() };
        self.call(Method::POST, "people", &person).await
    }

    /// Changes a person's nickname and picture.
    pub async fn change_looks(&self, who: &str, looks: &Looks) -> Result<Account, ControlError> {
        self.call(Method::PATCH, &format!("people/{who}"), looks).await
    }

    /// Adds a bot that may log in with `token`.
    pub async fn create_bot(&self, name: &str, token: &str) -> Result<Account, ControlError> {
        let bot = NewBot {
            name: name.to_owned(),
            token: token.to_owned(),
        };
        self.call(Method::POST, "bots", &bot).await
    }

    /// Takes a person out of the guild.
    pub async fn remove_person(&self, who: &str) -> Result<(), ControlError> {
        self.command(Method::DELETE, &format!("people/{who}"), &json!({})).await
    }

    /// Lets a person join or change to a voice channel.
    pub async fn join(&self, who: &str, channel_id: &str) -> Result<VoiceMember, ControlError> {
        let body = json!({ "channel_id": channel_id });
        self.call(Method::POST, &format!("people/{who}/join"), &body).await
    }

    /// Lets a person leave voice.
    pub async fn leave(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "leave").await
    }

    /// Changes mute and deaf.
    pub async fn set_voice(&self, who: &str, flags: VoiceFlags) -> Result<VoiceMember, ControlError> {
        self.call(Method::POST, &format!("people/{who}/voice_state"), &flags)
            .await
    }

    /// Plays a file; answered when the first frame has left.
    pub async fn play(&self, who: &str, file: &Path, looping: bool) -> Result<Playback, ControlError> {
        let play = Play {
            file: file.to_owned(),
            looping,
        };
        self.call(Method::POST, &format!("people/{who}/play"), &play).await
    }

    /// Ends what a person plays.
    pub async fn stop(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "stop").await
    }

    /// Lets a person speak with priority from his next frame on, or without.
    pub async fn set_priority(&self, who: &str, priority: bool) -> Result<(), ControlError> {
        let body = SetPriority { priority };
        self.command(Method::POST, &format!("people/{who}/priority"), &body)
            .await
    }

    /// What a person plays or played last.
    pub async fn playback(&self, who: &str) -> Result<Playback, ControlError> {
        self.fetch(&format!("people/{who}/playback")).await
    }

    /// Records from now on what a person hears.
    pub async fn record(&self, who: &str) -> Result<RecordingStarted, ControlError> {
        self.call(Method::POST, &format!("people/{who}/record"), &json!({}))
            .await
    }

    /// Ends a recording; it can still be read.
    pub async fn stop_recording(&self, who: &str) -> Result<Recording, ControlError> {
        self.call(Method::POST, &format!("people/{who}/record/stop"), &json!({}))
            .await
    }

    /// What is known of a recording without its sound.
    pub async fn recording(&self, who: &str) -> Result<Recording, ControlError> {
        self.fetch(&format!("people/{who}/recording")).await
    }

    /// The recording as WAV (48 kHz, mono, 16 bit); with `source` only what that user said.
    pub async fn recording_wav(&self, who: &str, source: Option<&str>) -> Result<Vec<u8>, ControlError> {
        let query = source.map_or_else(String::new, |user| format!("?user={user}"));
        let path = format!("people/{who}/recording.wav{query}");
        Ok(self.get(&path).await?.bytes().await?.to_vec())
    }

    /// The frames a person heard since his recording began, from index `since` on.
    pub async fn frames(&self, who: &str, since: u64) -> Result<Frames, ControlError> {
        self.fetch(&format!("people/{who}/frames?since={since}")).await
    }

    /// The frames that a member (person or bot) sent, from index `since` on.
    pub async fn sent(&self, who: &str, since: u64) -> Result<Frames, ControlError> {
        self.fetch(&format!("people/{who}/sent?since={since}")).await
    }

    /// Posts a text message as a person.
    pub async fn say(&self, who: &str, channel_id: &str, content: &str) -> Result<Message, ControlError> {
        let say = Say {
            channel_id: channel_id.to_owned(),
            content: content.to_owned(),
        };
        self.call(Method::POST, &format!("people/{who}/say"), &say).await
    }

    /// Creates a channel.
    pub async fn create_channel(
        &self,
        name: &str,
        kind: ChannelKind,
        user_limit: u32,
    ) -> Result<Channel, ControlError> {
        let channel = NewChannel {
            name: name.to_owned(),
            kind,
            user_limit,
            dave: None,
        };
        self.call(Method::POST, "channels", &channel).await
    }

    /// Changes a channel's name or limit.
    pub async fn change_channel(&self, channel_id: &str, change: &ChannelChange) -> Result<Channel, ControlError> {
        self.call(Method::PATCH, &format!("channels/{channel_id}"), change)
            .await
    }

    /// Changes whether a channel's voice is encrypted end to end.
    pub async fn set_dave(&self, channel_id: &str, policy: DavePolicy) -> Result<Channel, ControlError> {
        let change = ChannelChange {
            dave: Some(policy),
            ..ChannelChange::default()
        };
        self.change_channel(channel_id, &change).await
    }

    /// Deletes a channel; its voice members are disconnected.
    pub async fn delete_channel(&self, channel_id: &str) -> Result<(), ControlError> {
        let path = format!("channels/{channel_id}");
        self.command(Method::DELETE, &path, &json!({})).await
    }

    /// Sets the permission overwrite of a member or a role in a channel.
    pub async fn set_overwrite(&self, channel_id: &str, who: &str, overwrite: &Overwrite) -> Result<(), ControlError> {
        let path = format!("channels/{channel_id}/overwrites/{who}");
        self.command(Method::PUT, &path, overwrite).await
    }

    /// Takes a permission overwrite away.
    pub async fn clear_overwrite(&self, channel_id: &str, who: &str) -> Result<(), ControlError> {
        let path = format!("channels/{channel_id}/overwrites/{who}");
        self.command(Method::DELETE, &path, &json!({})).await
    }

    /// A moderator disconnects a member from voice.
    pub async fn kick_voice(&self, who: &str) -> Result<(), ControlError> {
        self.order(who, "kick_voice").await
    }

    /// A moderator moves a member to another voice channel.
    pub async fn move_to(&self, who: &str, channel_id: &str) -> Result<(), ControlError> {
        let body = json!({ "channel_id": channel_id });
        self.command(Method::POST, &format!("people/{who}/move"), &body).await
    }

    /// Closes a bot's voice websocket with `code`; 0 cuts the connection.
    pub async fn close_voice(&self, who: &str, code: u16) -> Result<(), ControlError> {
        let body = json!({ "code": code });
        self.command(Method::POST, &format!("people/{who}/close_voice"), &body)
            .await
    }

    async fn order(&self, who: &str, order: &str) -> Result<(), ControlError> {
        self.command(Method::POST, &format!("people/{who}/{order}"), &json!({}))
            .await
    }

    async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        Ok(self.get(path).await?.json().await?)
    }

    async fn get(&self, path: &str) -> Result<reqwest::Response, ControlError> {
        accepted(self.to(Method::GET, path).send().await?).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, ControlError> {
        Ok(self.request(method, path, body).await?.json().await?)
    }

    async fn command<B: Serialize>(&self, method: Method, path: &str, body: &B) -> Result<(), ControlError> {
        self.request(method, path, body).await.map(drop)
    }

    async fn request<B: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<reqwest::Response, ControlError> {
        accepted(self.to(method, path).json(body).send().await?).await
    }

    fn to(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let guild: Vec<_> = self.guild.iter().map(|id| ("guild", id)).collect();
        let url = format!("{}/{path}", self.base);
        self.http.request(method, url).query(&guild)
    }
}

/// The response, or the refusal that it carries.
async fn accepted(response: reqwest::Response) -> Result<reqwest::Response, ControlError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(ControlError::Refused {
        status: status.as_u16(),
        text: response.text().await?,
    })
}
