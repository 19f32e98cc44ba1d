//! Rooms come and go; what happens while one is read is not lost.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::*;
use crate::matrixrtc::hub::{Hub, Identity, Reader, Started};

/// Reads what the test gives it, when the test gives it.
#[derive(Default)]
struct FakeReader(Mutex<VecDeque<oneshot::Receiver<Option<Snapshot>>>>);

impl FakeReader {
    /// The test's end of the next reading.
    fn next(&self) -> oneshot::Sender<Option<Snapshot>> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().expect("a lock").push_back(receiver);
        sender
    }
}

impl Reader for FakeReader {
    fn read(&self, _: &RoomId) -> BoxFuture<'static, Option<Snapshot>> {
        let answer = self.0.lock().expect("a lock").pop_front();
        let answer = answer.expect("the test expects no reading");
        Box::pin(async move { answer.await.expect("an answer") })
    }
}

fn hub() -> (Hub, Arc<FakeReader>, Arc<FakeDesk>) {
    let (desk, reader) = (Arc::new(FakeDesk::default()), Arc::new(FakeReader::default()));
    let surroundings = Surroundings {
        desk: desk.clone(),
        foci: Arc::new(FakeFoci),
        homeserver: FakeHomeserver::admitting(Some(Admission::Bridged)),
    };
    let identity = Identity {
        config: MatrixRtc::default(),
        user: user(BOT),
        peer: user("@discordbridge:hs"),
        member_id: "uuid".into(),
    };
    (Hub::new(surroundings, reader.clone(), identity), reader, desk)
}

fn with_alice() -> Snapshot {
    Snapshot::of(&[joined(ALICE), member(ALICE, in_call())])
}

async fn started(hub: &mut Hub) -> Started {
    let started = tokio::time::timeout(PATIENCE, hub.next()).await;
    started.expect("a session")
}

async fn until_shown(started: &mut Started, wanted: impl FnMut(&Picture) -> bool) {
    let shown = tokio::time::timeout(PATIENCE, started.picture.wait_for(wanted)).await;
    assert!(shown.is_ok_and(|seen| seen.is_ok()), "it was not shown");
}

#[tokio::test]
async fn b1_somebody_who_joins_a_call_starts_its_session() {
    let (mut hub, reader, desk) = hub();
    let answer = reader.next();
    hub.handle(&member(ALICE, in_call()));
    answer.send(Some(with_alice())).expect("waited for");
    let mut started = started(&mut hub).await;
    assert_eq!(started.room, room());
    until_shown(&mut started, |picture| picture.connections.is_some()).await;
    hub.stop(PATIENCE).await;
    assert!(desk.asked().contains(&"leave".to_owned()), "{:?}", desk.asked());
}

#[tokio::test]
async fn b14_a_call_that_goes_on_is_found_at_start() {
    let (mut hub, reader, _) = hub();
    let answer = reader.next();
    hub.examine(&room());
    // It is being read already.
    hub.examine(&room());
    answer.send(Some(with_alice())).expect("waited for");
    let mut started = started(&mut hub).await;
    until_shown(&mut started, |picture| picture.callers == 1).await;
}

#[tokio::test]
async fn what_happens_while_a_room_is_read_comes_after() {
    let (mut hub, reader, _) = hub();
    let answer = reader.next();
    hub.examine(&room());
    hub.handle(&member("@bob:hs", in_call()));
    hub.handle(&member(ALICE, json!({})));
    answer.send(Some(with_alice())).expect("waited for");
    let mut started = started(&mut hub).await;
    until_shown(&mut started, |picture| {
        picture.participants.len() == 1 && picture.participants[0].user == "@bob:hs"
    })
    .await;
}

#[tokio::test]
async fn s6_rooms_that_are_not_bridged_have_no_session_and_are_looked_at_again() {
    let (mut hub, reader, _) = hub();
    reader.next().send(None).expect("waited for");
    let answer = reader.next();
    hub.handle(&member(ALICE, in_call()));
    tokio::select! {
        biased;
        _ = hub.next() => panic!("a session"),
        () = std::future::ready(()) => {}
    }
    hub.handle(&member(ALICE, in_call()));
    answer.send(Some(with_alice())).expect("waited for");
    started(&mut hub).await;
}

#[tokio::test]
async fn a_bot_that_is_put_out_of_a_room_follows_its_call_no_more() {
    let (mut hub, reader, _) = hub();
    reader.next().send(Some(with_alice())).expect("waited for");
    hub.examine(&room());
    let mut started = started(&mut hub).await;
    hub.handle(&event(
        ALICE,
        "m.room.member",
        Some(BOT),
        json!({ "membership": "ban" }),
        0,
    ));
    let ended = async { while started.picture.changed().await.is_ok() {} };
    assert!(
        tokio::time::timeout(PATIENCE, ended).await.is_ok(),
        "the session goes on"
    );
}

#[tokio::test]
async fn a_room_that_is_given_up_while_it_is_read_stays_so() {
    let (mut hub, reader, _) = hub();
    let (first, second) = (reader.next(), reader.next());
    hub.examine(&room());
    hub.forget(&room());
    hub.examine(&room());
    first.send(Some(with_alice())).expect("waited for");
    second.send(Some(Snapshot::of(&[]))).expect("waited for");
    tokio::select! {
        biased;
        _ = hub.next() => panic!("a session from a reading that nobody waits for"),
        () = std::future::ready(()) => {}
    }
}

async fn ended(hub: &mut Hub, started: &mut Started) {
    let ended = async { while started.picture.changed().await.is_ok() {} };
    tokio::select! {
        _ = hub.next() => panic!("another session"),
        ended = tokio::time::timeout(PATIENCE, ended) => assert!(ended.is_ok(), "the session goes on"),
    }
}

#[tokio::test]
async fn a_call_that_is_over_is_followed_no_more_until_the_next() {
    let (mut hub, reader, desk) = hub();
    let board = hub.board();
    reader.next().send(Some(with_alice())).expect("waited for");
    hub.examine(&room());
    let mut first = started(&mut hub).await;
    until_shown(&mut first, |picture| picture.connections.is_some()).await;
    assert_eq!(board.status()[0]["phase"], "in the call");
    hub.handle(&member(ALICE, json!({})));
    ended(&mut hub, &mut first).await;
    assert!(desk.asked().contains(&"take back d1".to_owned()), "{:?}", desk.asked());
    assert_eq!(board.status(), json!([]));

    reader.next().send(Some(with_alice())).expect("waited for");
    hub.handle(&member(ALICE, in_call()));
    started(&mut hub).await;
}

#[tokio::test]
async fn s8_the_call_of_a_room_that_is_unlinked_is_left() {
    let (mut hub, reader, desk) = hub();
    reader.next().send(Some(with_alice())).expect("waited for");
    hub.examine(&room());
    let mut first = started(&mut hub).await;
    until_shown(&mut first, |picture| picture.connections.is_some()).await;
    hub.unbridged(&room());
    ended(&mut hub, &mut first).await;
    assert_eq!(desk.asked()[2..], ["leave", "take back d1"]);
}
