mod taking_over;

use super::*;
use crate::voip::event::{IceCandidate, Invite, Negotiate, SdpKind};

const CALLER: &str = "@caller:hs";
const OTHER: &str = "@other:hs";
const PHONE: &str = "PHONE";
const US: &str = "BRIDGE";
const LIFETIME: Duration = Duration::from_mins(1);

/// A machine, the time it is, and what it did last.
struct Call {
    machine: Machine,
    now: Instant,
    last: Vec<Action>,
}

fn ring(addressing: Addressing, version: Version, age: Duration) -> Call {
    let now = Instant::now();
    let incoming = Incoming {
        parties: parties(addressing, version),
        invite: Invite {
            sdp: "offer".into(),
            lifetime: LIFETIME,
            invitee: None,
            metadata: StreamMetadata::usermedia("s", false),
        },
        age,
    };
    let (machine, last) = Machine::ring(now, incoming);
    Call { machine, now, last }
}

fn parties(addressing: Addressing, version: Version) -> Parties {
    Parties {
        call_id: "c1".into(),
        caller: CALLER.into(),
        party_id: (version == Version::One).then(|| PHONE.into()),
        version,
        addressing,
        own_party: US.into(),
    }
}

fn to_bot() -> Call {
    ring(Addressing::Bot, Version::One, Duration::ZERO)
}

fn to_everyone() -> Call {
    ring(Addressing::Everyone, Version::One, Duration::ZERO)
}

impl Call {
    fn step(&mut self, input: Input) -> &mut Self {
        self.last = self.machine.handle(self.now, input);
        self
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.step(Input::Timeout)
    }

    fn event(&mut self, body: Body) -> &mut Self {
        self.step(from(CALLER, Some(PHONE), body))
    }

    fn answered(mut self) -> Self {
        self.step(Input::ChannelOpen);
        assert_eq!(self.last, [Action::Accept { sdp: "offer".into() }]);
        self.step(described());
        self
    }

    fn established(mut self) -> Self {
        self = self.answered();
        self.event(select(US)).step(Input::Connected);
        assert_eq!(self.machine.phase(), "connected");
        self
    }

    /// The bodies of what was sent in the last step.
    fn sent(&self) -> Vec<Body> {
        let body = |action: &Action| match action {
            Action::Send(event) => {
                assert_eq!(event.call_id, "c1");
                assert_eq!(event.party_id.as_deref(), Some(US));
                assert_eq!(event.version, Version::One);
                Some(event.body.clone())
            }
            _ => None,
        };
        self.last.iter().filter_map(body).collect()
    }

    #[track_caller]
    fn ends(&self, reason: EndReason, sent: &[Body]) {
        assert_eq!(self.last.last(), Some(&Action::End(reason)));
        assert_eq!(self.sent(), sent);
        assert!(self.machine.is_ended());
        assert_eq!(self.machine.poll_timeout(), None);
    }

    #[track_caller]
    fn goes_on(&self) {
        assert!(!self.machine.is_ended(), "{:?}", self.last);
    }
}

fn from(sender: &str, party: Option<&str>, body: Body) -> Input {
    Input::Event {
        sender: sender.into(),
        age: Duration::ZERO,
        event: CallEvent {
            call_id: "c1".into(),
            party_id: party.map(Into::into),
            version: Version::One,
            body,
        },
    }
}

fn described() -> Input {
    Input::Described(Description {
        sdp: "answer".into(),
        stream_id: "ours".into(),
    })
}

fn select(party: &str) -> Body {
    Body::SelectAnswer {
        selected: Some(party.into()),
    }
}

fn hangup(reason: HangupReason) -> Body {
    Body::Hangup { reason }
}

fn reject(reason: HangupReason) -> Body {
    Body::Reject { reason: Some(reason) }
}

fn line(text: &str) -> IceCandidate {
    IceCandidate::Line(text.into())
}

fn negotiate(kind: SdpKind) -> Body {
    Body::Negotiate(Negotiate {
        kind,
        sdp: "again".into(),
        lifetime: LIFETIME,
        metadata: StreamMetadata::default(),
    })
}

#[test]
fn b2_a_call_runs_from_invite_to_hangup() {
    let mut call = to_bot();
    assert_eq!(call.last, [Action::AskChannel, Action::Muted(false)]);
    call.step(Input::ChannelOpen).step(described());
    let answer = Body::Answer {
        sdp: "answer".into(),
        metadata: StreamMetadata::usermedia("ours", false),
    };
    let end = Body::Candidates(vec![IceCandidate::End]);
    assert_eq!(call.sent(), [answer, end]);
    call.event(select(US)).step(Input::Connected);
    assert_eq!(call.machine.phase(), "connected");
    assert_eq!(call.machine.poll_timeout(), None);
    call.event(hangup(HangupReason::UserHangup));
    call.ends(EndReason::HungUp, &[]);
}

#[test]
fn b2_nothing_is_answered_before_the_channel_is_open() {
    let mut call = to_bot();
    call.event(Body::Candidates(vec![line("a")]));
    assert_eq!(call.last, []);
    call.pass(Duration::from_secs(59));
    assert_eq!(call.last, []);
    call.goes_on();
}

#[test]
fn b2_an_invite_lives_for_its_lifetime_by_age_and_time_passed() {
    let mut call = ring(Addressing::Bot, Version::One, LIFETIME);
    call.ends(EndReason::InviteExpired, &[]);
    call = ring(Addressing::Bot, Version::One, Duration::from_secs(50));
    let (deadline, timer) = call.machine.poll_timeout().expect("deadline");
    assert_eq!(timer, Timer::InviteExpires);
    assert_eq!(deadline, call.now + Duration::from_secs(10));
    call.pass(Duration::from_millis(9_999)).goes_on();
    call.pass(Duration::from_millis(1)).ends(EndReason::InviteExpired, &[]);
}

#[test]
fn b2_only_an_invite_for_the_bot_is_rejected() {
    for (end, reason) in [
        (ChannelEnd::Busy, HangupReason::UserBusy),
        (ChannelEnd::Refused, HangupReason::UnknownError),
        (ChannelEnd::Closed, HangupReason::UserHangup),
    ] {
        to_bot()
            .step(Input::ChannelEnded(end))
            .ends(EndReason::ChannelEnded, &[reject(reason)]);
        to_everyone()
            .step(Input::ChannelEnded(end))
            .ends(EndReason::ChannelEnded, &[]);
    }
}

#[test]
fn b2_version_zero_knows_no_reject_and_no_choice() {
    let zero = || ring(Addressing::Bot, Version::Zero, Duration::ZERO);
    zero()
        .step(Input::ChannelEnded(ChannelEnd::Busy))
        .ends(EndReason::ChannelEnded, &[hangup(HangupReason::UserBusy)]);
    let mut call = zero().answered();
    call.step(Input::Connected);
    assert_eq!(call.machine.phase(), "connected");
    call.step(from(CALLER, None, hangup(HangupReason::UserHangup)))
        .ends(EndReason::HungUp, &[]);
}

#[test]
fn b2_early_candidates_wait_for_the_session_and_keep_their_order() {
    let mut call = to_bot();
    call.event(Body::Candidates(vec![line("a"), line("b")]));
    call.step(Input::ChannelOpen);
    call.event(Body::Candidates(vec![line("c"), IceCandidate::End]));
    call.step(described());
    let all = vec![line("a"), line("b"), line("c"), IceCandidate::End];
    assert_eq!(call.last.last(), Some(&Action::AddCandidates(all)));
    call.event(Body::Candidates(vec![line("d")]));
    assert_eq!(call.last, [Action::AddCandidates(vec![line("d")])]);
}

#[test]
fn early_candidates_are_bounded() {
    let mut call = to_bot();
    for _ in 0..10 {
        call.event(Body::Candidates(vec![line("x"); 64]));
    }
    assert_eq!(call.last, [Action::Ignored(Ignored::TooMany)]);
    call.step(Input::ChannelOpen).step(described());
    let Some(Action::AddCandidates(list)) = call.last.last() else {
        panic!("{:?}", call.last)
    };
    assert_eq!(list.len(), MAX_EARLY_CANDIDATES);
}

#[test]
fn b2_another_partys_answer_ends_the_call_quietly_in_every_state() {
    for mut call in [to_everyone(), to_everyone().answered(), to_everyone().established()] {
        call.event(select("TABLET")).ends(EndReason::AnsweredElsewhere, &[]);
    }
}

#[test]
fn b2_events_of_other_people_and_other_devices_do_nothing() {
    let bodies = || {
        [
            hangup(HangupReason::UserHangup),
            reject(HangupReason::UserBusy),
            select("TABLET"),
            Body::Candidates(vec![line("evil")]),
            negotiate(SdpKind::Offer),
            Body::Metadata(StreamMetadata::usermedia("s", true)),
        ]
    };
    for make in [to_everyone, || to_bot().answered(), || to_bot().established()] {
        for (sender, party, why) in [
            (OTHER, Some(PHONE), Ignored::OtherParty),
            (CALLER, Some("TABLET"), Ignored::OtherParty),
            (CALLER, None, Ignored::OtherParty),
            (OTHER, Some(US), Ignored::OwnEcho),
        ] {
            let mut call = make();
            for body in bodies() {
                call.step(from(sender, party, body));
                assert_eq!(call.last, [Action::Ignored(why)]);
            }
            call.goes_on();
        }
    }
}

#[test]
fn b2_the_choice_and_the_connection_may_come_in_either_order() {
    let mut call = to_bot().answered();
    call.step(Input::Connected);
    assert_eq!(call.machine.phase(), "connecting");
    call.event(select(US));
    assert_eq!(call.machine.phase(), "connected");
}

#[test]
fn b2_media_that_never_connects_ends_the_call() {
    let mut call = to_bot().answered();
    assert_eq!(
        call.machine.poll_timeout(),
        Some((call.now + CONNECT_WITHIN, Timer::Connect))
    );
    call.pass(CONNECT_WITHIN)
        .ends(EndReason::NeverConnected, &[hangup(HangupReason::IceFailed)]);
    // Nobody chose us: the call may be somebody else's by now, so nothing is said.
    to_everyone()
        .answered()
        .pass(CONNECT_WITHIN)
        .ends(EndReason::NeverConnected, &[]);
    let mut chosen = to_everyone().answered();
    chosen.event(select(US));
    chosen
        .pass(CONNECT_WITHIN)
        .ends(EndReason::NeverConnected, &[hangup(HangupReason::IceFailed)]);
}

#[test]
fn b2_a_lost_choice_does_not_end_a_call_whose_media_runs() {
    let mut call = to_everyone().answered();
    call.step(Input::Connected).pass(CONNECT_WITHIN);
    assert_eq!(call.machine.phase(), "connected");
}

#[test]
fn b2_broken_media_has_time_to_come_back() {
    let mut call = to_bot().established();
    call.step(Input::Disconnected);
    assert_eq!(
        call.machine.poll_timeout(),
        Some((call.now + RECONNECT_WITHIN, Timer::Reconnect))
    );
    call.pass(RECONNECT_WITHIN / 2).step(Input::Connected);
    assert_eq!(call.machine.poll_timeout(), None);
    call.pass(RECONNECT_WITHIN).goes_on();
    call.step(Input::Disconnected)
        .pass(RECONNECT_WITHIN)
        .ends(EndReason::MediaLost, &[hangup(HangupReason::IceTimeout)]);
}

#[test]
fn b2_a_repeated_break_does_not_extend_the_time() {
    let mut call = to_bot().established();
    let deadline = call.now + RECONNECT_WITHIN;
    call.step(Input::Disconnected);
    call.pass(Duration::from_secs(5)).step(Input::Disconnected);
    assert_eq!(call.machine.poll_timeout(), Some((deadline, Timer::Reconnect)));
}

#[test]
fn b2_a_new_offer_is_answered_by_negotiate() {
    let mut call = to_bot().established();
    call.event(negotiate(SdpKind::Offer));
    assert_eq!(call.last, [Action::Renegotiate { sdp: "again".into() }]);
    call.step(described());
    assert_eq!(
        call.sent(),
        [Body::Negotiate(Negotiate {
            kind: SdpKind::Answer,
            sdp: "answer".into(),
            lifetime: Duration::from_mins(1),
            metadata: StreamMetadata::usermedia("ours", false),
        })]
    );
    call.goes_on();
}

#[test]
fn b2_an_answer_to_nothing_an_expired_and_an_unusable_offer_change_nothing() {
    let mut call = to_bot().established();
    call.event(negotiate(SdpKind::Answer));
    assert_eq!(call.last, [Action::Ignored(Ignored::OutOfPlace)]);
    let Input::Event { sender, event, .. } = from(CALLER, Some(PHONE), negotiate(SdpKind::Offer)) else {
        unreachable!()
    };
    call.step(Input::Event {
        sender,
        age: LIFETIME,
        event,
    });
    assert_eq!(call.last, [Action::Ignored(Ignored::Expired)]);
    call.step(Input::Unusable);
    assert_eq!(call.last, [Action::Ignored(Ignored::OutOfPlace)]);
    call.goes_on();
}

#[test]
fn b2_mute_is_an_indicator_in_every_state() {
    for mut call in [to_bot(), to_bot().answered(), to_bot().established()] {
        call.event(Body::Metadata(StreamMetadata::usermedia("s", true)));
        assert_eq!(call.last, [Action::Muted(true)]);
        call.event(Body::Metadata(StreamMetadata::usermedia("s", true)));
        assert_eq!(call.last, []);
        call.event(Body::Metadata(StreamMetadata::usermedia("s", false)));
        assert_eq!(call.last, [Action::Muted(false)]);
    }
}

#[test]
fn b2_an_offer_that_cannot_be_answered_is_told_to_the_room() {
    let mut call = to_bot();
    call.step(Input::ChannelOpen).step(Input::Unusable);
    assert!(call.last.contains(&Action::Notify(Trouble::UnusableOffer)));
    call.ends(EndReason::UnusableOffer, &[reject(HangupReason::UnknownError)]);
    let mut call = to_everyone();
    call.step(Input::ChannelOpen).step(Input::Unusable);
    call.ends(EndReason::UnusableOffer, &[]);
}

#[test]
fn b2_leaving_the_room_is_hanging_up() {
    for mut call in [to_bot(), to_bot().answered(), to_bot().established()] {
        call.step(Input::MemberLeft).ends(EndReason::MemberLeft, &[]);
    }
}

#[test]
fn b2_the_end_of_the_channel_hangs_up_with_a_reason() {
    for (end, reason) in [
        (ChannelEnd::Closed, HangupReason::UserHangup),
        (ChannelEnd::Refused, HangupReason::UnknownError),
    ] {
        to_everyone()
            .established()
            .step(Input::ChannelEnded(end))
            .ends(EndReason::ChannelEnded, &[hangup(reason)]);
    }
}

#[test]
fn b2_failed_media_hangs_up_with_a_reason() {
    for mut call in [to_bot().answered(), to_bot().established()] {
        call.step(Input::MediaFailed(MediaFailure::Broken))
            .ends(EndReason::MediaFailed, &[hangup(HangupReason::UnknownError)]);
    }
}

#[test]
fn b2_a_caller_who_closes_his_media_is_about_to_hang_up() {
    for make in [|| to_bot().answered(), || to_bot().established()] {
        let mut call = make();
        call.step(Input::MediaFailed(MediaFailure::ClosedByPeer));
        assert_eq!(call.last, []);
        call.event(hangup(HangupReason::UserHangup))
            .ends(EndReason::HungUp, &[]);

        let mut call = make();
        call.step(Input::MediaFailed(MediaFailure::ClosedByPeer));
        let deadline = Some((call.now + HANGUP_WITHIN, Timer::Goodbye));
        assert_eq!(call.machine.poll_timeout(), deadline);
        call.pass(HANGUP_WITHIN)
            .ends(EndReason::MediaClosed, &[hangup(HangupReason::UserHangup)]);
    }
}

#[test]
fn b2_stopping_says_goodbye() {
    to_bot()
        .step(Input::HangUp(EndReason::Stopping))
        .ends(EndReason::Stopping, &[reject(HangupReason::UserHangup)]);
    to_everyone()
        .step(Input::HangUp(EndReason::Stopping))
        .ends(EndReason::Stopping, &[]);
    to_everyone()
        .established()
        .step(Input::HangUp(EndReason::Stopping))
        .ends(EndReason::Stopping, &[hangup(HangupReason::UserHangup)]);
}

#[test]
fn a_room_that_takes_no_events_ends_the_call() {
    for mut call in [to_bot(), to_bot().answered(), to_bot().established()] {
        call.step(Input::SendFailed).ends(EndReason::SendFailed, &[]);
    }
}

#[test]
fn an_ended_call_stays_ended() {
    let mut call = to_bot().established();
    call.event(hangup(HangupReason::UserHangup));
    for input in [
        Input::ChannelOpen,
        Input::Connected,
        Input::Timeout,
        described(),
        Input::MemberLeft,
        from(CALLER, Some(PHONE), negotiate(SdpKind::Offer)),
    ] {
        call.step(input);
        assert_eq!(call.last, []);
    }
}

#[test]
fn a_second_invite_or_a_strangers_answer_has_no_place_in_a_call() {
    let mut call = to_bot().established();
    for body in [
        Body::Answer {
            sdp: "x".into(),
            metadata: StreamMetadata::default(),
        },
        Body::Invite(Invite {
            sdp: "x".into(),
            lifetime: LIFETIME,
            invitee: None,
            metadata: StreamMetadata::default(),
        }),
    ] {
        call.event(body);
        assert_eq!(call.last, [Action::Ignored(Ignored::OutOfPlace)]);
    }
}
