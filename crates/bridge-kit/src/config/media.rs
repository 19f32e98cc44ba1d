//! `[media]`

use std::num::NonZeroUsize;

use serde::Deserialize;

/// How voice is worked on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Threads that decode, mix and encode. A room lives on one of them.
    pub threads: NonZeroUsize,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN.saturating_add(1),
        }
    }
}
