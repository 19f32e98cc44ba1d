//! One participant of a call: his voice, and what a status page shows of him.

use std::collections::HashSet;
use std::sync::Arc;

use bridge_kit::channel::PersonId;
use bridge_kit::media::{Except, MediaSink, MediaSource};
use bridge_kit::vdp::FAR_SIDE;
use serde_json::{Value, json};

use super::people::OtherSelf;

/// The group of those who hear each other at an SFU, without the bridge.
pub(super) const AT_SFU: &str = "sfu";

/// A participant. A status page shows nobody's name.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) kind: &'static str,
    pub(super) phase: &'static str,
    muted: bool,
    /// Whether he wants to hear anything: not while he has put the call on hold.
    listens: bool,
    voice: Option<Voice>,
    other_self: Option<OtherSelf>,
    /// Whether he is on the other side in person, too.
    both_sides: bool,
}

/// What he says, and what he is told.
#[derive(Debug)]
pub(super) enum Voice {
    /// He has nobody but the bridge.
    Direct { source: Arc<MediaSource>, sink: MediaSink },
    /// He is at an SFU, where he hears the others who are.
    AtSfu(Arc<MediaSource>),
    /// It is an SFU: all who are there hear it.
    Sfu { _sink: MediaSink },
}

impl Member {
    /// Somebody who has just come, in a way that `kind` names.
    pub(super) fn new(kind: &'static str, other_self: Option<OtherSelf>) -> Self {
        Self {
            kind,
            phase: "waiting",
            muted: false,
            listens: true,
            voice: None,
            other_self,
            both_sides: false,
        }
    }

    /// Gives him a voice, in place of the one that he had.
    pub(super) fn attach(&mut self, voice: Voice) {
        self.voice = Some(voice);
        self.hush();
        if self.both_sides || !self.listens {
            self.place();
        }
    }

    /// He has muted himself, or speaks again. Nothing of a muted one goes anywhere, whatever his client goes on to send.
    pub(super) fn mute(&mut self, muted: bool) {
        self.muted = muted;
        self.hush();
    }

    /// He wants to hear the others, or nobody.
    pub(super) fn listen(&mut self, listens: bool) {
        if listens != self.listens {
            self.listens = listens;
            self.place();
        }
    }

    fn hush(&self) {
        if let Some(Voice::Direct { source, .. } | Voice::AtSfu(source)) = &self.voice {
            source.set_muted(self.muted);
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
        match &self.voice {
            Some(Voice::Direct { source, sink }) => {
                source.set_groups(if self.both_sides { &[FAR_SIDE] } else { &[] });
                sink.set_except(match (self.listens, self.both_sides) {
                    (false, _) => Except::Everybody,
                    (true, true) => Except::Group(FAR_SIDE),
                    (true, false) => Except::Source(source.id()),
                });
            }
            Some(Voice::AtSfu(source)) if self.both_sides => source.set_groups(&[AT_SFU, FAR_SIDE]),
            Some(Voice::AtSfu(source)) => source.set_groups(&[AT_SFU]),
            Some(Voice::Sfu { .. }) | None => {}
        }
    }

    /// Whether somebody hears the other side by this place in the call. Who is at an SFU hears it by the SFU's place.
    pub(super) fn hears_the_far_side(&self) -> bool {
        match &self.voice {
            Some(Voice::AtSfu(_)) => false,
            Some(Voice::Sfu { .. }) => true,
            Some(Voice::Direct { .. }) | None => self.listens && !self.both_sides,
        }
    }

    fn is_speaking(&self) -> bool {
        match &self.voice {
            Some(Voice::Direct { source, .. } | Voice::AtSfu(source)) => source.is_speaking(),
            Some(Voice::Sfu { .. }) | None => false,
        }
    }

    pub(super) fn status(&self) -> Value {
        json!({
            "kind": self.kind,
            "phase": self.phase,
            "muted": self.muted,
            "listens": self.listens,
            "speaking": self.is_speaking(),
            "both_sides": self.both_sides,
        })
    }
}
