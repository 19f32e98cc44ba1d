//! Limits of the REST interface.

use serde::{Deserialize, Serialize};

/// A number of requests in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Requests in one window.
    pub limit: u32,
    /// Length of a window, which begins with its first request.
    pub window_ms: u64,
}

/// A route of the REST interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// HTTP method.
    pub method: String,
    /// Path with the names of its parameters, such as `/channels/{channel}/messages`.
    pub path: String,
}

/// Narrows or widens a limit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetRate {
    /// The route; the global limit without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The limit.
    pub rate: Rate,
}

/// What kind of limit a 429 speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateScope {
    /// The bot's own, on one route.
    #[default]
    User,
    /// The bot's own, on all routes.
    Global,
    /// Everyone's, on one resource.
    Shared,
}

/// Makes the next requests answer 429, whatever the limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefuseRequests {
    /// How many.
    pub times: u32,
    /// What they are told to wait.
    pub retry_after_ms: u64,
    /// Which limit they are told of.
    #[serde(default)]
    pub scope: RateScope,
    /// Only requests to this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}
