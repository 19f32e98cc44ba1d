//! Calls of an earlier run.

use super::*;

fn inherited(unanswered: bool) -> Inherited {
    Inherited {
        parties: parties(Addressing::Everyone, Version::One),
        muted: true,
        theirs: "theirs".into(),
        unanswered,
        ours: "ours".into(),
    }
}

fn take_over(unanswered: bool) -> Call {
    let now = Instant::now();
    let (machine, last) = Machine::take_over(now, inherited(unanswered));
    assert_eq!(machine.phase(), "taking over");
    Call { machine, now, last }
}

/// A call whose caller has got our offer.
fn proposed() -> Call {
    let mut call = take_over(false);
    call.step(Input::Proposed(description("offer")));
    call
}

fn description(sdp: &str) -> Description {
    Description {
        sdp: sdp.into(),
        stream_id: "stream".into(),
    }
}

fn negotiated(kind: SdpKind, sdp: &str) -> Body {
    Body::Negotiate(Negotiate {
        kind,
        sdp: sdp.into(),
        lifetime: LIFETIME,
        metadata: StreamMetadata::usermedia("stream", false),
    })
}

#[test]
fn b14_a_call_goes_on_with_an_offer_of_ours_while_the_channel_is_asked_for() {
    let mut call = take_over(false);
    let (ours, theirs) = ("ours".into(), "theirs".into());
    let first = [
        Action::AskChannel,
        Action::Muted(true),
        Action::Resume { ours },
        Action::Propose { theirs },
    ];
    assert_eq!(call.last, first);
    call.step(Input::Proposed(description("offer")));
    assert_eq!(call.sent(), [negotiated(SdpKind::Offer, "offer")]);
    call.event(negotiate(SdpKind::Answer));
    assert_eq!(call.last, [Action::Conclude { sdp: "again".into() }]);
    let deadline = call.now + RECONNECT_WITHIN;
    assert_eq!(call.machine.poll_timeout(), Some((deadline, Timer::Reconnect)));
    call.step(Input::Connected).step(Input::ChannelOpen);
    assert_eq!(call.machine.phase(), "connected");
    call.pass(RECONNECT_WITHIN).goes_on();
    call.event(hangup(HangupReason::UserHangup))
        .ends(EndReason::HungUp, &[]);
}

#[test]
fn b14_an_offer_that_waits_for_an_answer_gets_one() {
    let mut call = take_over(true);
    assert_eq!(call.last.last(), Some(&Action::Renegotiate { sdp: "theirs".into() }));
    call.step(Input::Described(description("answer")));
    assert_eq!(call.sent(), [negotiated(SdpKind::Answer, "answer")]);
    call.step(Input::Connected);
    assert_eq!(call.machine.phase(), "connected");
}

#[test]
fn b14_in_a_glare_the_callers_offer_stands() {
    let mut call = proposed();
    call.event(negotiate(SdpKind::Offer));
    assert_eq!(call.last, [Action::Renegotiate { sdp: "again".into() }]);
    call.step(Input::Described(description("answer")));
    assert_eq!(call.sent(), [negotiated(SdpKind::Answer, "answer")]);
    // Nothing is awaited any more: what comes now answers an offer that the caller has not looked at.
    call.event(negotiate(SdpKind::Answer));
    assert_eq!(call.last, [Action::Ignored(Ignored::OutOfPlace)]);
}

#[test]
fn b14_candidates_wait_for_the_callers_description() {
    let mut call = proposed();
    call.event(Body::Candidates(vec![line("a")]));
    assert_eq!(call.last, []);
    call.event(negotiate(SdpKind::Answer));
    let candidates = Action::AddCandidates(vec![line("a")]);
    assert_eq!(call.last, [Action::Conclude { sdp: "again".into() }, candidates]);
}

#[test]
fn b14_the_callers_answer_may_tell_of_his_microphone() {
    let mut call = proposed();
    call.event(negotiated(SdpKind::Answer, "answer"));
    assert_eq!(call.last.first(), Some(&Action::Muted(false)));
}

#[test]
fn b14_a_caller_who_does_not_answer_or_connect_is_hung_up_on() {
    for mut call in [proposed(), {
        let mut answered = proposed();
        answered.event(negotiate(SdpKind::Answer));
        answered
    }] {
        call.pass(RECONNECT_WITHIN.checked_sub(Duration::from_millis(1)).expect("time"))
            .goes_on();
        call.pass(Duration::from_millis(1))
            .ends(EndReason::MediaLost, &[hangup(HangupReason::IceTimeout)]);
    }
    let (deadline, timer) = proposed().machine.poll_timeout().expect("deadline");
    assert_eq!((timer, deadline > Instant::now()), (Timer::TakeOver, true));
}

#[test]
fn b14_a_call_may_end_in_every_way_while_it_is_taken_over() {
    let ends = [
        (Input::MemberLeft, EndReason::MemberLeft, None),
        (Input::SendFailed, EndReason::SendFailed, None),
        (
            from(CALLER, Some(PHONE), hangup(HangupReason::UserHangup)),
            EndReason::HungUp,
            None,
        ),
        (
            from(CALLER, Some(PHONE), select("TABLET")),
            EndReason::AnsweredElsewhere,
            None,
        ),
        (
            Input::Unusable,
            EndReason::UnusableOffer,
            Some(HangupReason::UnknownError),
        ),
        (
            Input::HangUp(EndReason::Stopping),
            EndReason::Stopping,
            Some(HangupReason::UserHangup),
        ),
        (
            Input::ChannelEnded(ChannelEnd::Busy),
            EndReason::ChannelEnded,
            Some(HangupReason::UserBusy),
        ),
        (
            Input::ChannelEnded(ChannelEnd::Refused),
            EndReason::ChannelEnded,
            Some(HangupReason::UnknownError),
        ),
        (
            Input::MediaFailed(MediaFailure::Broken),
            EndReason::MediaFailed,
            Some(HangupReason::UnknownError),
        ),
    ];
    for (input, end, reason) in ends {
        for mut call in [take_over(false), take_over(true), proposed()] {
            let said: Vec<Body> = reason.map(hangup).into_iter().collect();
            call.step(input.clone()).ends(end, &said);
        }
    }
}

#[test]
fn b14_events_of_others_do_not_disturb_a_takeover() {
    let mut call = proposed();
    for (sender, party) in [(OTHER, PHONE), (CALLER, "TABLET"), (CALLER, US)] {
        for body in [negotiate(SdpKind::Answer), hangup(HangupReason::UserHangup)] {
            call.step(from(sender, Some(party), body));
            assert!(matches!(call.last[..], [Action::Ignored(_)]), "{:?}", call.last);
        }
    }
    assert_eq!(call.machine.phase(), "taking over");
}
