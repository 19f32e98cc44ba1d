use std::time::{Duration, Instant};

use bridge_kit::channel::{BrokenReason, CloseReason, Person, PersonId, Refusal, RejectReason, SessionEvent, Side};
use bridge_kit::media::{Except, InPacket, MediaSource, Overload, SinkSpec, SourceSpec};
use bridge_kit::vdp::FAR_SIDE;

use super::*;
use crate::notice::Notice;
use crate::ports::Admission;
use crate::testing::{FakeHomeserver, PATIENCE, Recorder, World, room, until};

const ALICE: &str = "@alice:hs";
const BOB: &str = "@bob:hs";

async fn state(participation: &mut Participation) -> ChannelState {
    let changed = tokio::time::timeout(PATIENCE, participation.channel_changed()).await;
    changed.expect("in time")
}

fn closed(reason: CloseReason, by: Side) -> SessionEvent {
    SessionEvent::Closed {
        reason,
        text: "Somebody unlinked it.".into(),
        by,
    }
}

/// Twenty loud 20 ms CELT packets, 20 ms apart in media time. Whoever talks again takes a higher mark.
fn talk(source: &MediaSource, mark: u8) {
    for n in 0..20_u8 {
        let number = u64::from(mark) * 100 + u64::from(n);
        source.push(&InPacket {
            opus: &[0xf8, mark, n, 0x55, 0xaa],
            sequence: number,
            media_time: Some(number * 960),
            level: Some(10),
            marks: None,
            received: Instant::now(),
        });
    }
}

fn marks(recorder: &Recorder) -> Vec<u8> {
    let mut marks: Vec<u8> = recorder
        .heard()
        .iter()
        .filter_map(|opus| opus.get(1).copied())
        .collect();
    marks.dedup();
    marks
}

#[tokio::test]
async fn s7_the_first_participant_asks_and_the_last_one_leaving_closes() {
    let mut world = World::new();
    let mut first = world.calls.join(&room(), ALICE, "voip").expect("place");
    let asked = world.asked().await;
    asked.open().await;
    assert_eq!(state(&mut first).await, ChannelState::Open { epoch: 1 });

    let second = world.calls.join(&room(), ALICE, "voip").expect("place");
    assert_eq!(second.channel(), ChannelState::Open { epoch: 1 });
    assert!(world.nobody_asks());
    let status = world.calls.status();
    assert_eq!(status[0]["participants"].as_array().map(Vec::len), Some(2));

    drop(first);
    assert_eq!(world.calls.status()[0]["channel"], "open");
    drop(second);
    asked.closed().await;
    assert_eq!(world.calls.status(), serde_json::json!([]));
}

#[tokio::test]
async fn s2_everybody_hears_the_others_and_nobody_himself() {
    let mut world = World::new();
    let alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let bob = world.calls.join(&room(), BOB, "voip").expect("place");
    let asked = world.asked().await;
    let (to_alice, to_bob, to_discord) = (Recorder::default(), Recorder::default(), Recorder::default());
    let from_alice = alice.attach(Box::new(to_alice.clone()));
    let _from_bob = bob.attach(Box::new(to_bob.clone()));
    let spec = SinkSpec::new("vdp");
    let _sink = asked.media.add_sink(spec, Box::new(to_discord.clone()));

    talk(&from_alice, 0xa1);
    until("alice is heard", || {
        marks(&to_bob).contains(&0xa1) && marks(&to_discord).contains(&0xa1)
    })
    .await;
    assert!(!marks(&to_alice).contains(&0xa1));

    let discord = asked.media.add_source(SourceSpec::new("vdp"));
    tokio::time::sleep(Duration::from_millis(400)).await;
    talk(&discord, 0xdc);
    until("discord is heard", || {
        marks(&to_alice).contains(&0xdc) && marks(&to_bob).contains(&0xdc)
    })
    .await;
}

/// Whoever is muted is not heard, whatever his client sends; and who has put the call on hold hears nothing.
#[tokio::test]
async fn s12_nothing_of_a_muted_participant_goes_anywhere() {
    let mut world = World::new();
    let alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let bob = world.calls.join(&room(), BOB, "voip").expect("place");
    let asked = world.asked().await;
    let (to_bob, to_discord) = (Recorder::default(), Recorder::default());
    alice.set_muted(true);
    let from_alice = alice.attach(Box::new(Recorder::default()));
    let from_bob = bob.attach(Box::new(to_bob.clone()));
    let _sink = asked.media.add_sink(SinkSpec::new("vdp"), Box::new(to_discord.clone()));

    talk(&from_alice, 0xa1);
    talk(&from_bob, 0xb1);
    until("bob is heard", || marks(&to_discord).contains(&0xb1)).await;
    let stats = asked.media.stats().engine;
    assert_eq!((stats.received, stats.mixes), (20, 0), "{stats:?}");
    assert!(!marks(&to_discord).contains(&0xa1));

    bob.set_listening(false);
    alice.set_muted(false);
    // What bob said plays out first.
    tokio::time::sleep(Duration::from_millis(400)).await;
    talk(&from_alice, 0xa2);
    until("alice is heard", || marks(&to_discord).contains(&0xa2)).await;
    assert!(!marks(&to_bob).iter().any(|mark| [0xa1, 0xa2].contains(mark)));
    assert_eq!(asked.media.stats().engine.lost, 0, "her numbers were used");
}

/// Alice and Bob are at an SFU, where they hear each other; Carol calls the bridge itself.
#[tokio::test]
async fn b1_b2_people_at_an_sfu_hear_what_is_not_there_and_everybody_else_hears_them() {
    let mut world = World::new();
    let sfu = world.calls.join(&room(), "@bot:hs", "sfu").expect("place");
    let alice = world.calls.join_beside(&sfu, ALICE, "matrixrtc").expect("place");
    let bob = world.calls.join_beside(&sfu, BOB, "matrixrtc").expect("place");
    let carol = world.calls.join(&room(), "@carol:hs", "voip").expect("place");
    let asked = world.asked().await;
    let (to_sfu, to_carol, to_discord) = (Recorder::default(), Recorder::default(), Recorder::default());
    sfu.attach_sfu(Box::new(to_sfu.clone()));
    let (from_alice, from_bob) = (alice.attach_at_sfu(), bob.attach_at_sfu());
    let from_carol = carol.attach(Box::new(to_carol.clone()));
    let spec = SinkSpec::new(FAR_SIDE).except(Except::Group(FAR_SIDE));
    let _sink = asked.media.add_sink(spec, Box::new(to_discord.clone()));
    let discord = asked.media.add_source(SourceSpec::new(FAR_SIDE).groups(&[FAR_SIDE]));

    for (source, mark, hearers) in [
        (&*from_alice, 0xa1, [&to_carol, &to_discord]),
        (&*from_bob, 0xb1, [&to_carol, &to_discord]),
        (&*from_carol, 0xc1, [&to_sfu, &to_discord]),
        (&discord, 0xd1, [&to_sfu, &to_carol]),
    ] {
        talk(source, mark);
        until("both hear it", || hearers.iter().all(|to| marks(to).contains(&mark))).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    for (to, strange) in [
        (&to_sfu, [0xa1, 0xb1]),
        (&to_carol, [0xc1, 0xc1]),
        (&to_discord, [0xd1, 0xd1]),
    ] {
        assert!(!strange.iter().any(|mark| marks(to).contains(mark)), "{:x?}", marks(to));
    }
}

/// Somebody at an SFU who is on the other side in person is not brought there a second time, and heard here.
#[tokio::test]
async fn who_is_on_both_sides_and_at_an_sfu_does_not_cross() {
    let ada = OtherSelf::new("80351110224678912").expect("an id");
    let people = People {
        on_both_sides: [(ALICE.try_into().expect("a user id"), ada)].into(),
    };
    let mut world = World::of(FakeHomeserver::admitting(Some(Admission::Bridged)), people);
    let sfu = world.calls.join(&room(), "@bot:hs", "sfu").expect("place");
    let alice = world.calls.join_beside(&sfu, ALICE, "matrixrtc").expect("place");
    let carol = world.calls.join(&room(), "@carol:hs", "voip").expect("place");
    let asked = world.asked().await;
    asked.open().await;
    let (to_sfu, to_carol, to_discord) = (Recorder::default(), Recorder::default(), Recorder::default());
    sfu.attach_sfu(Box::new(to_sfu.clone()));
    let _from_carol = carol.attach(Box::new(to_carol.clone()));
    let spec = SinkSpec::new(FAR_SIDE).except(Except::Group(FAR_SIDE));
    let _sink = asked.media.add_sink(spec, Box::new(to_discord.clone()));
    let people = PersonId::new("80351110224678912")
        .map(Person::new)
        .into_iter()
        .collect();
    asked.say(SessionEvent::People(people)).await;
    let from_alice = alice.attach_at_sfu();
    until("alice is found there", || {
        world.calls.status()[0]["participants"][1]["both_sides"] == true
    })
    .await;
    talk(&from_alice, 0xa1);
    until("carol hears her", || marks(&to_carol).contains(&0xa1)).await;
    assert!(marks(&to_discord).is_empty() && marks(&to_sfu).is_empty());
}

#[tokio::test]
async fn s8_a_refusal_is_not_told_to_people_who_know() {
    let mut world = World::new();
    let mut alice = world.calls.join_again(&room(), ALICE, "sfu").expect("place");
    let refusal = Refusal::new(RejectReason::AtCapacity, "It is full.");
    world.asked().await.say(SessionEvent::Rejected(refusal)).await;
    assert_eq!(state(&mut alice).await, ChannelState::Ended(Ended::Full));
    assert_eq!(world.homeserver.notices(), []);
}

#[tokio::test]
async fn s8_a_refusal_reaches_everybody_and_is_told_once() {
    let mut world = World::new();
    let mut alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let mut bob = world.calls.join(&room(), BOB, "voip").expect("place");
    let asked = world.asked().await;
    let refusal = Refusal::new(RejectReason::NoPermission, "The bot may not speak in that channel.");
    asked.say(SessionEvent::Rejected(refusal)).await;
    let refused = ChannelState::Ended(Ended::Refused);
    assert_eq!(state(&mut alice).await, refused);
    assert_eq!(state(&mut bob).await, refused);
    until("the notice", || !world.homeserver.notices().is_empty()).await;
    let notices = world.homeserver.notices();
    let [Notice::Refused { text, .. }] = notices.as_slice() else {
        panic!("{notices:?}")
    };
    assert_eq!(text, "The bot may not speak in that channel.");
}

#[tokio::test]
async fn s8_being_full_is_told_apart_from_other_refusals() {
    let mut world = World::new();
    let mut alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let refusal = Refusal::new(RejectReason::AtCapacity, "");
    world.asked().await.say(SessionEvent::Rejected(refusal)).await;
    assert_eq!(state(&mut alice).await, ChannelState::Ended(Ended::Full));
}

/// B12: an overloaded bridge says so, and asks for nothing.
#[tokio::test]
async fn b12_an_overloaded_bridge_asks_for_no_channel() {
    let mut world = World::new();
    let pool = MediaPool::new(std::num::NonZeroUsize::MIN).expect("media threads");
    let (core, task) = Core::new(room(), pool.room("a room"), Arc::default(), Tells::Room);
    let overload = Some(Overload { late_percent: 34 });
    let run = task.run(world.channels.clone(), world.homeserver.clone(), overload);
    let run = tokio::spawn(run);
    until("the notice", || !world.homeserver.notices().is_empty()).await;
    assert_eq!(*core.state().borrow(), ChannelState::Ended(Ended::Full));
    let notices = world.homeserver.notices();
    let [
        Notice::Refused {
            text,
            code,
            retry_after,
        },
    ] = notices.as_slice()
    else {
        panic!("{notices:?}")
    };
    assert!(text.contains("late to 34 %"), "{text}");
    assert_eq!(
        (code.as_str(), *retry_after),
        ("at_capacity", Some(Duration::from_secs(10)))
    );
    assert!(world.nobody_asks());
    drop(core);
    run.await.expect("it ends with its last participant");
}

#[tokio::test]
async fn s8_the_end_of_a_running_call_is_told_unless_it_is_our_own_doing() {
    for (event, told) in [
        (closed(CloseReason::NoLongerBridged, Side::Peer), 1),
        (closed(CloseReason::CallEnded, Side::Peer), 0),
        (closed(CloseReason::Shutdown, Side::Us), 0),
    ] {
        let mut world = World::new();
        let mut alice = world.calls.join(&room(), ALICE, "voip").expect("place");
        let asked = world.asked().await;
        asked.open().await;
        assert_eq!(state(&mut alice).await, ChannelState::Open { epoch: 1 });
        asked.say(event).await;
        assert_eq!(state(&mut alice).await, ChannelState::Ended(Ended::Closed));
        asked.closed().await;
        drop(alice);
        until("the end", || world.calls.status() == serde_json::json!([])).await;
        assert_eq!(world.homeserver.notices().len(), told);
    }
}

#[tokio::test]
async fn s10_a_break_is_seen_and_gets_better_by_itself() {
    let mut world = World::new();
    let mut alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let asked = world.asked().await;
    asked.open().await;
    assert_eq!(state(&mut alice).await, ChannelState::Open { epoch: 1 });
    let broken = SessionEvent::Broken {
        reason: BrokenReason::Silent,
        text: String::new(),
    };
    asked.say(broken).await;
    assert_eq!(state(&mut alice).await, ChannelState::Broken);
    assert_eq!(world.calls.status()[0]["channel"], "broken");
    asked.open().await;
    assert_eq!(state(&mut alice).await, ChannelState::Open { epoch: 1 });
}

#[tokio::test]
async fn a_call_after_a_refused_one_asks_anew_though_somebody_lingers() {
    let mut world = World::new();
    let mut lingering = world.calls.join(&room(), ALICE, "voip").expect("place");
    let refusal = Refusal::new(RejectReason::DiscordLimit, "x");
    world.asked().await.say(SessionEvent::Rejected(refusal)).await;
    assert_eq!(state(&mut lingering).await, ChannelState::Ended(Ended::Refused));
    let mut next = world.calls.join(&room(), ALICE, "voip").expect("place");
    let asked = world.asked().await;
    asked.open().await;
    assert_eq!(state(&mut next).await, ChannelState::Open { epoch: 1 });
}

#[tokio::test]
async fn a_channel_that_is_still_being_closed_is_waited_for() {
    let mut world = World::new();
    *world.channels.busy.lock().expect("lock") = 2;
    let _alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    world.asked().await.open().await;
}

#[tokio::test]
async fn the_number_of_participants_is_bounded() {
    let world = World::new();
    let join = || world.calls.join(&room(), ALICE, "voip");
    let all: Vec<_> = (0..MAX_PARTICIPANTS).map(|_| join().expect("place")).collect();
    assert_eq!(join().expect_err("full"), CallFull);
    drop(all);
    assert!(join().is_ok());
}

/// S12: the other bridge need not send what nobody hears.
#[tokio::test]
async fn the_other_side_is_told_whether_anybody_of_the_call_listens() {
    let mut world = World::new();
    let alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let bob = world.calls.join(&room(), BOB, "voip").expect("place");
    let mut asked = world.asked().await;
    let _voices = [&alice, &bob].map(|caller| caller.attach(Box::new(Recorder::default())));
    let mut listens = async || {
        asked.audience.changed().await.expect("the channel is held");
        asked.audience.borrow_and_update().listening
    };
    alice.set_listening(false);
    bob.set_listening(false);
    while listens().await {}
    alice.set_listening(true);
    assert!(listens().await, "one is enough");
    drop(alice);
    assert!(!listens().await, "who is left does not");
    let sfu = world.calls.join(&room(), "@bot:hs", "sfu").expect("place");
    sfu.attach_sfu(Box::new(Recorder::default()));
    assert!(listens().await, "an SFU listens for those who are there");
}

/// Issue: an account that is on both sides never hears itself back.
#[tokio::test]
async fn who_is_on_both_sides_neither_hears_nor_is_heard_by_the_other() {
    let ada = OtherSelf::new("80351110224678912").expect("an id");
    let people = People {
        on_both_sides: [(ALICE.try_into().expect("a user id"), ada)].into(),
    };
    let mut world = World::of(FakeHomeserver::admitting(Some(Admission::Bridged)), people);
    let alice = world.calls.join(&room(), ALICE, "voip").expect("place");
    let bob = world.calls.join(&room(), BOB, "voip").expect("place");
    let asked = world.asked().await;
    asked.open().await;
    let (to_alice, to_bob, to_discord) = (Recorder::default(), Recorder::default(), Recorder::default());
    let spec = SinkSpec::new(FAR_SIDE).except(Except::Group(FAR_SIDE));
    let _sink = asked.media.add_sink(spec, Box::new(to_discord.clone()));
    let discord = asked.media.add_source(SourceSpec::new(FAR_SIDE).groups(&[FAR_SIDE]));
    let from_alice = alice.attach(Box::new(to_alice.clone()));
    let _from_bob = bob.attach(Box::new(to_bob.clone()));

    let there = |ids: &[&str]| {
        SessionEvent::People(
            ids.iter()
                .filter_map(|&id| PersonId::new(id))
                .map(Person::new)
                .collect(),
        )
    };
    let both_sides = |world: &World| world.calls.status()[0]["participants"][0]["both_sides"].clone();
    asked.say(there(&["1", "80351110224678912"])).await;
    until("alice is found there", || both_sides(&world) == true).await;
    // One who attaches anew is still there.
    let _replaced = alice.attach(Box::new(to_alice.clone()));
    drop(from_alice);
    let from_alice = alice.attach(Box::new(to_alice.clone()));
    for (source, mark) in [(&discord, 0xd1), (&*from_alice, 0xa1)] {
        talk(source, mark);
        until("bob hears it", || marks(&to_bob).contains(&mark)).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(!marks(&to_alice).contains(&0xd1), "she is there in person");
    assert!(!marks(&to_discord).contains(&0xa1), "she speaks there herself");

    asked.say(there(&["1"])).await;
    until("alice has left there", || both_sides(&world) == false).await;
    talk(&from_alice, 0xa2);
    until("alice is heard there", || marks(&to_discord).contains(&0xa2)).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    talk(&discord, 0xd2);
    until("alice hears the other side", || marks(&to_alice).contains(&0xd2)).await;
}
