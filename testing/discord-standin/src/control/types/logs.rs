//! What went over REST and over gateway websockets.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request to the REST interface and how it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestRequest {
    /// Position in the log, counted from its start.
    pub index: u64,
    /// When it came, in UNIX nanoseconds.
    pub at_ns: u64,
    /// HTTP method.
    pub method: String,
    /// Path and query without the base and the version.
    pub path: String,
    /// Whose token came with it.
    pub user_id: Option<String>,
    /// Its JSON, if it had any.
    pub body: Option<Value>,
    /// HTTP status of the answer.
    pub status: u16,
}

/// A part of the log of requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestRequests {
    /// The requests, oldest first.
    pub requests: Vec<RestRequest>,
    /// Pass as `since` to read on.
    pub next: u64,
}

/// Who sent a gateway message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The stand-in: an event.
    Server,
    /// A bot: an operation.
    Client,
}

/// An event that was dispatched, or an operation of a bot other than a heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GatewayMessage {
    /// Position in the log, counted from its start.
    pub index: u64,
    /// When, in UNIX nanoseconds.
    pub at_ns: u64,
    /// Who sent it.
    pub sender: Sender,
    /// The bot; `None` before it has identified.
    pub user_id: Option<String>,
    /// Operation.
    pub op: u64,
    /// Name of an event.
    pub name: Option<String>,
    /// Sequence number of an event.
    pub sequence: Option<u64>,
    /// Its data.
    pub data: Value,
}

/// A part of the log of gateway messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayMessages {
    /// The messages, oldest first.
    pub messages: Vec<GatewayMessage>,
    /// Pass as `since` to read on.
    pub next: u64,
}
