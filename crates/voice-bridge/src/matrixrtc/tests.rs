//! A session in its task, with a homeserver and SFUs that the test makes up; and what is read of a room at its start.

mod conference;
mod hub;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bridge_kit::matrix::{EventId, OwnedEventId, OwnedRoomId, RoomEvent, RoomId};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::event::{Place, STICKY, Written};
use super::machine::{Cast, Refusal, Setup};
use super::testing::{ALICE, event, focus, sticky, user};
use super::transport::Caller;
use super::*;
use crate::notice::Notice;
use crate::ports::Admission;
use crate::testing::{FakeHomeserver, PATIENCE, until};

const BOT: &str = "@bot:hs";
const SFU: &str = "https://one.example/jwt";

/// A homeserver that remembers what it was asked, in words.
#[derive(Default)]
struct FakeDesk {
    asked: Mutex<Vec<String>>,
    refuses: Mutex<Option<Refusal>>,
}

impl FakeDesk {
    fn note(&self, words: String) {
        self.asked.lock().expect("a lock").push(words);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

/// An event in a word: whether it joins or leaves.
fn word(event: &Written) -> &'static str {
    if event.content.get("application").is_some() {
        "join"
    } else {
        "leave"
    }
}

impl Desk for FakeDesk {
    fn put(&self, _: &RoomId, event: Written) -> BoxFuture<'static, Result<OwnedEventId, Refusal>> {
        self.note(word(&event).to_owned());
        let answer = match *self.refuses.lock().expect("a lock") {
            Some(refusal) => Err(refusal),
            None => Ok(EventId::parse("$put").expect("an event id")),
        };
        Box::pin(async move { answer })
    }

    fn put_later(
        &self,
        _: &RoomId,
        event: Written,
        delay: Duration,
    ) -> BoxFuture<'static, Result<Option<String>, Refusal>> {
        self.note(format!("{} after {delay:?}", word(&event)));
        Box::pin(async { Ok(Some("d1".to_owned())) })
    }

    fn put_off(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>> {
        self.note(format!("put off {delay_id}"));
        Box::pin(async { Ok(()) })
    }

    fn take_back(&self, delay_id: &str) -> BoxFuture<'static, Result<(), Refusal>> {
        self.note(format!("take back {delay_id}"));
        Box::pin(async { Ok(()) })
    }
}

/// Every SFU lets the bridge in.
struct FakeFoci;

impl Foci for FakeFoci {
    fn find_focus(&self, _: &Caller, offered: Vec<Focus>) -> BoxFuture<'static, Option<Focus>> {
        Box::pin(async move { offered.into_iter().next() })
    }
}

struct World {
    desk: Arc<FakeDesk>,
    homeserver: Arc<FakeHomeserver>,
    session: Session,
}

fn room() -> OwnedRoomId {
    RoomId::parse("!room:hs").expect("a room id")
}

fn world(restart_every: Duration) -> World {
    let desk = Arc::new(FakeDesk::default());
    let homeserver = FakeHomeserver::admitting(Some(Admission::Bridged));
    let surroundings = Surroundings {
        desk: desk.clone(),
        foci: Arc::new(FakeFoci),
        homeserver: homeserver.clone(),
    };
    let setup = Setup {
        cast: Cast {
            user: user(BOT),
            device: "VB".into(),
            bots: vec![],
        },
        place: Place::State("_@bot:hs_VB_m.call".into()),
        member_id: "uuid".into(),
        leave_after: Duration::from_secs(10),
        restart_every,
        expires: Duration::from_hours(4),
        linger: Duration::from_millis(1),
    };
    let session = Session::start(surroundings, &room(), setup, vec![]);
    World {
        desk,
        homeserver,
        session,
    }
}

fn member(who: &str, content: Value) -> RoomEvent {
    let key = format!("_{who}_PHONE_m.call");
    event(
        who,
        "org.matrix.msc3401.call.member",
        Some(&key),
        content,
        Moment::now().unix_ms,
    )
}

fn in_call() -> Value {
    json!({
        "application": "m.call", "call_id": "", "scope": "m.room", "device_id": "PHONE",
        "focus_active": { "type": "livekit", "focus_selection": "multi_sfu" },
        "foci_preferred": [{ "type": "livekit", "livekit_service_url": SFU }],
    })
}

async fn shows(session: &Session, what: &str, wanted: impl FnMut(&Picture) -> bool) {
    let mut picture = session.picture();
    let shown = tokio::time::timeout(PATIENCE, picture.wait_for(wanted)).await;
    assert!(shown.is_ok_and(|seen| seen.is_ok()), "{what} was not shown");
}

#[tokio::test]
async fn b1_b13_a_session_comes_with_the_first_and_goes_with_the_last() {
    let mut world = world(Duration::from_hours(1));
    world.session.handle(&member(ALICE, in_call())).expect("told");
    shows(&world.session, "the call", |picture| picture.connections.is_some()).await;
    let picture = world.session.picture().borrow().clone();
    assert_eq!(picture.connections.expect("connections").own, focus(SFU));
    assert_eq!((picture.participants.len(), picture.callers), (1, 1));
    assert_eq!(world.desk.asked(), ["leave after 10s", "join"]);
    world.session.handle(&member(ALICE, json!({}))).expect("told");
    shows(&world.session, "the end", |picture| picture.phase == "idle").await;
    assert!(world.session.picture().borrow().connections.is_none());
    until("the delayed leave is taken back", || world.desk.asked().len() == 4).await;
    assert_eq!(world.desk.asked()[2..], ["leave", "take back d1"]);
}

#[tokio::test]
async fn b13_the_delayed_leave_is_put_off_while_the_call_lasts() {
    let mut world = world(Duration::from_millis(5));
    world.session.handle(&member(ALICE, in_call())).expect("told");
    until("the delayed leave is put off again and again", || {
        world.desk.asked().iter().filter(|asked| *asked == "put off d1").count() >= 3
    })
    .await;
}

#[tokio::test]
async fn b13_a_session_that_is_stopped_leaves() {
    let mut world = world(Duration::from_hours(1));
    world.session.handle(&member(ALICE, in_call())).expect("told");
    shows(&world.session, "the call", |picture| picture.connections.is_some()).await;
    let desk = world.desk.clone();
    world.session.stop(PATIENCE).await;
    assert_eq!(desk.asked()[2..], ["leave", "take back d1"]);
}

#[tokio::test]
async fn people_are_told_what_keeps_the_bridge_out() {
    let mut world = world(Duration::from_hours(1));
    *world.desk.refuses.lock().unwrap() = Some(Refusal::Forbidden);
    world.session.handle(&member(ALICE, in_call())).expect("told");
    until("a notice", || !world.homeserver.notices().is_empty()).await;
    assert_eq!(world.homeserver.notices(), [Notice::MissingCallPower]);
    assert!(
        Notice::MissingCallPower
            .text()
            .contains("org.matrix.msc3401.call.member")
    );
}

#[tokio::test]
async fn leaving_the_room_is_leaving_its_call() {
    let mut world = world(Duration::from_hours(1));
    world.session.handle(&member(ALICE, in_call())).expect("told");
    shows(&world.session, "the call", |picture| picture.callers == 1).await;
    let left = event(ALICE, "m.room.member", Some(ALICE), json!({ "membership": "leave" }), 0);
    world.session.handle(&left).expect("told");
    shows(&world.session, "the end", |picture| picture.callers == 0).await;
}

fn joined(who: &str) -> RoomEvent {
    event(who, "m.room.member", Some(who), json!({ "membership": "join" }), 0)
}

#[test]
fn b1_only_those_in_the_room_are_in_its_call() {
    let gone = event(
        "@gone:hs",
        "m.room.member",
        Some("@gone:hs"),
        json!({ "membership": "leave" }),
        0,
    );
    let state = [
        joined(ALICE),
        gone,
        member(ALICE, in_call()),
        member("@gone:hs", in_call()),
    ];
    let snapshot = Snapshot::of(&state);
    assert_eq!(snapshot.facts.len(), 1);
    assert!(snapshot.has_members());
    assert!(!Snapshot::of(&[joined(ALICE), member(ALICE, json!({}))]).has_members());
}

/// In the timeline an event that was replaced is still there.
#[test]
fn b1_who_has_left_by_a_sticky_event_is_not_in_the_call() {
    let by_sticky = |content| event(ALICE, STICKY, None, content, 0);
    let in_call = by_sticky(sticky("m", "PHONE", "https://sfu.example"));
    let left = by_sticky(json!({ "msc4354_sticky_key": "m" }));
    assert!(Snapshot::of(&[joined(ALICE), in_call.clone()]).has_members());
    assert!(Snapshot::of(&[joined(ALICE), left.clone(), in_call.clone()]).has_members());
    let gone = Snapshot::of(&[joined(ALICE), in_call, left]);
    assert!(!gone.has_members());
    assert_eq!(gone.facts.len(), 1);
}

#[test]
fn b15_the_other_bridge_is_no_person_and_the_room_decides_the_key() {
    let create = event(
        ALICE,
        "m.room.create",
        Some(""),
        json!({ "room_version": "org.matrix.msc3757.11" }),
        0,
    );
    let snapshot = Snapshot::of(&[create]);
    let config = MatrixRtc {
        device_id: "VB".into(),
        ..MatrixRtc::default()
    };
    let peer = user("@discordbridge:hs");
    let setup = snapshot.setup(&config, &user(BOT), &peer, "uuid".into());
    assert_eq!(setup.place, Place::State("@bot:hs_VB_m.call".into()));
    assert!(setup.cast.bots.iter().any(|bot| bot.matches(&peer)));
    assert!(setup.restart_every * 2 < setup.leave_after);
}

#[test]
fn b1_a_sticky_membership_is_renewed_while_it_sticks() {
    let config = MatrixRtc {
        mode: Mode::Matrix2,
        ..MatrixRtc::default()
    };
    let setup = Snapshot::of(&[]).setup(&config, &user(BOT), &user("@peer:hs"), "uuid".into());
    let key = "uuid".to_owned();
    assert_eq!(setup.place, Place::Sticky { sender: user(BOT), key });
    assert!(setup.expires <= Duration::from_hours(1));
}
