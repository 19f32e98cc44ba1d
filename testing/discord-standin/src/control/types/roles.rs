//! Roles, and settings of the guild.

use serde::{Deserialize, Serialize};

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Role id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Place; a higher one is above.
    pub position: u32,
    /// Permission names.
    pub permissions: Vec<String>,
    /// Belongs to an integration: nobody gives or takes it.
    pub managed: bool,
}

/// Creates or changes a role; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSettings {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Permission names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Place; 1 is the lowest above `@everyone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// Where those who are away are moved to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AfkSettings {
    /// A voice channel; none without.
    #[serde(default)]
    pub channel_id: Option<String>,
    /// After how many seconds a client is away; stays without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}
