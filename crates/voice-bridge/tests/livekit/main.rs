//! The LiveKit client against a real LiveKit server on loopback (B1).
//!
//! The server is the `livekit-server` on `PATH`, or `bin/livekit-server` in the folder that `VDP_TOOLS` names, where
//! `cargo xtask setup` puts it. Where there is neither, these tests say so on the terminal and check nothing.

mod person;
mod server;

use std::io::Write as _;
use std::time::Duration;

use voice_bridge::livekit::{EndReason, Event};

use self::person::{Note, Person};
use self::server::Server;

/// Two seconds of speech.
const SPEECH: usize = 100;

async fn server(test: &str) -> Option<Server> {
    let Some(program) = server::program() else {
        // Past the capture of test output, so that it is seen.
        let line = format!("SKIPPED: {test}: there is no livekit-server; run cargo xtask setup\n");
        std::io::stderr().write_all(line.as_bytes()).expect("a terminal");
        return None;
    };
    Some(Server::start(program).await)
}

async fn anna_and_ben(server: &Server) -> (Person, Person) {
    let mut anna = Person::new(server.access("anna"));
    connected(&mut anna).await;
    let mut ben = Person::new(server.access("ben"));
    connected(&mut ben).await;
    (anna, ben)
}

async fn connected(person: &mut Person) {
    person
        .until("entry", |event| matches!(event, Event::Entered { .. }))
        .await;
    person.until("connection", |event| *event == Event::Connected).await;
}

async fn hear_each_other(anna: &mut Person, ben: &mut Person) {
    anna.talk_to(ben, "anna", SPEECH).await;
    ben.talk_to(anna, "ben", SPEECH).await;
}

fn muted(event: &Event, who: &str, wanted: bool) -> bool {
    matches!(event, Event::TrackMuted { track, muted } if track.identity == who && *muted == wanted)
}

fn speaks(event: &Event, who: &str) -> bool {
    matches!(event, Event::Speakers(speakers) if speakers.iter().any(|(name, loud)| name == who && loud.active))
}

#[tokio::test]
async fn b1_voice_is_byte_exact_both_ways_and_the_speaker_is_known() {
    let Some(server) = server("voice").await else {
        return;
    };
    let (mut anna, mut ben) = anna_and_ben(&server).await;
    hear_each_other(&mut anna, &mut ben).await;
    // The server knows who speaks by nothing but the level on the packets.
    anna.talk_to(&ben, "anna", SPEECH).await;
    ben.until("that Anna speaks", |event| speaks(event, "anna")).await;
    ben.session.leave(Duration::from_secs(5)).await;
    anna.until(
        "that Ben left",
        |event| matches!(event, Event::Left { identity } if identity == "ben"),
    )
    .await;
}

#[tokio::test]
async fn b1_a_muted_track_is_shown_and_not_heard() {
    let Some(server) = server("mute").await else {
        return;
    };
    let (mut anna, mut ben) = anna_and_ben(&server).await;
    anna.talk_to(&ben, "anna", SPEECH).await;
    anna.session.mute(true).await;
    ben.until("mute", |event| muted(event, "anna", true)).await;
    let said = anna.said;
    anna.say_many(SPEECH).await;
    let heard: Vec<Note> = ben.take().into_iter().filter(|note| note.is_said_since(said)).collect();
    assert_eq!(heard, []);
    anna.session.mute(false).await;
    ben.until("unmute", |event| muted(event, "anna", false)).await;
    anna.talk_to(&ben, "anna", SPEECH).await;
}

#[tokio::test]
async fn b1_an_ice_restart_keeps_the_session() {
    let Some(server) = server("ICE restart").await else {
        return;
    };
    let (mut anna, mut ben) = anna_and_ben(&server).await;
    hear_each_other(&mut anna, &mut ben).await;
    anna.session.restart().await;
    anna.until("resume", |event| *event == Event::Resumed).await;
    ben.session.restart().await;
    ben.until("resume", |event| *event == Event::Resumed).await;
    hear_each_other(&mut anna, &mut ben).await;
    let changes = |event: &&Event| matches!(event, Event::Left { .. } | Event::Entered { .. } | Event::TrackEnded(_));
    let all: Vec<_> = anna.told.iter().chain(&ben.told).filter(changes).collect();
    assert!(all.is_empty(), "{all:?}");
}

#[tokio::test]
async fn b1_after_a_restart_of_the_server_everybody_is_back() {
    let Some(mut server) = server("restart of the server").await else {
        return;
    };
    let (mut anna, mut ben) = anna_and_ben(&server).await;
    hear_each_other(&mut anna, &mut ben).await;
    server.kill().await;
    server.resume().await;
    for person in [&mut anna, &mut ben] {
        person.until("interruption", |event| *event == Event::Interrupted).await;
        connected(person).await;
    }
    hear_each_other(&mut anna, &mut ben).await;
}

#[tokio::test]
async fn b1_a_refused_token_is_told_and_a_good_one_taken() {
    let Some(server) = server("tokens").await else {
        return;
    };
    let mut anna = Person::new(server.forged_access("anna"));
    anna.until("refusal", |event| *event == Event::AccessRefused).await;
    anna.session.renew(server.access("anna")).await;
    connected(&mut anna).await;
    let mut again = Person::new(server.access("anna"));
    connected(&mut again).await;
    anna.until("the end", |event| matches!(event, Event::Ended(EndReason::ByServer(_))))
        .await;
}
