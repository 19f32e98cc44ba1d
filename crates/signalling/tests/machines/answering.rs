//! The answering side alone.

use std::time::Duration;

use signalling::{
    Accept, Answerer, Audience, Body, Broken, BrokenReason, Channel, Close, CloseReason, Ending, Event, Format, Input,
    Machine, Notice, Offer, Phase, Refusal, RejectReason, Request, Side, Timer, Timing,
};

use crate::bench::{ANSWERER, ASKER, Bench, ROOM, address, end, lost, transaction};

fn event(name: &str, body: Body) -> Event {
    let header = signalling::Header {
        room_id: ROOM.to_owned(),
        transaction_id: transaction(name),
        format: Format::SealedOpusChaCha,
    };
    Event { header, body }
}

fn request(name: &str, after_epoch: u32) -> Event {
    event(
        name,
        Body::Request(Request {
            formats: vec![Format::SealedOpusChaCha],
            after_epoch,
        }),
    )
}

fn accept(name: &str, channel: Channel) -> Event {
    event(
        name,
        Body::Accept(Accept {
            channel,
            end: end(ASKER, channel.epoch),
        }),
    )
}

fn broken(name: &str, channel: Channel) -> Event {
    event(
        name,
        Body::Broken(Broken {
            channel,
            reason: BrokenReason::Silent,
            text: String::new(),
        }),
    )
}

fn close(name: &str) -> Event {
    event(
        name,
        Body::Close(Close {
            channel: None,
            reason: CloseReason::CallEnded,
            text: String::new(),
        }),
    )
}

fn offered(event: &Event) -> Channel {
    let Body::Offer(Offer { channel, end: at }) = event.body else {
        panic!("an offer: {event:?}")
    };
    assert_eq!(at, end(ANSWERER, channel.epoch));
    channel
}

/// An answerer that has offered epoch 1 in the transaction `t1`.
fn offering() -> (Bench<Answerer>, Channel) {
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request("t1", 0)).admissions, 1);
    let channel = offered(&answerer.handle(Input::Admitted).only());
    (answerer, channel)
}

/// One whose channel is open in epoch 1 and was heard on.
fn open() -> (Bench<Answerer>, Channel) {
    let (mut answerer, channel) = offering();
    assert_eq!(answerer.receive(&accept("t1", channel)).connected.len(), 1);
    assert!(answerer.handle(Input::Heard { epoch: 1 }).is_nothing());
    (answerer, channel)
}

#[test]
fn it_takes_an_audience_of_the_open_epoch_alone() {
    let (mut answerer, channel) = offering();
    let deaf = Audience {
        listening: false,
        ..Audience::UNKNOWN
    };
    let said = event("t1", Body::Audience(channel, deaf));
    assert!(answerer.receive(&said).is_nothing(), "it is not open yet");
    assert_eq!(answerer.receive(&accept("t1", channel)).connected.len(), 1);
    assert_eq!(answerer.receive(&said).notices, [Notice::Audience(deaf)]);
    let elsewhere = event("t2", Body::Audience(channel, deaf));
    assert!(answerer.receive(&elsewhere).is_nothing());
    assert_eq!(offered(&answerer.receive(&broken("t1", channel)).only()).epoch, 2);
    assert!(answerer.receive(&said).is_nothing(), "an epoch that is over");
}

#[test]
fn s8_it_offers_once_it_is_admitted_and_never_before() {
    let mut answerer = Bench::answering();
    let asked = answerer.receive(&request("t1", 0));
    assert_eq!((asked.admissions, asked.sent.len()), (1, 0));
    assert!(
        answerer.receive(&request("t1", 0)).is_nothing(),
        "a repeated request asks nobody again"
    );
    assert_eq!(offered(&answerer.handle(Input::Admitted).only()).epoch, 1);
    assert!(answerer.handle(Input::Admitted).is_nothing());
}

#[test]
fn s8_a_refusal_is_said_and_said_again() {
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request("t1", 0)).admissions, 1);
    let refusal = Refusal::new(RejectReason::NoPermission, "CONNECT is missing");
    let done = answerer.handle(Input::Refused(refusal.clone()));
    let rejection = done.only();
    assert_eq!(rejection.body, Body::Reject(refusal));
    assert!(matches!(&done.endings[..], [Ending::Rejected(_)]));
    let again = answerer.receive(&request("t1", 0));
    assert_eq!((again.only(), again.admissions), (rejection, 0));
    assert_eq!(
        answerer.receive(&request("t2", 0)).admissions,
        1,
        "a new transaction is decided anew"
    );
}

#[test]
fn formats_that_are_unknown_are_passed_over() {
    let formats = vec![Format::Other("later".to_owned()), Format::SealedOpusChaCha];
    let mut answerer = Bench::answering();
    let asked = event(
        "t1",
        Body::Request(Request {
            formats,
            after_epoch: 0,
        }),
    );
    assert_eq!(answerer.receive(&asked).admissions, 1);
    assert_eq!(
        answerer.handle(Input::Admitted).only().header.format,
        Format::SealedOpusChaCha
    );

    let none = event(
        "t2",
        Body::Request(Request {
            formats: vec![Format::Other("later".to_owned())],
            after_epoch: 0,
        }),
    );
    let Body::Reject(refusal) = Bench::answering().receive(&none).only().body else {
        panic!("a rejection")
    };
    assert_eq!(refusal.reason, RejectReason::NoCommonFormat);
}

#[test]
fn a_decision_that_takes_too_long_is_a_rejection() {
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request("t1", 0)).admissions, 1);
    let begun = answerer.now;
    let done = answerer.wait();
    assert_eq!(answerer.now - begun, Timing::default().admit_within);
    assert!(matches!(
        done.only().body,
        Body::Reject(Refusal {
            reason: RejectReason::InternalError,
            ..
        })
    ));
    assert!(answerer.handle(Input::Admitted).is_nothing(), "too late");
}

#[test]
fn an_accept_opens_and_is_recorded() {
    let (mut answerer, channel) = offering();
    let done = answerer.receive(&accept("t1", channel));
    assert_eq!(done.connected[0].peer, address(ASKER, 1));
    assert_eq!(done.records, [true]);
    assert!(matches!(&done.notices[..], [Notice::Opened(_)]));
    let before = answerer.clone();
    assert!(answerer.receive(&accept("t1", channel)).is_nothing(), "repeated");
    assert_eq!(answerer, before);
}

#[test]
fn an_offer_is_repeated_until_it_is_accepted() {
    let (mut answerer, channel) = offering();
    for _ in 0..3 {
        assert_eq!(
            answerer.machine.poll_timeout().expect("a deadline").1,
            Timer::OfferRepeat
        );
        assert_eq!(offered(&answerer.wait().only()), channel);
    }
    assert_eq!(
        offered(&answerer.receive(&request("t1", 0)).only()),
        channel,
        "asked again"
    );
    assert_eq!(answerer.receive(&accept("t1", channel)).connected.len(), 1);
    assert_eq!(answerer.machine.poll_timeout(), None);
}

#[test]
fn an_offer_that_nobody_accepts_ends_and_says_so() {
    let (mut answerer, channel) = offering();
    let begun = answerer.now;
    let done = std::iter::repeat_with(|| answerer.wait())
        .find(|done| !done.endings.is_empty())
        .expect("an end");
    assert_eq!(answerer.now - begun, Timing::default().open_within);
    let Body::Close(said) = done.only().body else {
        panic!("a close")
    };
    assert_eq!((said.channel, said.reason), (Some(channel), CloseReason::Timeout));
    assert!(done.records.is_empty(), "nothing was recorded");
    assert!(answerer.machine.is_idle());
}

#[test]
fn accepts_of_other_channels_do_nothing() {
    let (mut answerer, channel) = offering();
    let before = answerer.clone();
    let wrong_id = Channel {
        id: signalling::ChannelId(1),
        ..channel
    };
    let wrong_epoch = Channel { epoch: 2, ..channel };
    assert!(answerer.receive(&accept("t1", wrong_id)).is_nothing());
    assert!(answerer.receive(&accept("t1", wrong_epoch)).is_nothing());
    assert_eq!(answerer, before);
}

#[test]
fn s10_what_breaks_is_offered_anew_with_a_higher_epoch_and_a_new_id() {
    let (mut answerer, first) = open();
    let done = answerer.handle(lost(1));
    let [Body::Broken(said), Body::Offer(offer)] = &done.bodies()[..] else {
        panic!("{done:?}")
    };
    assert_eq!((said.channel, offer.channel.epoch), (first, 2));
    assert_ne!(offer.channel.id, first.id);
    assert!(matches!(&done.notices[..], [Notice::Broken { by: Side::Us, .. }]));
    let second = offer.channel;
    assert!(
        answerer.receive(&broken("t1", first)).is_nothing(),
        "broken from both ends"
    );
    assert!(answerer.receive(&accept("t1", first)).is_nothing(), "late");
    let done = answerer.receive(&accept("t1", second));
    assert_eq!((done.connected.len(), &done.records[..]), (1, &[true][..]));
    assert_eq!(answerer.machine.status().phase, Phase::Open);
}

#[test]
fn s10_a_broken_of_the_peer_gets_the_next_offer() {
    let (mut answerer, first) = open();
    let done = answerer.receive(&broken("t1", first));
    assert_eq!(offered(&done.only()).epoch, 2);
    assert!(matches!(&done.notices[..], [Notice::Broken { by: Side::Peer, .. }]));
    assert!(answerer.handle(lost(1)).is_nothing(), "broken from both ends");
}

#[test]
fn s10_a_request_above_the_open_epoch_says_that_it_broke() {
    let (mut answerer, _) = open();
    assert!(answerer.receive(&request("t1", 0)).is_nothing(), "late");
    assert_eq!(offered(&answerer.receive(&request("t1", 1)).only()).epoch, 2);
    assert_eq!(
        offered(&answerer.receive(&request("t1", 1)).only()).epoch,
        2,
        "asked again"
    );
    assert!(
        answerer.receive(&request("t1", 2)).is_nothing(),
        "the peer saw 2 break first; the next takes a little"
    );
    assert_eq!(offered(&answerer.wait().only()).epoch, 3);
}

#[test]
fn renegotiations_without_a_packet_slow_down_and_end() {
    let (mut answerer, mut channel) = open();
    let broke = answerer.now;
    let mut waits = Vec::new();
    let ended = loop {
        let before = answerer.now;
        let mut done = answerer.receive(&broken("t1", channel));
        if done.is_nothing() || done.sent.is_empty() {
            done = answerer.wait();
        }
        if !done.endings.is_empty() {
            break done;
        }
        waits.push(answerer.now - before);
        channel = offered(&done.only());
        assert_eq!(answerer.receive(&accept("t1", channel)).connected.len(), 1);
    };
    let least = |seconds: u64| Duration::from_secs(seconds) * 4 / 5;
    assert_eq!(waits[0], Duration::ZERO, "the first comes at once");
    for (wait, middle) in waits[1..].iter().zip([1, 2, 4, 8, 8]) {
        assert!(*wait >= least(middle), "{waits:?}");
    }
    assert_eq!(answerer.now - broke, Timing::default().recover_within);
    assert!(matches!(
        &ended.endings[..],
        [Ending::Closed {
            reason: CloseReason::GaveUp,
            ..
        }]
    ));
    assert_eq!(ended.records, [false]);
    assert!(answerer.machine.is_idle());
}

#[test]
fn a_packet_makes_the_next_renegotiation_quick_again() {
    let (mut answerer, first) = open();
    let second = offered(&answerer.receive(&broken("t1", first)).only());
    assert_eq!(answerer.receive(&accept("t1", second)).connected.len(), 1);
    assert!(answerer.handle(Input::Heard { epoch: 2 }).is_nothing());
    answerer.pass(Duration::from_mins(10));
    assert_eq!(offered(&answerer.receive(&broken("t1", second)).only()).epoch, 3);
}

#[test]
fn a_restarted_peer_gets_the_next_epoch_without_a_new_decision() {
    let (mut answerer, first) = open();
    let done = answerer.receive(&request("t2", 0));
    assert_eq!(done.admissions, 0);
    let second = offered(&done.only());
    assert_eq!(
        (second.epoch, done.only().header.transaction_id),
        (2, transaction("t2"))
    );
    for late in [request("t1", 0), accept("t1", first), broken("t1", first)] {
        assert!(answerer.receive(&late).is_nothing(), "its side knows nothing of it");
    }
    assert!(
        answerer.receive(&close("t1")).is_nothing(),
        "the old call's end is not the new one's"
    );
    assert_eq!(answerer.receive(&accept("t2", second)).connected.len(), 1);
}

#[test]
fn the_epoch_is_above_what_the_peer_knows() {
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request("t1", 41)).admissions, 1);
    assert_eq!(offered(&answerer.handle(Input::Admitted).only()).epoch, 42);
}

#[test]
fn a_restarted_answerer_says_that_it_does_not_know_the_channel() {
    let (_, channel) = open();
    let mut restarted = Bench::answering();
    assert!(
        restarted.receive(&broken("t1", channel)).is_nothing(),
        "the request that follows says all"
    );
    let Body::Broken(said) = restarted.receive(&accept("t1", channel)).only().body else {
        panic!("a broken")
    };
    assert_eq!((said.channel, said.reason), (channel, BrokenReason::UnknownChannel));
    assert_eq!(restarted.receive(&request("t1", 1)).admissions, 1);
    assert_eq!(offered(&restarted.handle(Input::Admitted).only()).epoch, 2);
}

#[test]
fn our_end_is_said_recorded_and_remembered() {
    let (mut answerer, channel) = open();
    let done = answerer.handle(Input::End {
        reason: CloseReason::NoLongerBridged,
        text: "unlinked".to_owned(),
    });
    let said = done.only();
    assert!(matches!(
        &said.body,
        Body::Close(Close {
            reason: CloseReason::NoLongerBridged,
            ..
        })
    ));
    assert_eq!((&done.records[..], done.endings.len()), (&[false][..], 1));
    assert_eq!(
        answerer.receive(&broken("t1", channel)).only(),
        said,
        "the close was lost"
    );
    assert!(answerer.receive(&close("t1")).is_nothing(), "closed from both ends");
    assert!(
        answerer
            .handle(Input::End {
                reason: CloseReason::Shutdown,
                text: String::new()
            })
            .is_nothing()
    );
}

#[test]
fn their_end_ends_it_in_every_state() {
    let mut admitting = Bench::answering();
    assert_eq!(admitting.receive(&request("t1", 0)).admissions, 1);
    for mut answerer in [admitting, offering().0, open().0] {
        let done = answerer.receive(&close("t1"));
        assert!(done.sent.is_empty());
        assert!(matches!(&done.endings[..], [Ending::Closed { by: Side::Peer, .. }]));
        assert!(answerer.machine.is_idle());
        assert!(answerer.handle(Input::Admitted).is_nothing());
    }
}

#[test]
fn a_close_that_overtakes_its_request_keeps_the_door_shut() {
    let mut answerer = Bench::answering();
    assert!(answerer.receive(&close("t1")).is_nothing());
    let done = answerer.receive(&request("t1", 0));
    assert_eq!(done.admissions, 0);
    assert!(matches!(done.only().body, Body::Close(_)));
}

#[test]
fn what_is_remembered_has_a_limit() {
    let mut answerer = Bench::answering();
    for number in 0..100 {
        assert!(answerer.receive(&close(&format!("t{number}"))).is_nothing());
    }
    assert_eq!(answerer.receive(&request("t99", 0)).admissions, 0, "remembered");
    assert_eq!(answerer.receive(&request("t0", 0)).admissions, 1, "forgotten");
}

#[test]
fn another_room_is_none_of_its_business() {
    let mut answerer = Bench::answering();
    let mut request = request("t1", 0);
    request.header.room_id = "!another:example.org".to_owned();
    assert!(answerer.receive(&request).is_nothing());
}
