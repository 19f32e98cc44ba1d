//! The asking side alone.

use std::time::Duration;

use signalling::{
    Asker, Audience, Body, Broken, BrokenReason, Channel, ChannelId, Close, CloseReason, Ending, Event, Format, Input,
    Machine, Notice, Offer, Person, PersonId, Phase, Refusal, RejectReason, Request, Side, Timer, Timing,
};

use crate::bench::{ANSWERER, ASKER, Bench, address, call, end, lost, transaction};

fn channel(epoch: u32) -> Channel {
    Channel {
        id: ChannelId(epoch.into()),
        epoch,
    }
}

/// An event of the peer in the transaction of the asker's own event.
fn answer(to: &Event, body: Body) -> Event {
    Event {
        header: to.header.clone(),
        body,
    }
}

fn offer(to: &Event, epoch: u32) -> Event {
    answer(
        to,
        Body::Offer(Offer {
            channel: channel(epoch),
            end: end(ANSWERER, epoch),
        }),
    )
}

fn broken(to: &Event, epoch: u32, reason: BrokenReason) -> Event {
    answer(
        to,
        Body::Broken(Broken {
            channel: channel(epoch),
            reason,
            text: String::new(),
        }),
    )
}

fn close(to: &Event, reason: CloseReason) -> Event {
    answer(
        to,
        Body::Close(Close {
            channel: Some(channel(1)),
            reason,
            text: String::new(),
        }),
    )
}

/// An asker whose channel is open in epoch 1 and was heard on, and its request.
fn open() -> (Bench<Asker>, Event) {
    let (mut asker, started) = Bench::asking("t1");
    let request = started.only();
    assert_eq!(asker.receive(&offer(&request, 1)).connected.len(), 1);
    assert!(asker.handle(Input::Heard { epoch: 1 }).is_nothing());
    (asker, request)
}

#[test]
fn s7_it_asks_at_once_and_again_with_backoff() {
    let (mut asker, started) = Bench::asking("t1");
    let request = started.only();
    let body = Body::Request(Request {
        formats: vec![Format::SealedOpusChaCha],
        after_epoch: 0,
    });
    assert_eq!(request.body, body);
    let begun = asker.now;
    let mut waits = Vec::new();
    while asker.machine.poll_timeout().expect("a deadline").1 == Timer::RequestRepeat {
        let before = asker.now;
        assert_eq!(asker.wait().only(), request);
        waits.push(asker.now - before);
    }
    assert_eq!(waits.len(), 5, "{waits:?}");
    for (wait, middle) in waits.iter().zip([2, 4, 8, 8, 8]) {
        let (least, most) = (
            Duration::from_millis(middle * 800),
            Duration::from_millis(middle * 1_200),
        );
        assert!((least..=most).contains(wait), "{waits:?}");
    }
    assert!(asker.now - begun < Timing::default().open_within);
}

#[test]
fn it_gives_up_in_the_end_and_says_so() {
    let (mut asker, _) = Bench::asking("t1");
    let begun = asker.now;
    let done = std::iter::repeat_with(|| asker.wait())
        .find(|done| !done.endings.is_empty())
        .expect("an end");
    assert_eq!(asker.now - begun, Timing::default().open_within);
    let Body::Close(said) = done.only().body else {
        panic!("a close")
    };
    assert_eq!((said.channel, said.reason), (None, CloseReason::Timeout));
    assert!(matches!(
        &done.endings[..],
        [Ending::Closed {
            reason: CloseReason::Timeout,
            by: Side::Us,
            ..
        }]
    ));
    assert_eq!(asker.machine.poll_timeout(), None);
}

#[test]
fn s9_it_accepts_an_offer_with_its_own_channel() {
    let (mut asker, started) = Bench::asking("t1");
    let done = asker.receive(&offer(&started.only(), 1));
    let Body::Accept(accept) = done.only().body else {
        panic!("an accept")
    };
    assert_eq!((accept.channel, accept.end), (channel(1), end(ASKER, 1)));
    assert_eq!(done.connected[0].peer, address(ANSWERER, 1));
    assert!(matches!(&done.notices[..], [Notice::Opened(connection)] if connection.channel == channel(1)));
    assert_eq!(asker.machine.status().phase, Phase::Open);
}

#[test]
fn a_repeated_offer_gets_the_same_accept_and_nothing_else() {
    let (mut asker, started) = Bench::asking("t1");
    let offer = offer(&started.only(), 1);
    let first = asker.receive(&offer).only();
    let again = asker.receive(&offer);
    assert_eq!(again.only(), first);
    assert!(again.connected.is_empty() && again.notices.is_empty());
}

#[test]
fn s8_a_rejection_ends_it_with_its_reason() {
    let (mut asker, started) = Bench::asking("t1");
    let refusal = Refusal::new(RejectReason::NotBridged, "no link").retry_after(Duration::from_secs(9));
    let done = asker.receive(&answer(&started.only(), Body::Reject(refusal.clone())));
    assert_eq!(done.endings, [Ending::Rejected(refusal)]);
    assert!(done.sent.is_empty());
    assert!(asker.machine.is_ended());
}

#[test]
fn an_offer_in_a_format_that_was_not_offered_is_closed() {
    let (mut asker, started) = Bench::asking("t1");
    let mut offer = offer(&started.only(), 1);
    offer.header.format = Format::Other("later".to_owned());
    let done = asker.receive(&offer);
    assert!(matches!(
        done.only().body,
        Body::Close(Close {
            reason: CloseReason::NoCommonFormat,
            ..
        })
    ));
    assert!(done.connected.is_empty());
}

#[test]
fn an_offer_must_be_above_the_epochs_that_are_known() {
    let (mut asker, started) = Bench::asking_for(signalling::Call {
        after_epoch: 3,
        ..call("t1")
    });
    let request = started.only();
    assert!(matches!(&request.body, Body::Request(Request { after_epoch: 3, .. })));
    assert!(asker.receive(&offer(&request, 3)).is_nothing());
    assert_eq!(asker.receive(&offer(&request, 4)).connected.len(), 1);
    assert!(asker.receive(&offer(&request, 3)).is_nothing(), "late");
}

#[test]
fn s10_what_breaks_here_is_said_and_asked_for_anew() {
    let (mut asker, request) = open();
    let done = asker.handle(lost(1));
    let Body::Broken(said) = done.only().body else {
        panic!("a broken")
    };
    assert_eq!((said.channel, said.reason), (channel(1), BrokenReason::Silent));
    assert!(matches!(&done.notices[..], [Notice::Broken { by: Side::Us, .. }]));
    let Body::Request(again) = asker.wait().only().body else {
        panic!("a request")
    };
    assert_eq!(again.after_epoch, 1);
    let done = asker.receive(&offer(&request, 2));
    assert_eq!(done.connected[0].peer, address(ANSWERER, 2));
    assert_eq!(asker.machine.status().epoch, 2);
}

#[test]
fn s10_what_breaks_there_waits_for_the_offer() {
    let (mut asker, request) = open();
    let done = asker.receive(&broken(&request, 1, BrokenReason::Silent));
    assert!(done.sent.is_empty());
    assert!(matches!(&done.notices[..], [Notice::Broken { by: Side::Peer, .. }]));
    assert!(
        asker.receive(&broken(&request, 1, BrokenReason::Silent)).is_nothing(),
        "twice"
    );
    assert!(asker.handle(lost(1)).is_nothing(), "broken from both ends");
    assert_eq!(asker.receive(&offer(&request, 2)).connected.len(), 1);
}

#[test]
fn a_peer_that_was_restarted_is_asked_at_once() {
    let (mut asker, request) = open();
    let done = asker.receive(&broken(&request, 1, BrokenReason::UnknownChannel));
    assert!(matches!(
        done.only().body,
        Body::Request(Request { after_epoch: 1, .. })
    ));
}

#[test]
fn a_higher_offer_renegotiates_though_the_broken_was_lost() {
    let (mut asker, request) = open();
    let done = asker.receive(&offer(&request, 2));
    assert_eq!(done.connected.len(), 1);
    assert!(matches!(&done.notices[..], [Notice::Opened(connection)] if connection.channel.epoch == 2));
}

#[test]
fn what_concerns_an_earlier_epoch_does_nothing() {
    let (mut asker, request) = open();
    assert_eq!(asker.receive(&offer(&request, 2)).connected.len(), 1);
    let before = asker.clone();
    assert!(asker.receive(&offer(&request, 1)).is_nothing());
    assert!(asker.receive(&broken(&request, 1, BrokenReason::Silent)).is_nothing());
    assert!(asker.handle(lost(1)).is_nothing());
    assert!(asker.handle(Input::Heard { epoch: 1 }).is_nothing());
    assert!(
        asker
            .handle(Input::Failed {
                epoch: 1,
                text: String::new()
            })
            .is_nothing()
    );
    assert_eq!(asker, before);
}

#[test]
fn a_broken_channel_that_does_not_come_back_is_given_up() {
    let (mut asker, _) = open();
    assert_eq!(asker.handle(lost(1)).sent.len(), 1);
    let broke = asker.now;
    let done = std::iter::repeat_with(|| asker.wait())
        .find(|done| !done.endings.is_empty())
        .expect("an end");
    assert_eq!(asker.now - broke, Timing::default().recover_within);
    assert!(matches!(
        &done.endings[..],
        [Ending::Closed {
            reason: CloseReason::GaveUp,
            by: Side::Us,
            ..
        }]
    ));
}

#[test]
fn epochs_on_which_nothing_is_heard_do_not_put_off_giving_up() {
    let (mut asker, request) = open();
    let broke = asker.now;
    for epoch in 1_u32.. {
        let lost = asker.handle(lost(epoch));
        if !lost.endings.is_empty() || asker.now - broke >= Timing::default().recover_within {
            break;
        }
        assert_eq!(asker.receive(&offer(&request, epoch + 1)).connected.len(), 1);
        asker.pass(Duration::from_secs(6));
    }
    let done = asker.wait();
    assert!(
        matches!(
            &done.endings[..],
            [Ending::Closed {
                reason: CloseReason::GaveUp,
                ..
            }]
        ),
        "{done:?}"
    );
}

#[test]
fn our_end_is_said_and_theirs_is_not() {
    let (mut asker, _) = open();
    let mut other = asker.clone();
    let done = asker.handle(Input::End {
        reason: CloseReason::CallEnded,
        text: "hung up".to_owned(),
    });
    let Body::Close(said) = done.only().body else {
        panic!("a close")
    };
    assert_eq!((said.channel, said.reason), (Some(channel(1)), CloseReason::CallEnded));
    assert_eq!(done.endings.len(), 1);
    assert!(
        asker
            .handle(Input::End {
                reason: CloseReason::CallEnded,
                text: String::new()
            })
            .is_nothing()
    );

    let (_, request) = open();
    let done = other.receive(&close(&request, CloseReason::NoLongerBridged));
    assert!(done.sent.is_empty());
    assert!(matches!(&done.endings[..], [Ending::Closed { by: Side::Peer, .. }]));
    assert!(
        other
            .receive(&close(&request, CloseReason::NoLongerBridged))
            .is_nothing()
    );
}

#[test]
fn what_comes_after_the_end_is_told_that_it_is_over() {
    let (mut asker, request) = open();
    assert_eq!(
        asker
            .handle(Input::End {
                reason: CloseReason::CallEnded,
                text: String::new()
            })
            .sent
            .len(),
        1
    );
    for event in [offer(&request, 2), broken(&request, 1, BrokenReason::Silent)] {
        let Body::Close(said) = asker.receive(&event).only().body else {
            panic!("a close")
        };
        assert_eq!(said.reason, CloseReason::UnknownTransaction);
    }
}

#[test]
fn another_transaction_changes_nothing() {
    let (mut asker, request) = open();
    let before = asker.clone();
    let mut offer = offer(&request, 9);
    offer.header.transaction_id = transaction("another");
    let said = asker.receive(&offer).only();
    assert_eq!(said.header.transaction_id, transaction("another"));
    assert!(matches!(
        said.body,
        Body::Close(Close {
            reason: CloseReason::UnknownTransaction,
            ..
        })
    ));
    let mut close = close(&request, CloseReason::CallEnded);
    close.header.transaction_id = transaction("another");
    assert!(asker.receive(&close).is_nothing());
    assert_eq!(asker, before);
}

#[test]
fn an_address_that_cannot_be_had_closes_the_channel() {
    let (mut asker, started) = Bench::asking("t1");
    let actions = asker
        .machine
        .handle(asker.now, Input::Received(offer(&started.only(), 1)));
    let reserve = signalling::Action::Reserve {
        epoch: 1,
        format: Format::SealedOpusChaCha,
    };
    assert_eq!(actions, [reserve]);
    let done = asker.handle(Input::Failed {
        epoch: 1,
        text: "no port".to_owned(),
    });
    let Body::Close(said) = done.only().body else {
        panic!("a close")
    };
    assert_eq!(
        (said.reason, said.text.as_str()),
        (CloseReason::InternalError, "no port")
    );
}

#[test]
fn it_takes_an_audience_of_the_open_epoch_alone() {
    let (mut asker, request) = open();
    let deaf = Audience {
        listening: false,
        ..Audience::UNKNOWN
    };
    let said = |epoch| answer(&request, Body::Audience(channel(epoch), deaf));
    assert!(asker.receive(&said(2)).is_nothing(), "an epoch that is not open");
    assert_eq!(asker.receive(&said(1)).notices, [Notice::Audience(deaf)]);
    asker.receive(&broken(&request, 1, BrokenReason::Silent));
    assert!(asker.receive(&said(1)).is_nothing(), "an epoch that is over");
    assert_eq!(asker.receive(&offer(&request, 2)).connected.len(), 1);
    assert!(asker.receive(&said(1)).is_nothing(), "come late");
    assert_eq!(asker.receive(&said(2)).notices, [Notice::Audience(deaf)]);
}

#[test]
fn it_tells_who_is_in_the_voice_channel_of_its_own_call_only() {
    let (mut asker, request) = open();
    let people = vec![Person::new(PersonId::new("80351110224678912").expect("an id"))];
    let theirs = answer(&request, Body::People(people.clone()));
    assert_eq!(asker.receive(&theirs).notices, [Notice::People(people)]);
    let mut elsewhere = theirs.clone();
    elsewhere.header.transaction_id = transaction("another");
    assert!(asker.receive(&elsewhere).is_nothing());
    assert!(!asker.receive(&close(&request, CloseReason::CallEnded)).is_nothing());
    assert!(asker.receive(&theirs).is_nothing());
}
