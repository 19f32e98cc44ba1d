//! Joining, staying and leaving, and what the homeserver may say to it.

use super::*;

#[test]
fn b1_the_first_person_brings_the_bridge_and_the_last_takes_it_along() {
    let (mut room, own) = room(vec![]).joining();
    assert_eq!((own.focus.as_str(), own.created_ms, own.expires), (SFU, None, EXPIRES));
    room.step(Input::Joined(Ok(id("$join"))));
    let [Action::Participants(people), connect] = &room.last[..] else {
        panic!("{:?}", room.last)
    };
    assert_eq!(people[0].user, ALICE);
    assert_eq!(*connect, connect_to(SFU, &[]));
    room.echo(&own, &id("$join"));
    room.does(&[]);
    room.fact(gone(ALICE));
    room.does(&[]);
    room.pass(LINGER);
    assert!(room.last.contains(&Action::Leave), "{:?}", room.last);
    assert_eq!(room.last.last(), Some(&Action::Connect(None)));
    room.step(Input::Left(Ok(())));
    room.does(&[Action::CancelLeave { id: "d1".into() }]);
    room.echo_gone();
    assert_eq!(room.machine.phase(), "idle");
    room.pass(LINGER * 2);
    assert_eq!(room.machine.poll_timeout(), None);
}

#[test]
fn b1_reloading_element_call_moves_nobody() {
    let mut room = room(vec![]).present();
    room.fact(gone(ALICE))
        .pass(LINGER.saturating_sub(Duration::from_millis(1)))
        .fact(here(ALICE));
    room.pass(LINGER * 3);
    assert!(!room.last.contains(&Action::Leave), "{:?}", room.last);
    assert_eq!(room.machine.phase(), "in the call");
}

#[test]
fn b13_the_delayed_leave_is_put_off_for_as_long_as_the_call_lasts() {
    let mut room = room(vec![]).present();
    for _ in 0..3 {
        room.pass(RESTART);
        room.does(&[Action::RestartLeave { id: "d1".into() }]);
        room.step(restarted("d1", Ok(())));
    }
    room.pass(RESTART).step(restarted("d1", Err(Refusal::Later)));
    room.pass(Duration::from_secs(1));
    room.does(&[Action::RestartLeave { id: "d1".into() }]);
}

#[test]
fn b13_a_delayed_leave_that_is_gone_is_asked_for_again() {
    let mut room = room(vec![]).present();
    room.pass(RESTART).step(restarted("d1", Err(Refusal::NotFound)));
    room.does(&[Action::ScheduleLeave { delay: LEAVE_AFTER }]);
    room.step(Input::LeaveScheduled(Ok(Some("d2".into())))).pass(RESTART);
    room.does(&[Action::RestartLeave { id: "d2".into() }]);
    // The homeserver was slow: this is about the one before.
    room.step(restarted("d1", Err(Refusal::NotFound)));
    room.does(&[]);
}

#[test]
fn b13_a_delay_that_is_too_long_is_lowered_and_put_off_more_often() {
    let mut room = room(vec![]);
    room.fact(here(ALICE)).step(Input::Focus(Some(focus(SFU))));
    let most = Duration::from_secs(4);
    room.step(Input::LeaveScheduled(Err(Refusal::DelayTooLong(most))));
    room.does(&[Action::ScheduleLeave { delay: most }]);
    room.step(Input::LeaveScheduled(Ok(Some("d1".into()))));
    room.join();
    room.step(Input::Joined(Ok(id("$join")))).pass(most / 2);
    room.does(&[Action::RestartLeave { id: "d1".into() }]);
}

#[test]
fn a_homeserver_that_names_no_lower_delay_is_not_asked_for_ever() {
    let mut room = room(vec![]);
    room.fact(here(ALICE)).step(Input::Focus(Some(focus(SFU))));
    room.step(Input::LeaveScheduled(Err(Refusal::DelayTooLong(LEAVE_AFTER))));
    room.join();
}

#[test]
fn b13_homeservers_without_delayed_events_do_without() {
    for answer in [Err(Refusal::Unsupported), Ok(None), Err(Refusal::Other)] {
        let mut room = room(vec![]);
        room.fact(here(ALICE)).step(Input::Focus(Some(focus(SFU))));
        room.step(Input::LeaveScheduled(answer));
        let own = room.join();
        room.step(Input::Joined(Ok(id("$join"))));
        // The leave that was sent at once is shown before the join.
        room.echo_gone().does(&[]);
        room.echo(&own, &id("$join"));
        room.pass(EXPIRES / 4).does(&[]);
        room.fact(here_at(ALICE, "PHONE", SFU, room.now.unix_ms))
            .fact(gone(ALICE))
            .pass(LINGER);
        assert!(room.last.contains(&Action::Leave), "{:?}", room.last);
        room.step(Input::Left(Err(Refusal::Later))).pass(Duration::from_secs(2));
        room.does(&[Action::Leave]);
        room.step(Input::Left(Ok(())));
        room.does(&[]);
    }
}

#[test]
fn b13_a_leave_that_fails_is_repeated_and_one_that_is_refused_is_left_to_the_delayed_one() {
    let mut room = room(vec![]).present();
    room.fact(gone(ALICE))
        .pass(LINGER)
        .step(Input::Left(Err(Refusal::Later)));
    room.does(&[]);
    room.pass(Duration::from_secs(2)).does(&[Action::Leave]);
    room.step(Input::Left(Err(Refusal::Forbidden))).does(&[]);
    assert_eq!(room.machine.phase(), "idle");
}

#[test]
fn b13_what_an_earlier_run_left_behind_is_swept_away_first() {
    let room_id = RoomId::parse("!room:hs").unwrap();
    let own = room(vec![]).joining().1;
    let stale = shown(own.to_event(&place(), &room_id), &id("$stale"), UNIX_MS - 5);
    room(vec![stale.clone()]).does(&[Action::Sweep(place())]);
    let busy = room(vec![stale, here(ALICE)]);
    busy.does(&[
        Action::Sweep(place()),
        Action::FindFocus {
            offered: vec![focus(SFU)],
        },
    ]);
}

#[test]
fn b14_an_overdue_leave_is_followed_by_a_join_while_media_goes_on() {
    let mut room = room(vec![]).present();
    room.echo_gone();
    room.does(&[
        Action::CancelLeave { id: "d1".into() },
        Action::ScheduleLeave { delay: LEAVE_AFTER },
    ]);
    room.step(Input::LeaveScheduled(Ok(Some("d2".into()))));
    let own = room.join();
    assert_eq!(own.created_ms, None);
    room.step(Input::Joined(Err(Refusal::Later))).does(&[]);
    room.pass(Duration::from_secs(2));
    room.does(&[
        Action::CancelLeave { id: "d2".into() },
        Action::ScheduleLeave { delay: LEAVE_AFTER },
    ]);
    room.step(Input::LeaveScheduled(Ok(Some("d3".into()))));
    room.join();
    room.step(Input::Joined(Ok(id("$again")))).does(&[]);
    room.echo(&own, &id("$again")).does(&[]);
    assert_eq!(room.machine.phase(), "in the call");
}

#[test]
fn b14_a_leave_and_a_404_at_once_make_one_join() {
    let mut room = room(vec![]).present();
    room.pass(RESTART).step(restarted("d1", Err(Refusal::NotFound)));
    room.echo_gone().does(&[]);
    room.step(Input::LeaveScheduled(Ok(Some("d2".into()))));
    room.join();
}

#[test]
fn b14_a_room_that_is_faster_than_the_answer_is_believed() {
    let (mut room, own) = room(vec![]).joining();
    room.echo(&own, &id("$join")).echo_gone();
    room.step(Input::Joined(Ok(id("$join"))));
    assert!(
        room.last.contains(&Action::ScheduleLeave { delay: LEAVE_AFTER }),
        "{:?}",
        room.last
    );
}

#[test]
fn b1_somebody_who_takes_the_place_is_replaced() {
    let mut room = room(vec![]).present();
    let Place::State(key) = place() else { unreachable!() };
    let stolen = event(
        "@mallory:hs",
        "org.matrix.msc3401.call.member",
        Some(&key),
        json!({}),
        UNIX_MS,
    );
    room.fact(read(&stolen));
    assert!(
        room.last.contains(&Action::ScheduleLeave { delay: LEAVE_AFTER }),
        "{:?}",
        room.last
    );
}

#[test]
fn b1_a_membership_is_renewed_in_the_middle_of_its_time_and_keeps_its_beginning() {
    let mut room = room(vec![]);
    let forever = json!(EXPIRES.as_millis() * 100);
    let mut alice = event(
        ALICE,
        "org.matrix.msc3401.call.member",
        Some("k"),
        json!({
            "application": "m.call", "call_id": "", "device_id": "D", "focus_active": { "type": "livekit" },
        }),
        UNIX_MS,
    );
    alice.content["expires"] = forever;
    room.fact(read(&alice))
        .step(Input::Focus(Some(focus(SFU))))
        .step(Input::LeaveScheduled(Err(Refusal::Unsupported)));
    let own = room.join();
    // The room may show it before the homeserver answers.
    room.echo(&own, &id("$join")).step(Input::Joined(Ok(id("$join"))));
    room.pass(EXPIRES / 2);
    let renewed = room.join();
    assert_eq!(
        (renewed.created_ms, renewed.expires),
        (Some(UNIX_MS), EXPIRES + EXPIRES / 2)
    );
    room.step(Input::Joined(Err(Refusal::Later)))
        .pass(Duration::from_mins(1));
    room.join();
    room.step(Input::Joined(Ok(id("$renewed"))))
        .echo(&renewed, &id("$renewed"));
    room.pass(EXPIRES / 2);
    assert_eq!(room.join().created_ms, Some(UNIX_MS));
}

#[test]
fn missing_power_is_told_once_and_tried_again_when_it_is_given() {
    let (mut room, _) = room(vec![]).joining();
    room.step(Input::Joined(Err(Refusal::Forbidden)));
    room.does(&[
        Action::CancelLeave { id: "d1".into() },
        Action::Notify(Trouble::MissingPower),
    ]);
    room.fact(here(BOB)).does(&[]);
    room.pass(Duration::from_mins(1) - Duration::from_millis(1)).does(&[]);
    room.fact(RoomFact::PowerLevels);
    assert!(matches!(room.last[..], [Action::FindFocus { .. }]), "{:?}", room.last);
    room.step(Input::Focus(Some(focus(SFU))))
        .step(Input::LeaveScheduled(Ok(None)));
    room.step(Input::Joined(Err(Refusal::Forbidden))).does(&[]);
    room.pass(Duration::from_mins(2));
    assert!(matches!(room.last[..], [Action::FindFocus { .. }]), "{:?}", room.last);
}

#[test]
fn b13_a_join_that_may_have_come_through_is_taken_back_before_the_next() {
    let (mut room, _) = room(vec![]).joining();
    room.step(Input::Joined(Err(Refusal::Later))).does(&[Action::Leave]);
    room.step(Input::Left(Err(Refusal::Later))).does(&[]);
    room.pass(Duration::from_secs(2)).does(&[Action::Leave]);
    room.step(Input::Left(Ok(())));
    room.does(&[
        Action::CancelLeave { id: "d1".into() },
        Action::FindFocus {
            offered: vec![focus(SFU)],
        },
    ]);
}

#[test]
fn an_encrypted_room_gets_one_word_and_no_join() {
    let mut room = room(vec![RoomFact::Encrypted]);
    room.does(&[]);
    room.fact(here(ALICE)).does(&[Action::Notify(Trouble::Encrypted)]);
    room.fact(gone(ALICE)).fact(here(ALICE)).does(&[]);
    assert_eq!(room.machine.phase(), "encrypted");
}

#[test]
fn a_room_that_is_encrypted_in_mid_call_is_left() {
    let mut room = room(vec![]).present();
    room.fact(RoomFact::Encrypted);
    assert_eq!(room.last.first(), Some(&Action::Leave));
    room.step(Input::Left(Ok(())));
    room.does(&[
        Action::CancelLeave { id: "d1".into() },
        Action::Notify(Trouble::Encrypted),
    ]);
}

#[test]
fn without_an_sfu_people_are_told_once() {
    let mut room = room(vec![]);
    room.fact(here(ALICE)).step(Input::Focus(None));
    room.does(&[Action::Notify(Trouble::NoFocus)]);
    room.pass(Duration::from_secs(2)).step(Input::Focus(None)).does(&[]);
}

#[test]
fn an_sfu_that_is_lost_is_looked_for_anew() {
    let mut room = room(vec![]).present();
    room.step(Input::FocusLost);
    assert_eq!(room.last.first(), Some(&Action::Leave));
    room.step(Input::Left(Ok(())));
    assert!(
        room.last.contains(&Action::FindFocus {
            offered: vec![focus(SFU)]
        }),
        "{:?}",
        room.last
    );
}

#[test]
fn b13_stopping_leaves_from_wherever_the_bridge_is() {
    let mut idle = room(vec![]);
    idle.step(Input::Stop).does(&[]);
    assert!(idle.machine.is_ended());
    let (mut joining, _) = room(vec![]).joining();
    joining.step(Input::Stop).does(&[Action::Leave]);
    joining.step(Input::Joined(Ok(id("$join")))).does(&[]);
    joining
        .step(Input::Left(Ok(())))
        .does(&[Action::CancelLeave { id: "d1".into() }]);
    assert!(joining.machine.is_ended());
    let mut guarding = room(vec![]);
    guarding
        .fact(here(ALICE))
        .step(Input::Focus(Some(focus(SFU))))
        .step(Input::Stop);
    guarding.does(&[]);
    guarding.step(Input::LeaveScheduled(Ok(Some("d1".into()))));
    guarding.does(&[Action::CancelLeave { id: "d1".into() }]);
}

fn restarted(id: &str, answer: Result<(), Refusal>) -> Input {
    let id = id.to_owned();
    Input::LeaveRestarted { id, answer }
}
