//! What only a server that forwards voices needs of a connection: our own offer, and many voices in one session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use super::testing::{Caller, said, spoken};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// What was heard of each track.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>);

impl Ear for Heard {
    fn hear(&mut self, packet: HeardPacket<'_>) {
        let mut tracks = self.0.lock().expect("lock");
        tracks
            .entry(packet.track.to_owned())
            .or_default()
            .push(packet.opus.to_vec());
    }
}

/// Both ends of one session.
struct Pair {
    server: Caller,
    connection: Connection,
    connected: bool,
}

impl Pair {
    fn new(server: Caller, connection: Connection) -> Self {
        Self {
            server,
            connection,
            connected: false,
        }
    }

    fn is_connected(&self) -> bool {
        self.connected && self.server.is_connected()
    }

    async fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let all = async {
            while !done(self) {
                tokio::select! {
                    event = self.connection.next() => self.connected = event == ConnectionEvent::Connected,
                    () = self.server.turn() => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("in time");
    }
}

#[tokio::test]
async fn b1_our_own_offer_carries_our_voice_and_can_be_made_again_for_a_new_path() {
    let port = Port::on_loopback();
    let (mouth, voice) = mpsc::channel(64);
    let mut pair = Pair::new(Caller::new().await, Connection::new(&port).speaking(voice.into()));
    let offer = pair.connection.offer().expect("offer");
    assert!(offer.sdp.contains("a=sendonly"), "{}", offer.sdp);
    let stream = format!("a=msid:{} {}", offer.stream_id, offer.track_id);
    assert!(offer.sdp.contains(&stream), "{}", offer.sdp);
    let answer = pair.server.answer(&offer.sdp);
    pair.connection.conclude(&answer).expect("answer");
    for again in 0..2_u64 {
        pair.run_until(Pair::is_connected).await;
        pair.server.heard.clear();
        let said = spoken(20);
        for mut packet in said.clone() {
            packet.sequence += again * 100;
            mouth.send(packet).await.expect("open");
        }
        pair.run_until(|pair| pair.server.heard.len() >= 20).await;
        let heard: Vec<_> = pair.server.heard.iter().map(|packet| packet.payload.to_vec()).collect();
        let said: Vec<_> = said.iter().map(|packet| packet.opus.to_vec()).collect();
        assert_eq!(heard, said);
        let restart = pair.connection.offer_restart().expect("offer");
        assert_eq!(restart.track_id, offer.track_id);
        let answer = pair.server.answer(&restart.sdp);
        pair.connection.conclude(&answer).expect("answer");
    }
}

#[tokio::test]
async fn b1_voices_in_one_session_are_told_apart_by_their_track() {
    let port = Port::on_loopback();
    let heard = Heard::default();
    let connection = Connection::new(&port).hearing_all(Box::new(heard.clone()));
    let mut pair = Pair::new(Caller::new().await, connection);
    for n in 0..2_u8 {
        let offer = pair.server.offer(false);
        let answer = pair.connection.accept(&offer).expect("answer");
        pair.server.accept(&answer.sdp);
        pair.run_until(Pair::is_connected).await;
        let track = sdp::audio_tracks(&offer).last().and_then(|(_, track)| track);
        let track = track.expect("track").to_owned();
        assert!(!heard.0.lock().expect("lock").contains_key(&track));
        let packets = said(10 + n);
        for packet in &packets {
            pair.server.say(packet);
            pair.server.turn().await;
        }
        let wanted: Vec<_> = packets.iter().map(|packet| packet.opus.clone()).collect();
        let count = || heard.0.lock().expect("lock").get(&track).map(Vec::len);
        pair.run_until(|_| count() == Some(wanted.len())).await;
        assert_eq!(heard.0.lock().expect("lock").get(&track), Some(&wanted));
    }
}

#[tokio::test]
async fn b1_a_server_with_nobody_to_forward_is_answered() {
    let port = Port::on_loopback();
    let camera = Caller::new().await.offer_camera_only();
    let mut connection = Connection::new(&port).hearing_all(Box::new(Heard::default()));
    assert!(connection.accept(&camera).is_ok());
}
