//! A participant as a status page shows it.

use std::sync::Arc;

use bridge_kit::media::MediaSource;
use serde_json::{Value, json};

/// What a status page shows of a participant. Nobody's name is among it.
#[derive(Debug)]
pub(super) struct Member {
    kind: &'static str,
    pub(super) phase: &'static str,
    pub(super) muted: bool,
    pub(super) source: Option<Arc<MediaSource>>,
}

impl Member {
    /// Somebody who has just come, in a way that `kind` names.
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            phase: "waiting",
            muted: false,
            source: None,
        }
    }

    pub(super) fn status(&self) -> Value {
        let speaking = self.source.as_ref().is_some_and(|source| source.is_speaking());
        json!({"kind": self.kind, "phase": self.phase, "muted": self.muted, "speaking": speaking})
    }
}
