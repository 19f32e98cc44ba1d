//! End-to-end encryption (DAVE) of voice channels.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which clients a voice channel takes, and how they speak there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DavePolicy {
    /// Encrypted; a client without DAVE is closed with 4017. Discord's voice channels.
    Required,
    /// Encrypted while everybody can.
    Optional,
    /// Never encrypted. Discord's stages.
    Off,
}

/// What is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of required, optional and off")]
pub struct NoPolicy(String);

impl FromStr for DavePolicy {
    type Err = NoPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "required" => Ok(Self::Required),
            "optional" => Ok(Self::Optional),
            "off" => Ok(Self::Off),
            _ => Err(NoPolicy(text.to_owned())),
        }
    }
}

/// The encryption of a call that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// DAVE version in use; 0 is no encryption.
    pub protocol_version: u16,
    /// Epoch of the MLS group; 0 before it is established.
    pub epoch: u64,
    /// Users in the group.
    pub members: Vec<String>,
    /// Users who are connected and not in the group.
    pub pending: Vec<String>,
    /// A change that members are preparing.
    pub transition: Option<PendingTransition>,
}

impl Call {
    /// Whether everybody who is there, two or more, has the keys of all others.
    pub const fn is_agreed(&self) -> bool {
        self.members.len() > 1 && self.pending.is_empty() && self.transition.is_none()
    }
}

/// A change that members are preparing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTransition {
    /// Its id.
    pub id: u16,
    /// The DAVE version after it.
    pub protocol_version: u16,
    /// Users who have not said that they are ready.
    pub waiting_for: Vec<String>,
}

/// What a person made of a speaker's frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardSpeaker {
    /// Who spoke.
    pub user_id: String,
    /// Frames that were decrypted.
    pub decrypted: u64,
    /// Encrypted frames for which there was no key.
    pub undecrypted: u64,
    /// Frames with sound that came unencrypted into an encrypted call.
    pub plain: u64,
    /// Silence frames, which are never encrypted.
    pub silence: u64,
}
