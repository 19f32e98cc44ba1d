use std::sync::{Arc, Mutex};
use std::time::Duration;

use str0m::media::Direction;
use tokio::sync::mpsc;

use super::testing::{CALLERS_STREAM, Caller, Said, said, spoken};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes, sequence, media time and level of one packet.
type Taken = (Vec<u8>, u64, u64, Option<u8>);

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Taken>>>);

impl Ear for Heard {
    fn hear(&mut self, packet: HeardPacket<'_>) {
        let packet = (packet.opus.to_vec(), packet.sequence, packet.media_time, packet.level);
        self.0.lock().expect("lock").push(packet);
    }
}

impl Heard {
    fn count(&self) -> usize {
        self.0.lock().expect("lock").len()
    }

    fn take(&self) -> Vec<Taken> {
        std::mem::take(&mut self.0.lock().expect("lock"))
    }
}

/// A connection, its caller, and both ends of the voice.
struct Pair {
    caller: Caller,
    connection: Connection,
    events: Vec<ConnectionEvent>,
    mouth: mpsc::Sender<SpokenPacket>,
    heard: Heard,
    /// What the caller described last.
    theirs: String,
    /// What the connection described last.
    answer: LocalDescription,
    /// Sequence numbers that have been used: SRTP drops what comes twice.
    used: u64,
}

fn connection(port: &Port, spoken: mpsc::Receiver<SpokenPacket>, heard: &Heard) -> Connection {
    Connection::new(port)
        .speaking(spoken.into())
        .hearing(Box::new(heard.clone()))
}

impl Pair {
    async fn offered(port: &Port, camera: bool) -> Self {
        let mut caller = Caller::new().await;
        let (mouth, spoken) = mpsc::channel(256);
        let heard = Heard::default();
        let mut connection = connection(port, spoken, &heard);
        let theirs = caller.offer(camera);
        let answer = connection.accept(&theirs).expect("answer");
        caller.accept(&answer.sdp);
        Self {
            caller,
            connection,
            events: Vec::new(),
            mouth,
            heard,
            theirs,
            answer,
            used: 0,
        }
    }

    async fn connected(port: &Port) -> Self {
        let mut pair = Self::offered(port, true).await;
        pair.run_until(Pair::is_connected).await;
        pair
    }

    /// Puts a connection that knows nothing but the last descriptions in the place of the present one, which is
    /// returned: as after a crash it says no goodbye.
    fn lose_connection(&mut self, port: &Port) -> Connection {
        let (mouth, spoken) = mpsc::channel(256);
        let connection = connection(port, spoken, &self.heard).under_stream_of(&self.answer.sdp);
        self.mouth = mouth;
        self.events.clear();
        std::mem::replace(&mut self.connection, connection)
    }

    fn is_connected(&self) -> bool {
        self.caller.is_connected() && self.events.last() == Some(&ConnectionEvent::Connected)
    }

    async fn turn(&mut self) {
        tokio::select! {
            event = self.connection.next() => self.events.push(event),
            () = self.caller.turn() => {}
        }
    }

    async fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let all = async {
            while !done(self) {
                self.turn().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("in time");
    }

    /// Sends `said` one by one and waits until all was heard.
    async fn listen(&mut self, said: &[Said]) {
        for packet in said {
            self.caller.say(&Said {
                sequence: packet.sequence + self.used,
                ..packet.clone()
            });
            self.turn().await;
        }
        self.used += 100;
        let wanted = said.len();
        self.run_until(|pair| pair.heard.count() >= wanted).await;
    }

    async fn speak(&mut self, packets: &[SpokenPacket]) {
        self.caller.heard.clear();
        for packet in packets {
            let mut packet = packet.clone();
            packet.sequence += self.used;
            self.mouth.send(packet).await.expect("open");
        }
        self.used += 100;
        let wanted = packets.len();
        self.run_until(|pair| pair.caller.heard.len() >= wanted).await;
    }

    /// Both ends hear every byte of what the other says.
    async fn check_voice(&mut self) {
        self.heard.take();
        let said = said(30);
        self.listen(&said).await;
        let bytes: Vec<_> = self.heard.take().into_iter().map(|heard| heard.0).collect();
        let expected: Vec<_> = said.iter().map(|said| said.opus.clone()).collect();
        assert_eq!(bytes, expected);
        let spoken = spoken(30);
        self.speak(&spoken).await;
        let bytes: Vec<_> = self.caller.heard.iter().map(|heard| &heard.payload).collect();
        let expected: Vec<_> = spoken.iter().map(|spoken| &spoken.opus).collect();
        assert_eq!(bytes, expected);
    }
}

#[tokio::test]
async fn b2_voice_is_byte_exact_both_ways_with_sequence_time_and_level() {
    let port = Port::on_loopback();
    let mut pair = Pair::connected(&port).await;

    let said = said(30);
    pair.listen(&said).await;
    let heard = pair.heard.take();
    let expected: Vec<_> = said
        .iter()
        .map(|said| {
            let level = Some(said.level);
            (said.opus.clone(), said.sequence, u64::from(said.time), level)
        })
        .collect();
    assert_eq!(heard, expected);

    let spoken = spoken(30);
    pair.speak(&spoken).await;
    let first = pair.caller.heard.first().expect("packet").header.clone();
    for (packet, spoken) in pair.caller.heard.iter().zip(&spoken) {
        assert_eq!(packet.payload, spoken.opus);
        let steps = packet.header.sequence_number.wrapping_sub(first.sequence_number);
        assert_eq!(u64::from(steps), spoken.sequence);
        let time = packet.header.timestamp.wrapping_sub(first.timestamp);
        assert_eq!(u64::from(time), spoken.media_time);
        assert_eq!(packet.header.marker, spoken.marker);
        let level = if spoken.level.is_some() { -40 } else { -20 };
        assert_eq!(packet.header.ext_vals.audio_level, Some(level));
    }
}

#[tokio::test]
async fn b2_the_answer_is_what_matrix_js_sdk_needs() {
    let port = Port::on_loopback();
    let pair = Pair::offered(&port, true).await;
    let sdp = &pair.answer.sdp;
    assert!(!sdp.contains(CALLERS_STREAM), "{sdp}");
    let ours = format!("a=msid:{} ", pair.answer.stream_id);
    let candidate = format!("127.0.0.1 {} typ host", port.advertised()[0].port());
    for wanted in [
        "a=setup:passive",
        "stereo=1",
        "sprop-stereo=1",
        "a=ptime:20",
        "a=maxptime:20",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=inactive",
        "a=rtcp-mux",
        &ours,
        &candidate,
    ] {
        assert!(sdp.contains(wanted), "{wanted} is not in\n{sdp}");
    }
}

#[tokio::test]
async fn b2_an_ice_restart_keeps_the_voice_and_the_mid() {
    let port = Port::on_loopback();
    let mut pair = Pair::connected(&port).await;
    pair.check_voice().await;

    let offer = pair.caller.offer_restart();
    let answer = pair.connection.accept(&offer).expect("answer");
    let first = pair.answer.sdp.clone();
    assert_ne!(line(&first, "a=ice-ufrag:"), line(&answer.sdp, "a=ice-ufrag:"));
    for same in ["a=mid:", "a=msid:", "a=setup:passive", "a=fingerprint:"] {
        assert_eq!(line(&first, same), line(&answer.sdp, same));
    }
    pair.caller.accept(&answer.sdp);
    assert!(!pair.caller.is_connected());
    pair.run_until(|pair| pair.caller.is_connected()).await;
    pair.check_voice().await;
}

#[tokio::test]
async fn b14_a_connection_is_taken_over_from_the_last_descriptions_alone() {
    let first = Port::on_loopback();
    let mut pair = Pair::connected(&first).await;
    pair.check_voice().await;
    // The second time, the caller's last description is an answer and ours an offer.
    for _ in 0..2 {
        let another = Port::on_loopback();
        let lost = pair.lose_connection(&another);
        let offer = pair.connection.propose(&pair.theirs).expect("offer");
        for same in ["a=mid:", "a=msid:"] {
            assert_eq!(line(&pair.answer.sdp, same), line(&offer.sdp, same));
        }
        for other in ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=ssrc:"] {
            assert_ne!(line(&pair.answer.sdp, other), line(&offer.sdp, other));
        }
        assert_eq!(line(&offer.sdp, "a=setup:"), "a=setup:actpass");
        assert_eq!(offer.stream_id, pair.answer.stream_id);

        pair.theirs = pair.caller.answer_anew(&offer.sdp);
        pair.answer = offer;
        pair.connection.conclude(&pair.theirs).expect("answer");
        pair.run_until(Pair::is_connected).await;
        pair.check_voice().await;
        drop(lost);
    }
}

#[tokio::test]
async fn b14_a_held_call_is_taken_over_as_held() {
    let first = Port::on_loopback();
    let mut pair = Pair::connected(&first).await;
    pair.theirs = pair.caller.offer_direction(Direction::SendOnly);
    pair.answer = pair.connection.accept(&pair.theirs).expect("answer");
    let another = Port::on_loopback();
    let _lost = pair.lose_connection(&another);
    let offer = pair.connection.propose(&pair.theirs).expect("offer");
    let audio = offer.sdp.split("m=video").next().expect("section");
    assert!(audio.contains("a=recvonly"), "{audio}");
}

#[tokio::test]
async fn b14_an_offer_of_ours_gives_way_to_the_callers() {
    let first = Port::on_loopback();
    let mut pair = Pair::connected(&first).await;
    let another = Port::on_loopback();
    let _lost = pair.lose_connection(&another);
    let ours = pair.connection.propose(&pair.theirs).expect("offer");
    let answer = pair.connection.accept(&pair.caller.offer_restart()).expect("answer");
    assert_ne!(line(&ours.sdp, "a=ice-ufrag:"), line(&answer.sdp, "a=ice-ufrag:"));
    assert_eq!(line(&answer.sdp, "a=setup:"), "a=setup:passive");
    let late = pair.caller.answer_anew(&ours.sdp);
    let refused = pair.connection.conclude(&late);
    assert!(matches!(refused, Err(DescriptionError::NoOffer)), "{refused:?}");
}

/// The first line of a description that starts in a certain way.
fn line(sdp: &str, start: &str) -> String {
    let found = sdp.lines().find(|line| line.starts_with(start));
    found.map(str::to_owned).expect("line")
}

#[tokio::test]
async fn b2_hold_is_silent_and_unhold_is_not() {
    let port = Port::on_loopback();
    let mut pair = Pair::connected(&port).await;
    let offer = pair.caller.offer_direction(Direction::Inactive);
    let answer = pair.connection.accept(&offer).expect("answer");
    assert!(!answer.sdp.contains("a=sendrecv"), "{}", answer.sdp);
    assert!(!pair.connection.is_listened_to());
    pair.caller.accept(&answer.sdp);
    for packet in spoken(5) {
        assert!(!pair.connection.write(packet, Instant::now()));
    }
    let offer = pair.caller.offer_direction(Direction::SendRecv);
    let answer = pair.connection.accept(&offer).expect("answer");
    assert!(pair.connection.is_listened_to());
    pair.caller.accept(&answer.sdp);
    pair.check_voice().await;
}

#[tokio::test]
async fn b2_trickled_candidates_connect_and_local_names_do_not_hurt() {
    let port = Port::on_loopback();
    let mut caller = Caller::new().await;
    let (mouth, spoken) = mpsc::channel(256);
    let heard = Heard::default();
    let mut connection = connection(&port, spoken, &heard);
    let hidden = "a=candidate:1 1 udp 2122260223 5b9a.local 50000 typ host\r\na=end-of-candidates";
    let offer: Vec<String> = caller
        .offer(false)
        .lines()
        .map(|line| {
            let is_candidate = line.starts_with("a=candidate:");
            if is_candidate { hidden } else { line }.to_owned()
        })
        .collect();
    assert!(offer.iter().any(|line| line == hidden));
    let theirs = offer.join("\r\n");
    let answer = connection.accept(&theirs).expect("answer");
    caller.accept(&answer.sdp);
    connection.add_candidate("");
    connection.add_candidate(&caller.candidate());
    let mut pair = Pair {
        caller,
        connection,
        events: Vec::new(),
        mouth,
        heard,
        theirs,
        answer,
        used: 0,
    };
    pair.run_until(Pair::is_connected).await;
    pair.check_voice().await;
}

#[tokio::test]
async fn b2_calls_on_one_port_do_not_hear_each_other() {
    let port = Port::on_loopback();
    let mut one = Pair::connected(&port).await;
    let mut two = Pair::connected(&port).await;
    assert_eq!(port.lines(), 2);
    one.listen(&said(20)).await;
    assert_eq!(two.heard.count(), 0);
    two.check_voice().await;
    one.check_voice().await;
    drop(one);
    assert_eq!(port.lines(), 1);
    two.check_voice().await;
}

#[tokio::test]
async fn b2_a_caller_who_closes_ends_the_session() {
    let port = Port::on_loopback();
    let mut pair = Pair::connected(&port).await;
    pair.caller.close();
    pair.run_until(|pair| pair.events.last() == Some(&ConnectionEvent::Failed(Failure::Closed)))
        .await;
}

#[tokio::test]
async fn offers_that_cannot_be_answered_are_errors() {
    let port = Port::on_loopback();
    let camera = Caller::new().await.offer_camera_only();
    let good = Caller::new().await.offer(false);
    let without = |start: &str| {
        let lines: Vec<&str> = good.lines().filter(|l| !l.starts_with(start)).collect();
        lines.join("\r\n")
    };
    let cases = [
        String::new(),
        "v=0".into(),
        "\u{0}".repeat(1000),
        without("a=fingerprint"),
        without("a=ice-ufrag"),
        without("m="),
        camera,
    ];
    for offer in cases {
        let (_, spoken) = mpsc::channel(1);
        let mut connection = connection(&port, spoken, &Heard::default());
        assert!(connection.accept(&offer).is_err(), "{offer}");
        assert!(connection.propose(&offer).is_err(), "{offer}");
    }
    assert_eq!(port.lines(), 0);
}

/// B7: of mixes for a bad way each packet repeats the one before, so it is to be known how bad it is.
#[tokio::test]
async fn what_gets_lost_on_the_way_to_the_peer_is_known() {
    const LIMIT: Duration = Duration::from_mins(1);
    let port = Port::on_loopback();
    let mut pair = Pair::connected(&port).await;
    let reception = pair.connection.reception.subscribe();
    let packet = spoken(1).remove(0);
    let deadline = Instant::now() + LIMIT;
    let mut sequence = 0;
    while reception.borrow().loss == 0 {
        assert!(Instant::now() < deadline, "no report in {LIMIT:?}");
        // One of five is missing.
        sequence += if sequence % 5 == 3 { 2 } else { 1 };
        let next = SpokenPacket {
            sequence,
            media_time: sequence * 960,
            ..packet.clone()
        };
        pair.mouth.send(next).await.expect("open");
        let turns = async {
            loop {
                pair.turn().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(20), turns).await;
    }
    let loss = reception.borrow().loss;
    assert!((15..=25).contains(&loss), "{loss} %");
}
