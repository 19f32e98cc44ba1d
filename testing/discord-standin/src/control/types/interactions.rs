//! Commands that people use.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A registered command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Command id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The bot whose it is.
    pub application_id: String,
    /// The guild that it is for; everywhere without.
    pub guild_id: Option<String>,
    /// The whole command object, as REST gives it.
    pub definition: Value,
}

/// A person uses a slash command.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UseCommand {
    /// Where.
    pub channel_id: String,
    /// Name of the command.
    pub name: String,
    /// Values by option; a subcommand's value is an object of its options.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// Id or name of the bot, where several have a command of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
}

/// How far an interaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionState {
    /// No answer yet.
    Pending,
    /// The bot has said that it will answer.
    Deferred,
    /// The bot has answered.
    Answered,
    /// No answer came within three seconds.
    TimedOut,
}

/// A person's use of a command, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    /// Interaction id.
    pub id: String,
    /// Name of the command.
    pub command: String,
    /// The bot whose command it is.
    pub application_id: String,
    /// Who used it.
    pub user_id: String,
    /// Where.
    pub channel_id: String,
    /// When, in UNIX nanoseconds.
    pub created_at_ns: u64,
    /// When the bot gave its first answer.
    pub acknowledged_at_ns: Option<u64>,
    /// How far it has come.
    pub state: InteractionState,
    /// What the bot answered, oldest first.
    pub replies: Vec<InteractionReply>,
}

/// A bot's message about an interaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InteractionReply {
    /// Message id.
    pub id: String,
    /// Its present text.
    pub content: String,
    /// Its present embeds.
    pub embeds: Vec<Value>,
    /// Seen only by the person who used the command.
    pub ephemeral: bool,
    /// The first answer, not a follow-up.
    pub original: bool,
    /// How often it was changed.
    pub edits: u32,
    /// Whether it was taken back.
    pub deleted: bool,
}
