//! Hears a voice channel: songbird's events on one end, sources of the room on the other.
//!
//! Packets are taken as they come (`RtpPacket`), not from songbird's own jitter buffer (`VoiceTick`): the engine of the room
//! has one, and songbird 0.6.1 leaves DAVE's trailer on what comes out of its own, which corrupts the audio.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bridge_kit::channel::SpeakerId;
use bridge_kit::media::{Except, InPacket, MediaSource, RoomMedia, SinkClock, SinkSpec, SourceSpec};
use serenity::async_trait;
use songbird::events::context_data::{DisconnectData, DisconnectReason, RtpData};
use songbird::model::payload::{ClientDisconnect, Speaking};
use songbird::packet::Packet as _;
use songbird::{Call, CoreEvent, Event, EventContext, EventHandler};
use tokio::sync::watch;

use super::counters::HearCounters;
use super::dave::{self, Encrypted};
use super::event::Loss;
use super::incoming::{self, Fate, RtpPacket, Speakers, Speech, Voice};
use super::line::Line;
use super::metrics;
use crate::gateway::facts::UserId;

/// Says whether a user's voice goes to the room, and how.
pub(crate) type Admit = Arc<dyn Fn(UserId) -> Option<Admitted> + Send + Sync>;

/// Whose voice goes to the room.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Admitted {
    /// What stands for him in packets.
    pub(crate) speaker: Option<SpeakerId>,
}

/// The group of a room's sources that all speakers of Discord are in.
const GROUP: &str = "discord";

/// What the room needs to know of the end that speaks to Discord.
pub(crate) fn sink_spec() -> SinkSpec {
    // Discord lets its people hear each other; the room's engine must not do it a second time.
    SinkSpec::new("discord").except(hearing(true)).clock(SinkClock::Ticks)
}

/// Whom Discord does not hear: its own people, and everybody where nobody there listens.
pub(super) fn hearing(anybody: bool) -> Except {
    if anybody {
        Except::Group(GROUP)
    } else {
        Except::Everybody
    }
}

/// The ears in one voice channel.
pub(crate) struct Listener {
    /// `None` once it no longer listens.
    speakers: Mutex<Option<Speakers<RoomVoice>>>,
    media: RoomMedia,
    admit: Admit,
    line: watch::Sender<Line>,
    counters: HearCounters,
    encrypted: Encrypted,
}

/// Listens for as long as it lives. Nothing reaches the room after it is dropped, whatever songbird still delivers.
pub(super) struct Ears(pub(super) Arc<Listener>);

impl Drop for Ears {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Registers a listener with a call.
pub(super) fn attach(listener: &Arc<Listener>, call: &mut Call) {
    for event in [
        CoreEvent::RtpPacket,
        CoreEvent::SpeakingStateUpdate,
        CoreEvent::ClientDisconnect,
        CoreEvent::DriverConnect,
        CoreEvent::DriverDisconnect,
        CoreEvent::DriverReconnect,
    ] {
        call.add_global_event(event.into(), Handler(Arc::clone(listener)));
    }
}

impl Listener {
    pub(super) fn new(media: RoomMedia, admit: Admit, line: watch::Sender<Line>) -> Self {
        Self {
            speakers: Mutex::new(Some(Speakers::new())),
            media,
            admit,
            line,
            counters: HearCounters::default(),
            encrypted: Encrypted::default(),
        }
    }

    /// What has been heard so far.
    pub(super) fn counters(&self) -> &HearCounters {
        &self.counters
    }

    /// Streams of people who are bridged.
    pub(super) fn speakers(&self) -> usize {
        self.with_speakers(|speakers| speakers.bridged()).unwrap_or(0)
    }

    /// The lock is never contended but by `/status`: songbird runs the handlers of a call one after the other.
    fn with_speakers<T>(&self, f: impl FnOnce(&mut Speakers<RoomVoice>) -> T) -> Option<T> {
        self.speakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .map(f)
    }

    fn stop(&self) {
        *self.speakers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn packet(&self, data: &RtpData) {
        let received = Instant::now();
        let rtp = data.rtp();
        let payload = rtp.payload();
        let end = payload.len().saturating_sub(data.payload_end_pad);
        // A packet of nothing but padding holds no voice.
        let Some(opus) = payload.get(data.payload_offset..end).filter(|opus| !opus.is_empty()) else {
            return;
        };
        let padded = rtp.get_padding() != 0;
        let encrypted = dave::was_encrypted(payload, data.payload_end_pad, padded);
        if !self.encrypted.admits(opus, encrypted, received) {
            self.counters.unencrypted();
            return;
        }
        if encrypted {
            self.counters.decrypted();
        }
        let packet = RtpPacket {
            ssrc: rtp.get_ssrc(),
            sequence: rtp.get_sequence().into(),
            timestamp: rtp.get_timestamp().into(),
            opus,
            received,
        };
        match self.with_speakers(|speakers| speakers.packet(packet)) {
            Some(Fate::Bridged) => self.counters.bridged(),
            Some(Fate::Ignored) => self.counters.ignored(),
            Some(Fate::Dropped) => self.counters.unknown(1),
            Some(Fate::Held) | None => {}
        }
    }

    fn speaking(&self, speaking: Speaking) {
        let Some(user) = speaking.user_id.and_then(|user| NonZeroU64::new(user.0)) else {
            return;
        };
        let admit = || (self.admit)(UserId(user)).map(|admitted| self.voice(user, admitted));
        let speaking = incoming::Speaking {
            ssrc: speaking.ssrc,
            user,
            priority: speaking.speaking.priority(),
        };
        let dropped = self.with_speakers(|speakers| speakers.speaking(speaking, admit, Instant::now()));
        self.counters.unknown(dropped.unwrap_or(0));
    }

    fn voice(&self, user: NonZeroU64, admitted: Admitted) -> RoomVoice {
        let spec = SourceSpec::new(format!("discord:{user}")).groups(&[GROUP]).gated();
        let marks = admitted.speaker.map_or(0, SpeakerId::bit);
        RoomVoice(self.media.add_source(spec.marks(marks)))
    }

    fn gone(&self, disconnect: ClientDisconnect) {
        if let Some(user) = NonZeroU64::new(disconnect.user_id.0) {
            self.with_speakers(|speakers| speakers.gone(user));
        }
    }

    fn disconnected(&self, data: &DisconnectData<'_>) {
        match data.reason {
            // We asked for it, or the gateway told of it, which is the better source; or another attempt took over.
            None | Some(DisconnectReason::Requested | DisconnectReason::AttemptDiscarded) => {}
            Some(reason) => self.lost(reason.into()),
        }
    }

    fn lost(&self, loss: Loss) {
        tracing::warn!(%loss, "the line to a voice server is lost");
        metrics::line_lost();
        self.line.send_replace(Line::Down(loss));
        // Another server, or another session of this one, numbers its streams anew.
        self.with_speakers(Speakers::forget_all);
    }

    fn connected(&self) {
        let before = self.line.send_replace(Line::Up);
        tracing::debug!(?before, "there is a line to a voice server");
    }
}

/// A speaker's source in the room; it ends with the speaker.
struct RoomVoice(MediaSource);

impl Voice for RoomVoice {
    fn hear(&self, speech: Speech<'_>) {
        self.0.push(&InPacket {
            opus: speech.opus,
            sequence: speech.sequence,
            media_time: Some(speech.media_time),
            level: None,
            marks: None,
            received: speech.received,
        });
    }

    fn set_priority(&self, priority: bool) {
        self.0.set_priority(priority);
    }
}

struct Handler(Arc<Listener>);

#[async_trait]
impl EventHandler for Handler {
    async fn act(&self, context: &EventContext<'_>) -> Option<Event> {
        match context {
            EventContext::RtpPacket(data) => self.0.packet(data),
            EventContext::SpeakingStateUpdate(speaking) => self.0.speaking(*speaking),
            EventContext::ClientDisconnect(disconnect) => self.0.gone(*disconnect),
            EventContext::DriverDisconnect(data) => self.0.disconnected(data),
            EventContext::DriverConnect(_) => self.0.connected(),
            EventContext::DriverReconnect(_) => {
                tracing::info!("the driver has brought the line to a voice server back");
                self.0.connected();
            }
            _ => {}
        }
        None
    }
}
