//! Who is in the voice channel is known on the asking side.

use super::*;

fn people(ids: &[&str]) -> Vec<Member> {
    let ids = ids.iter().map(|&id| PersonId::new(id).expect("an id"));
    ids.map(Member::new).collect()
}

fn told(ids: &[&str]) -> SessionEvent {
    SessionEvent::People(people(ids))
}

#[tokio::test]
async fn who_is_there_is_told_at_first_and_with_every_change() {
    let world = World::new(Handler::default());
    world.handler.people.send_replace(people(&["ada", "bob"]));
    let mut session = world.open().await;
    assert_eq!(next(&mut session).await, told(&["ada", "bob"]));
    for there in [&["bob"][..], &[]] {
        world.handler.people.send_replace(people(there));
        assert_eq!(next(&mut session).await, told(there));
    }
    let before = world.room.sent(names::PEOPLE).len();
    world.handler.people.send_replace(people(&[]));
    world.handler.people.send_replace(people(&["carol"]));
    assert_eq!(next(&mut session).await, told(&["carol"]));
    assert_eq!(
        world.room.sent(names::PEOPLE).len(),
        before + 1,
        "what is the same is not said again"
    );
}

#[tokio::test]
async fn nobody_is_not_worth_an_event() {
    let world = World::new(Handler::default());
    let session = world.open().await;
    until("the record", || world.room.record(bridged().as_str()).is_some()).await;
    drop(session);
    world.nothing_is_left().await;
    assert!(world.room.sent(names::PEOPLE).is_empty());
}

/// Whoever left while the voice channel was being entered anew is not there afterwards.
#[tokio::test]
async fn after_the_voice_channel_was_lost_they_are_told_anew() {
    let world = World::new(Handler {
        gate: Some(tokio::sync::Semaphore::new(1)),
        ..Handler::default()
    });
    world.handler.people.send_replace(people(&["ada"]));
    let mut session = world.open().await;
    assert_eq!(next(&mut session).await, told(&["ada"]));
    world.answerer.renew(bridged(), "crashed");
    assert!(matches!(next(&mut session).await, SessionEvent::Broken { .. }));
    world.handler.people.send_replace(people(&[]));
    world.handler.gate.as_ref().expect("a gate").add_permits(1);
    assert!(matches!(next(&mut session).await, SessionEvent::Open { .. }));
    assert_eq!(next(&mut session).await, told(&[]));
}

#[tokio::test]
async fn of_a_crowd_the_first_256_are_told() {
    let world = World::new(Handler::default());
    let ids = (0..300).filter_map(|id| PersonId::new(format!("{id:03}")));
    let crowd: Vec<Member> = ids.map(Member::new).collect();
    world.handler.people.send_replace(crowd.clone());
    let mut session = world.open().await;
    assert_eq!(next(&mut session).await, SessionEvent::People(crowd[..256].to_vec()));
}
