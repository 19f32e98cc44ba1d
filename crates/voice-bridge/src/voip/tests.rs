//! Calls from the invite to the last trace: a fake homeserver and channel, real WebRTC and media on loopback.

mod speaking;
mod taking_over;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bridge_kit::channel::{CloseReason, SessionEvent, Side};
use bridge_kit::matrix::RoomEvent;
use bridge_kit::media::{InPacket, SinkSpec, SourceSpec};
use serde_json::{Value, json};

use super::*;
use crate::notice::Notice;
use crate::ports::Admission;
use crate::testing::{Asked, FakeHomeserver, PATIENCE, Recorder, World, room, until};
use crate::webrtc::Port;
use crate::webrtc::testing::{Caller, Said};

const BOT: &str = "@voicebridge:hs";
const ALICE: &str = "@alice:hs";
const PARTY: &str = "voice-bridge";

struct Desk {
    world: World,
    port: Arc<Port>,
    switchboard: Switchboard,
}

impl Desk {
    fn new(admission: Option<Admission>) -> Self {
        let world = World::with(FakeHomeserver::admitting(admission));
        let port = Arc::new(Port::on_loopback());
        let identity = Identity {
            user_id: BOT.try_into().expect("user"),
            peer: "@discordbridge:hs".try_into().expect("user"),
            party_id: PARTY.into(),
        };
        let switchboard = Switchboard::new(identity, world.homeserver.clone(), world.calls.clone(), port.clone());
        Self {
            world,
            port,
            switchboard,
        }
    }

    /// Runs the switchboard until no call is left.
    async fn until_idle(&mut self) {
        let idle = async {
            while self.switchboard.calls() > 0 {
                let tidy = self.switchboard.tidy();
                let _ = tokio::time::timeout(Duration::from_millis(20), tidy).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, idle).await.is_ok(), "calls are left");
        assert_eq!(self.port.lines(), 0);
    }

    fn send(&mut self, sender: &str, kind: &str, content: Value) {
        self.switchboard.handle(&event(sender, kind, content));
    }
}

/// An event that nobody has seen before.
fn event(sender: &str, kind: &str, content: Value) -> RoomEvent {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    RoomEvent {
        room_id: room(),
        event_id: format!("$event{number}").try_into().expect("event id"),
        sender: sender.try_into().expect("user id"),
        kind: kind.into(),
        state_key: None,
        content,
        origin_server_ts: 0,
        age_ms: Some(100),
        received: tokio::time::Instant::now(),
    }
}

fn left(user: &str) -> RoomEvent {
    RoomEvent {
        state_key: Some(user.into()),
        ..event(user, "m.room.member", json!({"membership": "leave"}))
    }
}

fn invite(call_id: &str, sdp: &str, invitee: Option<&str>) -> Value {
    json!({"version": "1", "call_id": call_id, "party_id": "PHONE", "lifetime": 60000, "invitee": invitee,
        "offer": {"type": "offer", "sdp": sdp}})
}

fn of_call(call_id: &str, more: &Value) -> Value {
    let mut content = json!({"version": "1", "call_id": call_id, "party_id": "PHONE"});
    let fields = content.as_object_mut().expect("object");
    fields.extend(more.as_object().expect("object").clone());
    content
}

/// A call that Alice has placed and that is connected.
async fn connected(desk: &mut Desk, call_id: &str) -> (Caller, Asked) {
    let mut caller = Caller::new().await;
    let offer = caller.offer(true);
    desk.send(ALICE, "m.call.invite", invite(call_id, &offer, Some(BOT)));
    let asked = desk.world.asked().await;
    assert!(
        desk.world.homeserver.take().is_none(),
        "answered before the channel was open"
    );
    asked.open().await;
    let answer = desk.world.homeserver.sent("m.call.answer").await;
    assert_eq!(answer["party_id"], PARTY);
    let sdp = answer["answer"]["sdp"].as_str().expect("sdp");
    let stream = answer["sdp_stream_metadata"]
        .as_object()
        .expect("metadata")
        .keys()
        .next();
    assert!(sdp.contains(&format!("a=msid:{} ", stream.expect("stream"))));
    let candidates = desk.world.homeserver.sent("m.call.candidates").await;
    assert_eq!(candidates["candidates"], json!([{"candidate": ""}]));
    caller.accept(sdp);
    desk.send(
        ALICE,
        "m.call.select_answer",
        of_call(call_id, &json!({"selected_party_id": PARTY})),
    );
    let calls = desk.world.calls.clone();
    let phase = || calls.status()[0]["participants"][0]["phase"] == "connected";
    turn_until(&mut caller, phase).await;
    (caller, asked)
}

async fn turn_until(caller: &mut Caller, mut done: impl FnMut() -> bool) {
    let turns = async {
        while !done() {
            caller.turn().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, turns).await.is_ok());
}

#[tokio::test]
async fn b2_s9_a_call_carries_voice_both_ways_and_leaves_nothing_behind() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (mut caller, asked) = connected(&mut desk, "c1").await;

    let to_discord = Recorder::default();
    let sink = asked.media.add_sink(SinkSpec::new("vdp"), Box::new(to_discord.clone()));
    let packet = |n: u8| vec![0xf8, 0xa1, n, 0x55, 0xaa];
    for n in 0..30_u8 {
        caller.say(&Said {
            opus: packet(n),
            sequence: u64::from(n) + 1,
            time: u32::from(n) * 960,
            level: 10,
        });
        caller.turn().await;
    }
    turn_until(&mut caller, || to_discord.heard().contains(&packet(29))).await;

    let discord = asked.media.add_source(SourceSpec::new("vdp"));
    for n in 0..30_u8 {
        discord.push(&InPacket {
            opus: &[0xf8, 0xdc, n, 0x55],
            sequence: u64::from(n),
            media_time: Some(u64::from(n) * 960),
            level: Some(13),
            marks: None,
            received: Instant::now(),
        });
    }
    let heard = async {
        loop {
            let mut heard = caller.heard.iter();
            if let Some(last) = heard.find(|packet| packet.payload[..] == [0xf8, 0xdc, 29, 0x55]) {
                break last.header.ext_vals.audio_level;
            }
            caller.turn().await;
        }
    };
    let level = tokio::time::timeout(PATIENCE, heard).await.expect("it comes");
    assert_eq!(level, Some(-13), "as loud as its sender said");

    drop((sink, discord));
    desk.send(ALICE, "m.call.hangup", of_call("c1", &json!({"reason": "user_hangup"})));
    asked.closed().await;
    desk.until_idle().await;
    assert_eq!(desk.world.calls.status(), json!([]));
    assert!(desk.world.homeserver.take().is_none());
}

#[tokio::test]
async fn b2_a_clients_ice_restart_is_answered_by_negotiate() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (mut caller, _asked) = connected(&mut desk, "c1").await;
    let offer = caller.offer_restart();
    let negotiate = json!({"lifetime": 60000, "description": {"type": "offer", "sdp": offer}});
    desk.send(ALICE, "m.call.negotiate", of_call("c1", &negotiate));
    let answer = desk.world.homeserver.sent("m.call.negotiate").await;
    assert_eq!(answer["description"]["type"], "answer");
    caller.accept(answer["description"]["sdp"].as_str().expect("sdp"));
    assert!(!caller.is_connected());
    let turns = async {
        while !caller.is_connected() {
            caller.turn().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, turns).await.is_ok());
}

#[tokio::test]
async fn s8_the_other_sides_end_hangs_up() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (_caller, asked) = connected(&mut desk, "c1").await;
    asked
        .say(SessionEvent::Closed {
            reason: CloseReason::NoLongerBridged,
            text: "Unlinked.".into(),
            by: Side::Peer,
        })
        .await;
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["reason"], "user_hangup");
    desk.until_idle().await;
}

#[tokio::test]
async fn b2_leaving_the_room_ends_the_call() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (_caller, asked) = connected(&mut desk, "c1").await;
    desk.switchboard.handle(&left("@bob:hs"));
    desk.switchboard.handle(&left(ALICE));
    asked.closed().await;
    desk.until_idle().await;
}

#[tokio::test]
async fn b2_a_device_that_calls_again_replaces_its_lost_call() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (_caller, first) = connected(&mut desk, "c1").await;
    let offer = Caller::new().await.offer(false);
    desk.send(ALICE, "m.call.invite", invite("c2", &offer, Some(BOT)));
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["call_id"], "c1");
    // The earlier call may have been the last of the room's by then, so that its channel is asked for again.
    let answer = tokio::select! {
        answer = desk.world.homeserver.sent("m.call.answer") => answer,
        again = desk.world.asked.recv() => {
            let again = again.expect("open");
            again.open().await;
            let answer = desk.world.homeserver.sent("m.call.answer").await;
            drop(again);
            answer
        }
    };
    assert_eq!(answer["call_id"], "c2");
    drop(first);
}

#[tokio::test]
async fn s6_rooms_that_cannot_be_bridged_are_told_and_only_the_bots_own_invites_are_rejected() {
    for (admission, notice) in [
        (Admission::NotBridged, Some(Notice::NotBridged)),
        (Admission::Encrypted, Some(Notice::Encrypted)),
        (Admission::Unknown, None),
    ] {
        for (invitee, rejected) in [(Some(BOT), true), (None, false)] {
            let mut desk = Desk::new(Some(admission));
            desk.send(ALICE, "m.call.invite", invite("c1", "x", invitee));
            desk.until_idle().await;
            assert!(desk.world.nobody_asks());
            let notices = desk.world.homeserver.notices();
            assert_eq!(notices, Vec::from_iter(notice.clone()));
            let sent = desk.world.homeserver.take().map(|(kind, _)| kind);
            assert_eq!(sent, rejected.then_some("m.call.reject"));
        }
    }
}

#[tokio::test]
async fn b2_what_is_not_for_us_starts_nothing() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let mut old = event(ALICE, "m.call.invite", invite("c1", "x", Some(BOT)));
    old.age_ms = Some(60_000);
    desk.switchboard.handle(&old);
    desk.send(ALICE, "m.call.invite", invite("c2", "x", Some("@carol:hs")));
    desk.send(BOT, "m.call.invite", invite("c3", "x", None));
    desk.send("@discordbridge:hs", "m.call.invite", invite("c4", "x", None));
    desk.send(ALICE, "m.call.invite", json!({"call_id": 7}));
    desk.send(ALICE, "m.call.hangup", of_call("c5", &json!({})));
    assert_eq!(desk.switchboard.calls(), 0);
}

#[tokio::test]
async fn b2_an_ended_call_is_not_brought_back_by_its_invite() {
    let mut desk = Desk::new(Some(Admission::NotBridged));
    for _ in 0..2 {
        desk.send(ALICE, "m.call.invite", invite("c1", "x", None));
    }
    assert_eq!(desk.switchboard.calls(), 1);
    desk.until_idle().await;
    desk.send(ALICE, "m.call.invite", invite("c1", "x", None));
    assert_eq!(desk.switchboard.calls(), 0);
}

#[tokio::test]
async fn b2_a_hangup_that_overtakes_its_invite_still_counts() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    desk.send(ALICE, "m.call.hangup", of_call("c1", &json!({})));
    desk.send(ALICE, "m.call.invite", invite("c1", "x", None));
    desk.until_idle().await;
}

#[tokio::test]
async fn a_panic_ends_one_call_and_the_caller_is_told() {
    let mut desk = Desk::new(None);
    desk.send(ALICE, "m.call.invite", invite("c1", "x", Some(BOT)));
    desk.until_idle().await;
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["call_id"], "c1");
    assert_eq!(hangup["reason"], "unknown_error");
}

#[tokio::test]
async fn stopping_hangs_up_every_call() {
    let mut desk = Desk::new(Some(Admission::Bridged));
    let (_caller, asked) = connected(&mut desk, "c1").await;
    desk.switchboard.stop(PATIENCE).await;
    asked.closed().await;
    let hangup = desk.world.homeserver.sent("m.call.hangup").await;
    assert_eq!(hangup["call_id"], "c1");
}
