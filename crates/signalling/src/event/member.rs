//! The state event that shows a bridged room one person in the voice channel that it is linked to.

use serde_json::{Map, Value};

use super::error::EventError;
use super::json::Content;
use super::state::read_or_none;
use super::{PersonId, names};

/// Somebody in a voice channel, as the room's state shows him (requirement S12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, and any combination occurs"
)]
pub struct Member {
    /// As the answering side names him; for Discord his user id.
    pub id: PersonId,
    /// His ghost, who has his name and picture.
    pub user_id: String,
    /// What he is called in the voice channel.
    pub display_name: String,
    /// What the other network calls his picture, by which a new one is known; none where he has none.
    pub avatar: Option<String>,
    /// Where the picture is on Matrix (`mxc://…`); none where it could not be had.
    pub avatar_url: Option<String>,
    /// Whether he is a program.
    pub bot: bool,
    /// He has switched his microphone off.
    pub self_mute: bool,
    /// He has switched off what he hears.
    pub self_deaf: bool,
    /// Somebody else has switched his microphone off.
    pub server_mute: bool,
    /// Somebody else has switched off what he hears.
    pub server_deaf: bool,
    /// He is in the audience of a stage, or may not speak.
    pub suppressed: bool,
    /// Since when he is there, as far as the bridge has seen it, in milliseconds since 1970.
    pub since: u64,
}

impl Member {
    /// The state key of somebody whose ghost this is.
    ///
    /// A key that is a user id can be set by that very user alone (the rooms' authorisation rules), and a ghost is not even
    /// in the room; hence the `_`, as state events of `MatrixRTC` have it.
    pub fn state_key(user_id: &str) -> String {
        format!("_{user_id}")
    }

    /// The content that stands where somebody is not there any more.
    pub fn none() -> Value {
        Value::Object(Map::new())
    }

    /// Reads the content; none where he is not there any more.
    pub fn from_json(content: &Value) -> Result<Option<Self>, EventError> {
        read_or_none(names::MEMBER, content, |fields| {
            Ok(Self {
                id: fields.person_id("id")?,
                user_id: fields.string("user_id")?.to_owned(),
                display_name: fields.label("display_name")?.unwrap_or_default(),
                avatar: fields.label("avatar")?,
                avatar_url: fields.label("avatar_url")?,
                bot: fields.flag("bot")?,
                self_mute: fields.flag("self_mute")?,
                self_deaf: fields.flag("self_deaf")?,
                server_mute: fields.flag("server_mute")?,
                server_deaf: fields.flag("server_deaf")?,
                suppressed: fields.flag("suppressed")?,
                since: fields.moment("since")?,
            })
        })
    }

    /// The content.
    pub fn to_json(&self) -> Value {
        let mut content = Content::versioned();
        content.put("id", self.id.as_str());
        content.put("user_id", self.user_id.as_str());
        content.put("display_name", self.display_name.as_str());
        for (name, text) in [("avatar", &self.avatar), ("avatar_url", &self.avatar_url)] {
            if let Some(text) = text {
                content.put(name, text.as_str());
            }
        }
        for (name, flag) in [
            ("bot", self.bot),
            ("self_mute", self.self_mute),
            ("self_deaf", self.self_deaf),
            ("server_mute", self.server_mute),
            ("server_deaf", self.server_deaf),
            ("suppressed", self.suppressed),
        ] {
            content.put(name, flag);
        }
        content.put("since", self.since);
        content.into()
    }
}
