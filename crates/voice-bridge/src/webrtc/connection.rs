//! One call's WebRTC session: str0m, driven by the port, the clock and what the call wants.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use str0m::change::SdpPendingOffer;
use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use super::candidates::Candidates;
use super::departures::Departures;
use super::port::{Datagram, Line, Port};
use super::profile::{level_of, new_rtc};
use super::sdp::StreamIds;
use super::{Ear, HeardPacket, SpokenPacket, metrics};

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
    spoken: mpsc::Receiver<SpokenPacket>,
    ear: Box<dyn Ear>,
    pub(super) audio: Option<AudioLine>,
    /// Our offer that the peer has not answered yet.
    pub(super) offered: Option<SdpPendingOffer>,
    pub(super) candidates: Candidates,
    arrivals: Arrivals,
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
    /// Prepares a session: the peer's voice goes to `ear`, what comes from `spoken` goes to the peer.
    pub fn new(port: &Port, spoken: mpsc::Receiver<SpokenPacket>, ear: Box<dyn Ear>) -> Self {
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
            spoken,
            ear,
            audio: None,
            offered: None,
            candidates: Candidates::default(),
            arrivals: Arrivals::default(),
            departures: Departures::new(&mut rng),
            ids: StreamIds::random(&mut rng),
            deadline: now,
            connected: false,
            failed: false,
            events: VecDeque::new(),
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
                Wakeup::Spoken(packet) => self.on_spoken(packet),
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
            Some(packet) = self.spoken.recv() => Wakeup::Spoken(packet),
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

    fn on_spoken(&mut self, packet: SpokenPacket) {
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
        let level = level_of(&packet.opus);
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
            _ => {}
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
        let Some(audio) = self.audio.filter(|audio| Some(audio.mid) == mid) else {
            return;
        };
        if packet.header.payload_type != audio.pt || packet.payload.is_empty() {
            return;
        }
        let (sequence, media_time) = self
            .arrivals
            .place(*ssrc, *packet.seq_no, packet.time.numer(), packet.timestamp);
        let level = packet.header.ext_vals.audio_level;
        self.ear.hear(HeardPacket {
            opus: &packet.payload,
            sequence,
            media_time,
            level: level.map(i8::unsigned_abs),
            received: packet.timestamp,
        });
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
