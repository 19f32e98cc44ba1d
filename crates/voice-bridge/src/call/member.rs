//! One participant of a call: his voice, and what a status page shows of him.

use std::collections::HashSet;
use std::sync::Arc;

use bridge_kit::channel::PersonId;
use bridge_kit::media::{Except, MediaSink, MediaSource};
use bridge_kit::vdp::FAR_SIDE;
use serde_json::{Value, json};

use super::people::OtherSelf;

/// The group of who is on this side only.
const HERE: &str = "";

/// A participant. A status page shows nobody's name.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) kind: &'static str,
    pub(super) phase: &'static str,
    pub(super) muted: bool,
    voice: Option<Voice>,
    other_self: Option<OtherSelf>,
    /// Whether he is on the other side in person, too.
    both_sides: bool,
}

/// What he says, and what he is told.
#[derive(Debug)]
struct Voice {
    source: Arc<MediaSource>,
    sink: MediaSink,
}

impl Member {
    /// Somebody who has just come, in a way that `kind` names.
    pub(super) fn new(kind: &'static str, other_self: Option<OtherSelf>) -> Self {
        Self {
            kind,
            phase: "waiting",
            muted: false,
            voice: None,
            other_self,
            both_sides: false,
        }
    }

    /// Gives him a voice, in place of the one that he had.
    pub(super) fn attach(&mut self, source: Arc<MediaSource>, sink: MediaSink) {
        self.voice = Some(Voice { source, sink });
        if self.both_sides {
            self.place();
        }
    }

    /// These are on the other side now.
    pub(super) fn meet(&mut self, there: &HashSet<PersonId>) {
        let both_sides = self.other_self.as_ref().is_some_and(|other| other.is_among(there));
        if both_sides != self.both_sides {
            self.both_sides = both_sides;
            self.place();
        }
    }

    /// Who is on both sides belongs to the far one, as far as what crosses is concerned.
    fn place(&self) {
        if let Some(Voice { source, sink }) = &self.voice {
            let (group, except) = if self.both_sides {
                (FAR_SIDE, Except::Group(FAR_SIDE))
            } else {
                (HERE, source.id().into())
            };
            source.set_group(group);
            sink.set_except(except);
        }
    }

    pub(super) fn status(&self) -> Value {
        json!({
            "kind": self.kind,
            "phase": self.phase,
            "muted": self.muted,
            "speaking": self.voice.as_ref().is_some_and(|voice| voice.source.is_speaking()),
            "both_sides": self.both_sides,
        })
    }
}
