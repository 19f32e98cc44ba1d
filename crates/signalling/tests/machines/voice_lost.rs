//! The answering side's voice channel is lost while the link works (S10).

use signalling::{
    Answerer, Body, BrokenReason, CloseReason, Ending, Input, Machine, Notice, Phase, Refusal, RejectReason, Side,
    Timing,
};

use crate::bench::{Bench, open_pair};

fn voice_lost() -> Input {
    Input::VoiceLost {
        text: "the voice server crashed".to_owned(),
    }
}

fn refused(reason: RejectReason) -> Input {
    Input::Refused(Refusal::new(reason, "in Discord's words"))
}

/// An answerer that has lost its voice channel and is entering it anew.
fn entering() -> Bench<Answerer> {
    let (_, mut answerer) = open_pair();
    assert_eq!(answerer.handle(voice_lost()).admissions, 1);
    answerer
}

#[test]
fn s10_it_is_entered_anew_and_the_next_epoch_offered() {
    let (mut asker, mut answerer) = open_pair();
    let lost = answerer.handle(voice_lost());
    assert_eq!(lost.admissions, 1);
    assert!(matches!(
        &lost.bodies()[..],
        [Body::Broken(broken)] if broken.reason == BrokenReason::VoiceLost && broken.text.contains("crashed")
    ));
    assert!(matches!(&lost.notices[..], [Notice::Broken { by: Side::Us, .. }]));
    assert!(answerer.handle(voice_lost()).is_nothing(), "it is being entered");
    assert_eq!(answerer.machine.status().phase, Phase::Broken);

    let heard = asker.receive(&lost.only());
    assert!(matches!(&heard.notices[..], [Notice::Broken { by: Side::Peer, .. }]));
    let offer = answerer.handle(Input::Admitted).only();
    let accept = asker.receive(&offer).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
    assert_eq!(asker.machine.status(), answerer.machine.status());
    assert_eq!(
        (answerer.machine.status().phase, answerer.machine.status().epoch),
        (Phase::Open, 2)
    );
}

#[test]
fn what_is_offered_when_it_is_lost_is_broken_too() {
    let (mut asker, request) = Bench::asking("t1");
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request.only()).admissions, 1);
    let offer = answerer.handle(Input::Admitted).only();
    let lost = answerer.handle(voice_lost());
    assert_eq!((lost.admissions, lost.notices.len()), (1, 0));
    assert_eq!(
        asker.receive(&offer).sent.len(),
        1,
        "accepted before the word of the loss arrived"
    );
    assert_eq!(asker.receive(&lost.only()).notices.len(), 1);
    assert_eq!(asker.machine.status().phase, Phase::Broken);
    let accept = asker.receive(&answerer.handle(Input::Admitted).only()).only();
    assert_eq!(answerer.receive(&accept).connected.len(), 1);
}

#[test]
fn it_is_lost_again_and_again_more_and_more_slowly_until_it_is_given_up() {
    let mut answerer = entering();
    let broke = answerer.now;
    let mut tries = 1;
    let ended = loop {
        let refused = answerer.handle(refused(RejectReason::DiscordLimit));
        assert!(refused.sent.is_empty() && refused.endings.is_empty(), "it may pass");
        let done = answerer.wait();
        if !done.endings.is_empty() {
            break done;
        }
        assert_eq!(done.admissions, 1);
        tries += 1;
        assert!(tries < 100, "it slows down");
    };
    assert!(tries > 5, "{tries} tries");
    assert_eq!(answerer.now - broke, Timing::default().recover_within);
    assert!(matches!(&ended.bodies()[..], [Body::Close(close)] if close.reason == CloseReason::GaveUp));
    assert_eq!(ended.records, [false]);
}

#[test]
fn a_reason_that_lasts_closes_the_channel() {
    let cases = [
        (RejectReason::NoPermission, CloseReason::NoPermission),
        (RejectReason::NotBridged, CloseReason::NoLongerBridged),
        (RejectReason::NoLongerBridged, CloseReason::NoLongerBridged),
        (RejectReason::NoCapability, CloseReason::DiscordLimit),
    ];
    for (reason, expected) in cases {
        let done = entering().handle(refused(reason));
        assert!(matches!(
            &done.endings[..],
            [Ending::Closed { reason, text, by: Side::Us }] if *reason == expected && text == "in Discord's words"
        ));
        assert!(matches!(&done.bodies()[..], [Body::Close(close)] if close.reason == expected));
        assert_eq!(done.records, [false]);
    }
}

#[test]
fn a_decision_that_comes_after_all_counts() {
    let mut answerer = entering();
    assert!(answerer.wait().sent.is_empty(), "the decision takes too long");
    let offer = answerer.handle(Input::Admitted).only();
    assert!(matches!(offer.body, Body::Offer(offer) if offer.channel.epoch == 2));
}

#[test]
fn a_restarted_asker_waits_until_it_is_entered() {
    for refusals in 0..2 {
        let mut answerer = entering();
        for _ in 0..refusals {
            assert!(answerer.handle(refused(RejectReason::DiscordLimit)).is_nothing());
        }
        let (mut asker, request) = Bench::asking("t2");
        let done = answerer.receive(&request.only());
        assert_eq!(
            (done.sent.len(), done.admissions),
            (0, refusals),
            "entered once at a time"
        );
        let offer = answerer.handle(Input::Admitted).only();
        assert_eq!(asker.receive(&offer).sent.len(), 1);
    }
}

#[test]
fn where_there_is_no_channel_nothing_is_lost() {
    assert!(Bench::answering().handle(voice_lost()).is_nothing());
}

#[test]
fn a_request_that_takes_the_place_of_the_channel_and_is_refused_empties_its_record() {
    let mut answerer = entering();
    let (mut restarted, request) = Bench::asking("t2");
    assert!(
        answerer.receive(&request.only()).is_nothing(),
        "the decision is awaited"
    );
    let refused = answerer.handle(refused(RejectReason::NoPermission));
    assert_eq!(refused.records, [false]);
    assert_eq!(restarted.receive(&refused.only()).endings.len(), 1);
}
