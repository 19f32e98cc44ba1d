//! Gateway sessions, and what the gateway allows a bot.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A gateway session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewaySession {
    /// Session id.
    pub session_id: String,
    /// Whose it is.
    pub user_id: String,
    /// Intents of its identify.
    pub intents: u64,
    /// Whether its websocket is up.
    pub connected: bool,
    /// Last sequence number sent.
    pub sequence: u64,
    /// How often it was resumed.
    pub resumes: u64,
    /// Heartbeats that came.
    pub heartbeats: u64,
    /// When the last one came, in UNIX nanoseconds.
    pub last_heartbeat_ns: Option<u64>,
    /// How the bot wants to be seen, as it said itself.
    pub presence: Option<Value>,
}

/// What the gateway allows a bot; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRules {
    /// Privileged intents that are switched on: `GUILD_MEMBERS`, `GUILD_PRESENCES`, `MESSAGE_CONTENT`. None at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileged_intents: Option<Vec<String>>,
    /// Whether the bot is too large for one shard (close code 4011).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharding_required: Option<bool>,
    /// How many more sessions it may begin today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_starts: Option<u32>,
}
