//! One participant's place in a call.

use std::fmt;
use std::sync::Arc;

use bridge_kit::media::{Except, MediaSource, PacketSink, SinkSpec, SourceSpec};
use tokio::sync::watch;

use super::ChannelState;
use super::core::Core;
use super::member::{AT_SFU, Member, Voice};
use crate::instruments;
use crate::speaking::Speakers;

/// A place in a call. Dropping it leaves the call; the last to leave ends it.
pub struct Participation {
    core: Arc<Core>,
    id: u64,
    kind: &'static str,
    channel: watch::Receiver<ChannelState>,
}

impl fmt::Debug for Participation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participation")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Participation {
    pub(super) fn new(core: Arc<Core>, member: Member) -> Self {
        let kind = member.kind;
        let id = core.enter(member);
        instruments::PARTICIPANTS.with([kind]).increment(1.0);
        let channel = core.state();
        Self {
            core,
            id,
            kind,
            channel,
        }
    }

    /// The state of the call's channel.
    pub fn channel(&self) -> ChannelState {
        *self.channel.borrow()
    }

    /// The state of the call's channel, for somebody who waits for its changes.
    pub fn watch_channel(&self) -> watch::Receiver<ChannelState> {
        self.channel.clone()
    }

    /// Who may speak on the other side, for somebody who is told who does.
    pub fn speakers(&self) -> watch::Receiver<Speakers> {
        self.core.speakers()
    }

    /// The call that this is a place in.
    pub(super) fn core(&self) -> Arc<Core> {
        self.core.clone()
    }

    /// Waits until the channel's state changes, and returns it. Cancel-safe.
    pub async fn channel_changed(&mut self) -> ChannelState {
        match self.channel.changed().await {
            Ok(()) => *self.channel.borrow_and_update(),
            // The call's task is gone, which happens only if it panicked.
            Err(_) => ChannelState::Ended(super::Ended::Failed),
        }
    }

    /// Takes part in the voice: what is pushed into the source everybody else hears, and `sink` gets what
    /// everybody else says. A second call replaces the first.
    pub fn attach(&self, sink: Box<dyn PacketSink>) -> Arc<MediaSource> {
        let media = &self.core.media;
        let source = Arc::new(media.add_source(SourceSpec::new(self.kind)));
        let spec = SinkSpec::new(self.kind).except(source.id()).late_packets();
        let sink = media.add_sink(spec, sink);
        self.attach_voice(Voice::Direct {
            source: source.clone(),
            sink,
        });
        source
    }

    /// Takes part as somebody at an SFU, where those who are there hear each other: what is pushed into the source all
    /// hear who are not there, and the other side. A second call replaces the first.
    pub fn attach_at_sfu(&self) -> Arc<MediaSource> {
        let spec = SourceSpec::new(self.kind).groups(&[AT_SFU]);
        let source = Arc::new(self.core.media.add_source(spec));
        self.attach_voice(Voice::AtSfu(source.clone()));
        source
    }

    /// Takes part as an SFU: `sink` gets what everybody says who is not there. A second call replaces the first.
    pub fn attach_sfu(&self, sink: Box<dyn PacketSink>) {
        let spec = SinkSpec::new(self.kind).except(Except::Group(AT_SFU)).late_packets();
        let sink = self.core.media.add_sink(spec, sink);
        self.attach_voice(Voice::Sfu { _sink: sink });
    }

    fn attach_voice(&self, voice: Voice) {
        self.core.update(self.id, |member| member.attach(voice));
    }

    /// Shows in one word how far the participant is.
    pub fn set_phase(&self, phase: &'static str) {
        self.core.update(self.id, |member| member.phase = phase);
    }

    /// Says whether the participant has muted himself: then nobody hears him, whatever he sends.
    pub fn set_muted(&self, muted: bool) {
        self.core.update(self.id, |member| member.mute(muted));
    }

    /// Says whether the participant listens; nothing is made for one who does not.
    pub fn set_listening(&self, listening: bool) {
        self.core.update(self.id, |member| member.listen(listening));
    }
}

impl Drop for Participation {
    fn drop(&mut self) {
        self.core.leave(self.id);
        instruments::PARTICIPANTS.with([self.kind]).decrement(1.0);
    }
}
