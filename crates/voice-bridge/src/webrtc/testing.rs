//! A caller for tests: str0m as the offering end, on a socket of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::crypto::from_feature_flags;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;

use super::SpokenPacket;

/// The id that the caller gives to his stream.
pub(crate) const CALLERS_STREAM: &str = "callers-stream";

/// A voice packet that the caller sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) opus: Vec<u8>,
    pub(crate) sequence: u64,
    pub(crate) time: u32,
    pub(crate) level: u8,
}

pub(crate) struct Caller {
    rtc: Box<Rtc>,
    certificate: DtlsCert,
    socket: UdpSocket,
    address: SocketAddr,
    pub(crate) mid: Mid,
    pending: Option<SdpPendingOffer>,
    deadline: Instant,
    pub(crate) heard: Vec<RtpPacket>,
}

impl Caller {
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        let address = socket.local_addr().expect("address");
        let certificate = from_feature_flags().dtls_provider.generate_certificate();
        let certificate = certificate.expect("certificate");
        Self {
            rtc: session(&certificate, address),
            certificate,
            socket,
            address,
            mid: Mid::new(),
            pending: None,
            deadline: Instant::now(),
            heard: Vec::new(),
        }
    }

    /// Answers the offer of a bridge that takes over, as a browser does: on the same sections, under the same
    /// certificate, and again as the one who connects.
    ///
    /// A browser begins DTLS anew within its session. str0m cannot, so the session itself is a new one here.
    pub(crate) fn answer_anew(&mut self, offer: &str) -> String {
        self.rtc = session(&self.certificate, self.address);
        let offer = offer.replace("a=setup:actpass", "a=setup:passive");
        let offer = SdpOffer::from_sdp_string(&offer).expect("readable offer");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("acceptable offer");
        self.deadline = Instant::now();
        answer.to_sdp_string()
    }

    /// Answers an offer within the present session.
    pub(crate) fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("readable offer");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("acceptable offer");
        self.deadline = Instant::now();
        answer.to_sdp_string()
    }

    /// An offer of one microphone, and of a camera if asked for.
    pub(crate) fn offer(&mut self, camera: bool) -> String {
        let stream = Some(CALLERS_STREAM.to_owned());
        let mut api = self.rtc.sdp_api();
        self.mid = api.add_media(MediaKind::Audio, Direction::SendRecv, stream.clone(), None, None);
        if camera {
            api.add_media(MediaKind::Video, Direction::SendRecv, stream, None, None);
        }
        let (offer, pending) = api.apply().expect("offer");
        self.offered(&offer, pending)
    }

    /// An offer of a camera alone.
    pub(crate) fn offer_camera_only(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        let (offer, pending) = api.apply().expect("offer");
        self.offered(&offer, pending)
    }

    pub(crate) fn offer_restart(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().expect("offer");
        self.offered(&offer, pending)
    }

    pub(crate) fn offer_direction(&mut self, direction: Direction) -> String {
        let mid = self.mid;
        let mut api = self.rtc.sdp_api();
        api.set_direction(mid, direction);
        let (offer, pending) = api.apply().expect("offer");
        self.offered(&offer, pending)
    }

    fn offered(&mut self, offer: &SdpOffer, pending: SdpPendingOffer) -> String {
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub(crate) fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("readable answer");
        let pending = self.pending.take().expect("an offer is out");
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.expect("acceptable answer");
        self.deadline = Instant::now();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    pub(crate) fn candidate(&self) -> String {
        let candidate = Candidate::host(self.address, "udp").expect("candidate");
        candidate.to_sdp_string()
    }

    pub(crate) fn say(&mut self, said: &Said) {
        let pt = self.opus();
        let level = ExtensionValues {
            audio_level: Some(-i8::try_from(said.level).expect("level")),
            voice_activity: Some(true),
            ..Default::default()
        };
        let now = Instant::now();
        let write = RtpWrite::new(pt, said.sequence.into(), said.time, now, said.opus.as_slice());
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(self.mid, None).expect("stream");
        stream.write_rtp(write.ext_vals(level));
        self.deadline = now;
    }

    fn opus(&self) -> Pt {
        let media = self.rtc.media(self.mid).expect("media");
        *media.remote_pts().first().expect("payload type")
    }

    pub(crate) fn close(&mut self) {
        self.rtc.close().expect("close");
        self.deadline = Instant::now();
    }

    /// One turn: everything that is due, then one datagram or the next deadline.
    pub(crate) async fn turn(&mut self) {
        self.drain().await;
        let mut buffer = [0; 2000];
        tokio::select! {
            received = self.socket.recv_from(&mut buffer) => {
                let (length, source) = received.expect("datagram");
                let bytes = buffer.get(..length).expect("length");
                let received = Receive::new(Protocol::Udp, source, self.address, bytes);
                let input = Input::Receive(Instant::now(), received.expect("readable"));
                self.rtc.handle_input(input).expect("acceptable");
            }
            () = tokio::time::sleep_until(self.deadline.into()) => {
                let now = Instant::now();
                self.rtc.handle_input(Input::Timeout(now)).expect("timeout");
            }
        }
        self.drain().await;
    }

    async fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(deadline) => {
                    let soonest = Instant::now() + Duration::from_millis(50);
                    self.deadline = deadline.min(soonest);
                    return;
                }
                Output::Transmit(transmit) => {
                    let sent = self.socket.send_to(&transmit.contents, transmit.destination);
                    sent.await.expect("sent");
                }
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(packet),
                Output::Event(_) => {}
            }
        }
    }
}

fn session(certificate: &DtlsCert, address: SocketAddr) -> Box<Rtc> {
    let config = Rtc::builder().set_rtp_mode(true).set_dtls_cert(certificate.clone());
    let mut rtc = Box::new(config.build(Instant::now()));
    rtc.add_local_candidate(Candidate::host(address, "udp").expect("candidate"));
    rtc
}

/// Speech that can be told apart by its bytes, with a hole in sequence and time after the tenth packet.
pub(crate) fn spoken(count: u8) -> Vec<SpokenPacket> {
    let hole = |n: u8| u64::from(n > 10) * 3;
    (0..count)
        .map(|n| SpokenPacket {
            opus: vec![0xf8, n, n.wrapping_mul(7)].into(),
            sequence: u64::from(n) + hole(n),
            media_time: (u64::from(n) + hole(n)) * 960,
            marker: n == 0,
            level: (n % 3 == 0).then_some(40),
        })
        .collect()
}

/// The same from the caller's side.
pub(crate) fn said(count: u8) -> Vec<Said> {
    let hole = |n: u8| u32::from(n > 10) * 2;
    (0..count)
        .map(|n| Said {
            opus: vec![0x78, n, n.wrapping_mul(5), 0xff],
            sequence: 1_000 + u64::from(n) + u64::from(hole(n)),
            time: 50_000 + (u32::from(n) + hole(n)) * 960,
            level: n % 100,
        })
        .collect()
}
