//! Both sides together.

use signalling::{Body, BrokenReason, CloseReason, Input, Machine, Phase, Status};

use crate::bench::{Bench, open_pair};

fn silent(epoch: u32) -> Input {
    Input::Lost {
        epoch,
        reason: BrokenReason::Silent,
        text: String::new(),
    }
}

#[test]
fn request_offer_accept_and_both_are_open_in_the_same_epoch() {
    let (asker, answerer) = open_pair();
    let open = Status {
        phase: Phase::Open,
        epoch: 1,
    };
    assert_eq!((asker.machine.status(), answerer.machine.status()), (open, open));
}

#[test]
fn s10_both_find_it_broken_at_once_and_meet_in_the_next_epoch() {
    let (mut asker, mut answerer) = open_pair();
    let asker_says = asker.handle(silent(1)).only();
    let answerer_says = answerer.handle(silent(1));
    let [broken, offer] = &answerer_says.sent[..] else {
        panic!("{answerer_says:?}")
    };
    assert!(answerer.receive(&asker_says).is_nothing());
    assert!(asker.receive(broken).is_nothing());
    let accept = asker.receive(offer).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
    let open = Status {
        phase: Phase::Open,
        epoch: 2,
    };
    assert_eq!((asker.machine.status(), answerer.machine.status()), (open, open));
}

#[test]
fn both_close_at_once_and_neither_answers() {
    let (mut asker, mut answerer) = open_pair();
    let end = || Input::End {
        reason: CloseReason::Shutdown,
        text: String::new(),
    };
    let asker_says = asker.handle(end()).only();
    let answerer_says = answerer.handle(end()).only();
    assert!(asker.receive(&answerer_says).is_nothing());
    assert!(answerer.receive(&asker_says).is_nothing());
}

#[test]
fn a_lost_accept_is_made_good_by_the_repeated_offer() {
    let (mut asker, request) = Bench::asking("t1");
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request.only()).admissions, 1);
    let lost = asker.receive(&answerer.handle(Input::Admitted).only());
    assert_eq!(lost.connected.len(), 1);
    let accept = asker.receive(&answerer.wait().only()).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
    assert_eq!(asker.machine.status(), answerer.machine.status());
}

#[test]
fn a_lost_close_is_made_good_when_the_silence_is_noticed() {
    let (mut asker, mut answerer) = open_pair();
    let end = Input::End {
        reason: CloseReason::CallEnded,
        text: String::new(),
    };
    assert_eq!(asker.handle(end).sent.len(), 1, "and lost");
    let noticed = answerer.handle(silent(1));
    for event in &noticed.sent {
        let said = asker.receive(event).only();
        assert!(matches!(&said.body, Body::Close(close) if close.reason == CloseReason::UnknownTransaction));
        answerer.receive(&said);
    }
    assert!(answerer.machine.is_idle());
}

#[test]
fn a_restarted_answering_side_is_found_and_asked_again() {
    let (mut asker, _) = open_pair();
    let mut restarted = Bench::answering();
    assert!(restarted.receive(&asker.handle(silent(1)).only()).is_nothing());
    assert_eq!(restarted.receive(&asker.wait().only()).admissions, 1);
    let accept = asker.receive(&restarted.handle(Input::Admitted).only()).only();
    assert_eq!(restarted.receive(&accept).connected.len(), 1);
    let open = Status {
        phase: Phase::Open,
        epoch: 2,
    };
    assert_eq!((asker.machine.status(), restarted.machine.status()), (open, open));
}

#[test]
fn a_restarted_asking_side_takes_its_room_over() {
    let (_, mut answerer) = open_pair();
    let (mut restarted, request) = Bench::asking("t2");
    let offer = answerer.receive(&request.only()).only();
    let accept = restarted.receive(&offer).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
    let open = Status {
        phase: Phase::Open,
        epoch: 2,
    };
    assert_eq!((restarted.machine.status(), answerer.machine.status()), (open, open));
}

#[test]
fn of_two_requests_in_the_wrong_order_the_newer_gets_its_turn() {
    let (mut crashed, old) = Bench::asking("t1");
    let (mut asker, new) = Bench::asking("t2");
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&new.only()).admissions, 1);
    assert!(answerer.receive(&old.only()).is_nothing(), "taken for the newer");
    let offer = answerer.handle(Input::Admitted).only();
    assert_eq!(crashed.receive(&offer).connected.len(), 1, "if it were still there");
    assert!(
        answerer.receive(&asker.wait().only()).is_nothing(),
        "it is not heard yet"
    );

    assert_eq!(answerer.receive(&asker.receive(&offer).only()).endings.len(), 1);
    assert_eq!(answerer.receive(&asker.wait().only()).admissions, 1);
    let accept = asker.receive(&answerer.handle(Input::Admitted).only()).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
    assert_eq!(asker.machine.status(), answerer.machine.status());
}
