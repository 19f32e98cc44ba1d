//! What the page is told by the server that serves it, and what it tells of itself.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `GET /api/config`: where the page is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageConfig {
    /// The base URL of the homeserver's client API.
    pub homeserver_url: String,
    /// The bridged room.
    pub room_id: String,
    /// What the room is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_name: Option<String>,
    /// Who may be named in the page's address. The first one is taken if none is named.
    pub people: Vec<String>,
    /// Whom calls are for. Nobody in particular if it is not given: then the call rings for all in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invitee: Option<String>,
    /// Why there are no calls of MatrixRTC, where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtc_missing: Option<String>,
}

/// `GET /api/session?name=…`: who the page is. It has a token with its device, or a password to log in with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageSession {
    /// The full user id.
    pub user_id: String,
    /// What the person is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The token of a login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// The device of that login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The password, where there is no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl fmt::Debug for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSession")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// `GET /api/status`: how the bridges are, asked for once a second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStatus {
    /// The voice channel between the bridges for the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<PageChannel>,
    /// The bridges.
    #[serde(default)]
    pub bridges: Vec<PageBridge>,
    /// The Discord side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discord: Option<PageDiscord>,
}

/// The state of the channel between the bridges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageChannel {
    /// One of `none`, `requested`, `open`, `broken`, `closed`.
    pub state: String,
    /// Anything more that is worth showing, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The state of a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageBridge {
    /// Which bridge.
    pub name: String,
    /// One of `starting`, `running`, `failed`, `stopped`.
    pub state: String,
    /// Anything more that is worth showing, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The Discord voice channel that the room is bridged to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageDiscord {
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Who is in it.
    #[serde(default)]
    pub people: Vec<PageDiscordPerson>,
}

/// Somebody in the voice channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageDiscordPerson {
    /// What he is called.
    pub name: String,
    /// Whether his ring is lit.
    #[serde(default)]
    pub speaking: bool,
    /// Whether he is muted.
    #[serde(default)]
    pub muted: bool,
    /// Whether it is a bot.
    #[serde(default)]
    pub bot: bool,
}

/// Above this something is to be heard (RMS, 0 to 1).
pub const AUDIBLE: f64 = 0.005;

/// How far the page's call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// There has been no call yet.
    Idle,
    /// Asked for, and not answered yet.
    Calling,
    /// Answered; the media connection is being made.
    Connecting,
    /// Both sides can be heard.
    Connected,
    /// Ended as calls do: somebody hung up.
    Ended,
    /// Ended by an error.
    Failed,
}

impl CallState {
    /// Whether nothing comes after it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed)
    }
}

/// What the page shows and hears.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageState {
    /// Whether one can call: logged in and synchronised.
    pub ready: bool,
    /// Why one cannot, or what went wrong.
    pub error: Option<String>,
    /// The user id it is logged in with.
    pub user: Option<String>,
    /// How far the call is.
    pub call: CallState,
    /// Whether the microphone is muted.
    pub muted: bool,
    /// The loudest level (RMS, 0 to 1) of the microphone in the last second.
    pub microphone_level: f64,
    /// The loudest level (RMS, 0 to 1) from the other side in the last second; above [`AUDIBLE`] something is to be heard.
    pub remote_level: f64,
    /// The `call_id` of the call, or of the last one.
    pub call_id: Option<String>,
    /// The reason with which the last call ended, as in `m.call.hangup`.
    pub end_reason: Option<String>,
    /// How long the call has been connected, or was.
    pub seconds_connected: f64,
    /// Since when it is connected: milliseconds since the UNIX epoch, the clock of all recordings.
    pub connected_at: Option<f64>,
    /// The state of the channel between the bridges, as shown.
    pub channel: Option<String>,
    /// What has happened, in the words that are shown, oldest first.
    pub log: Vec<String>,
    /// What both ends of the call have agreed on last; nothing while they negotiate.
    pub agreed: Option<Agreed>,
    /// Who is in the call, oldest first; nobody in calls by `m.call` events, which do not tell.
    #[serde(default)]
    pub members: Vec<PageMember>,
    /// When the page was told of others who speak on Discord, oldest first.
    #[serde(default)]
    pub speaker_changes: Vec<SpeakerChange>,
}

/// From a moment on these spoke on Discord, as the page was told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SpeakerChange {
    /// Milliseconds since the UNIX epoch.
    pub at: f64,
    /// What they are called.
    pub names: Vec<String>,
}

/// Somebody in a call of MatrixRTC, as the page knows him.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageMember {
    /// Names him among the recordings: user and device.
    pub key: String,
    /// The full user id.
    pub user_id: String,
    /// What he is called in the room.
    pub name: String,
    /// Where his voice is to be had.
    pub focus: Option<String>,
    /// Whether he is connected there.
    pub there: bool,
    /// Whether he is muted, as he is too who publishes no voice; nothing before the page is connected to his focus.
    pub muted: Option<bool>,
    /// Whether his ring is lit.
    pub speaking: Option<bool>,
    /// The loudest level (RMS, 0 to 1) of his voice in the last second.
    pub level: f64,
}

impl PageState {
    /// A member of the call by user id.
    pub fn member(&self, user_id: &str) -> Option<&PageMember> {
        self.members.iter().find(|member| member.user_id == user_id)
    }
}

/// What the two ends of a call have agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agreed {
    /// Which way the voice goes, as seen from the page: `sendrecv`, on hold `sendonly`.
    pub direction: Option<String>,
    /// The other end's name in ICE: another one after each restart.
    pub ice_user: Option<String>,
    /// The state of ICE, `connected` or `completed` where there is a way.
    pub ice_state: String,
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {:?}", self.call)?;
        if let Some(reason) = &self.end_reason {
            write!(f, " ({reason})")?;
        }
        if let Some(error) = &self.error {
            write!(f, ", error: {error}")?;
        }
        for PageMember {
            name,
            there,
            muted,
            speaking,
            ..
        } in &self.members
        {
            write!(f, "; {name}: there {there}, muted {muted:?}, speaking {speaking:?}")?;
        }
        let recent = self.log.iter().rev().take(6).rev().cloned().collect::<Vec<_>>();
        write!(f, "; last events: {}", recent.join(" | "))
    }
}
