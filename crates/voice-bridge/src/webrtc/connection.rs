//! One WebRTC session: str0m, driven by the port, the clock and what the call wants.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bridge_kit::media::Reception;
use str0m::change::SdpPendingOffer;
use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::stats::MediaEgressStats;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::sync::{mpsc, watch};

use super::candidates::Candidates;
use super::departures::Departures;
use super::inlets::{Hears, Inlets};
use super::notes::Notes;
use super::port::{Datagram, Line, Port};
use super::profile::{level_of, new_rtc};
use super::sdp::StreamIds;
use super::{Ear, Spoken, SpokenPacket, metrics};

/// Deadlines that str0m may set to "at once" in a row before the task takes its turn elsewhere.
const MAX_TURNS: usize = 32;

/// What a connection has to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Media can flow: for the first time, or again.
    Connected,
    /// The path broke; it may come back by itself or by an ICE restart.
    Disconnected,
    /// The session is over. Nothing follows.
    Failed(Failure),
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The peer closed it.
    Closed,
    /// The handshake or the session failed.
    Broken,
    /// The port is gone.
    PortClosed,
}

/// A WebRTC session with one peer. It makes progress only while [`Connection::next`] is awaited.
pub struct Connection {
    pub(super) rtc: Box<Rtc>,
    pub(super) line: Line,
    spoken: Option<mpsc::Receiver<SpokenPacket>>,
    /// Told how the peer takes in our voice.
    pub(super) reception: watch::Sender<Reception>,
    pub(super) inlets: Option<Inlets>,
    /// Where there may be a word beside the voice.
    pub(super) notes: Option<Notes>,
    /// Where our voice goes.
    pub(super) audio: Option<AudioLine>,
    /// Our offer that the peer has not answered yet.
    pub(super) offered: Option<SdpPendingOffer>,
    pub(super) candidates: Candidates,
    departures: Departures,
    pub(super) ids: StreamIds,
    deadline: Instant,
    connected: bool,
    failed: bool,
    events: VecDeque<ConnectionEvent>,
}

/// Where in the session the voice is.
#[derive(Debug, Clone, Copy)]
pub(super) struct AudioLine {
    pub(super) mid: Mid,
    pub(super) pt: Pt,
}

/// What a connection waits for.
enum Wakeup {
    Datagram(Datagram),
    Spoken(SpokenPacket),
    Deadline,
    PortClosed,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("connected", &self.connected)
            .field("audio", &self.audio)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Prepares a session, in which nobody speaks or listens yet.
    pub fn new(port: &Port) -> Self {
        let now = Instant::now();
        let line = port.line();
        let mut rtc = Box::new(new_rtc(now));
        for address in line.advertised() {
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
        }
        let mut rng = rand::rng();
        Self {
            rtc,
            line,
            spoken: None,
            reception: watch::Sender::default(),
            inlets: None,
            notes: None,
            audio: None,
            offered: None,
            candidates: Candidates::default(),
            departures: Departures::new(&mut rng),
            ids: StreamIds::random(&mut rng),
            deadline: now,
            connected: false,
            failed: false,
            events: VecDeque::new(),
        }
    }

    /// What comes from `spoken` goes to the peer.
    #[must_use]
    pub fn speaking(mut self, spoken: Spoken) -> Self {
        self.spoken = Some(spoken.packets);
        self.reporting(spoken.reception)
    }

    /// Tells how the peer takes in what is sent by [`speak`](Self::speak).
    #[must_use]
    pub fn reporting(mut self, reception: watch::Sender<Reception>) -> Self {
        self.reception = reception;
        self
    }

    /// The peer's voice goes to `ear`: that of the first audio section.
    #[must_use]
    pub fn hearing(mut self, ear: Box<dyn Ear>) -> Self {
        self.inlets = Some(Inlets::new(ear, Hears::First));
        self
    }

    /// Every voice that the peer forwards goes to `ear`; [`HeardPacket::track`](super::HeardPacket::track) tells
    /// them apart.
    #[must_use]
    pub fn hearing_all(mut self, ear: Box<dyn Ear>) -> Self {
        self.inlets = Some(Inlets::new(ear, Hears::All));
        self
    }

    /// Whether the peer wants to hear anything, as far as is agreed: one who has put the call on hold does not.
    pub fn is_listened_to(&self) -> bool {
        let media = self.audio.and_then(|line| self.rtc.media(line.mid));
        media.is_none_or(|media| media.direction().is_sending())
    }

    /// Offers a channel for words beside the voice.
    #[must_use]
    pub fn noting(mut self) -> Self {
        self.notes = Some(Notes::default());
        self
    }

    /// Sends a message beside the voice, as soon as there is a way for it; of several that wait only the last is sent.
    pub fn note(&mut self, message: Vec<u8>) {
        if let Some(notes) = &mut self.notes {
            notes.send(&mut self.rtc, message);
            self.run();
        }
    }

    /// Runs the session until there is something to report. Cancel-safe.
    pub async fn next(&mut self) -> ConnectionEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            match self.wake().await {
                Wakeup::Datagram(datagram) => self.on_datagram(&datagram),
                Wakeup::Spoken(packet) => self.speak(packet),
                Wakeup::Deadline => self.on_deadline(),
                Wakeup::PortClosed => self.fail(Failure::PortClosed),
            }
        }
    }

    async fn wake(&mut self) -> Wakeup {
        if self.failed {
            return std::future::pending().await;
        }
        tokio::select! {
            datagram = self.line.recv() => datagram.map_or(Wakeup::PortClosed, Wakeup::Datagram),
            Some(packet) = spoken(self.spoken.as_mut()) => Wakeup::Spoken(packet),
            () = tokio::time::sleep_until(self.deadline.into()) => Wakeup::Deadline,
        }
    }

    fn on_datagram(&mut self, datagram: &Datagram) {
        let received = Receive::new(Protocol::Udp, datagram.source, datagram.destination, &datagram.bytes);
        match received {
            Ok(received) => self.input(Input::Receive(datagram.received, received)),
            Err(_) => metrics::error("datagram"),
        }
    }

    fn on_deadline(&mut self) {
        self.input(Input::Timeout(Instant::now()));
    }

    /// Sends one packet now; it is counted if the peer cannot take any.
    pub fn speak(&mut self, packet: SpokenPacket) {
        let now = Instant::now();
        if !self.write(packet, now) {
            metrics::unsent();
            return;
        }
        self.run();
    }

    /// Hands one packet to str0m, without running it; `false` if the peer does not want any now.
    pub(super) fn write(&mut self, packet: SpokenPacket, now: Instant) -> bool {
        let Some(AudioLine { mid, pt }) = self.audio else {
            return false;
        };
        let wanted = |media: &str0m::media::Media| media.direction().is_sending();
        if !self.rtc.is_connected() || !self.rtc.media(mid).is_some_and(wanted) {
            return false;
        }
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, None) else {
            return false;
        };
        let number = self.departures.number(packet.sequence, packet.media_time);
        let Some((sequence, time)) = number else {
            return false;
        };
        let level = level_of(&packet.opus, packet.level);
        stream.write_rtp(
            RtpWrite::new(pt, sequence.into(), time, now, packet.opus)
                .marker(packet.marker)
                .ext_vals(level),
        );
        true
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            self.on_error(&error);
        }
        self.run();
    }

    /// Drains str0m, and gives it the deadlines that are already due.
    pub(super) fn run(&mut self) {
        for _ in 0..MAX_TURNS {
            self.drain();
            let now = Instant::now();
            if self.failed || self.deadline > now {
                return;
            }
            if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
                self.on_error(&error);
            }
        }
        self.deadline = Instant::now() + Duration::from_millis(1);
    }

    fn drain(&mut self) {
        while !self.failed {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => {
                    self.deadline = deadline;
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.line.send(&transmit),
                Ok(Output::Event(event)) => self.on_event(event),
                Err(error) => {
                    self.on_error(&error);
                    self.fail(Failure::Broken);
                }
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::RtpPacket(packet) => self.on_rtp(&packet),
            Event::Connected => self.on_connected(true),
            Event::IceConnectionStateChange(state) => match state {
                IceConnectionState::Disconnected => self.on_connected(false),
                _ => self.on_connected(self.rtc.is_connected()),
            },
            Event::Closed => self.fail(Failure::Closed),
            Event::ChannelOpen(channel, _) => {
                if let Some(notes) = &mut self.notes {
                    notes.opened(&mut self.rtc, channel);
                }
            }
            Event::ChannelClose(_) => {
                if let Some(notes) = &mut self.notes {
                    notes.closed();
                }
            }
            Event::MediaEgressStats(stats) => self.on_loss(&stats),
            _ => {}
        }
    }

    /// The peer has reported how much of our voice gets lost (RFC 3550, section 6.4.1).
    fn on_loss(&self, stats: &MediaEgressStats) {
        if let Some(loss) = stats
            .loss
            .filter(|_| self.audio.is_some_and(|line| line.mid == stats.mid))
        {
            let loss = percent(loss);
            self.reception
                .send_if_modified(|reception| std::mem::replace(&mut reception.loss, loss) != loss);
        }
    }

    fn on_connected(&mut self, connected: bool) {
        if connected != self.connected {
            self.connected = connected;
            self.events.push_back(if connected {
                ConnectionEvent::Connected
            } else {
                ConnectionEvent::Disconnected
            });
        }
    }

    fn on_rtp(&mut self, packet: &RtpPacket) {
        let ssrc = packet.header.ssrc;
        let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|rx| rx.mid());
        if let (Some(mid), Some(inlets)) = (mid, &mut self.inlets) {
            inlets.hear(mid, packet);
        }
    }

    /// Only a failed handshake ends a session: any other complaint is about one datagram.
    fn on_error(&mut self, error: &RtcError) {
        metrics::error("input");
        tracing::debug!(%error, "WebRTC input refused");
        if matches!(error, RtcError::Dtls(_)) && !self.connected {
            self.fail(Failure::Broken);
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !self.failed {
            self.failed = true;
            self.events.push_back(ConnectionEvent::Failed(failure));
        }
    }
}

impl Drop for Connection {
    /// Tells the peer, so that its end does not wait for media that will not come.
    fn drop(&mut self) {
        if self.rtc.close().is_ok() {
            self.failed = false;
            self.drain();
        }
    }
}

/// A share of 0 to 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a percentage can be"
)]
fn percent(share: f32) -> u8 {
    (share * 100.0).round().clamp(0.0, 100.0) as u8
}

async fn spoken(voice: Option<&mut mpsc::Receiver<SpokenPacket>>) -> Option<SpokenPacket> {
    match voice {
        Some(voice) => voice.recv().await,
        None => std::future::pending().await,
    }
}
