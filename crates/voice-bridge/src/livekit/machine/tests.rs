mod listening;

use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::livekit::message::{LeaveAction, Person, Standing, Track, Welcome};
use crate::reach::Reach;

const OFFER: &str = "our offer";

/// A machine with a clock, whose actions are replied to as WebRTC does.
struct Bench {
    now: Instant,
    machine: Machine,
    actions: Vec<Action>,
}

fn access(token: &str) -> Access {
    Access {
        url: "ws://sfu.example".into(),
        token: token.into(),
        reach: Reach::Anywhere,
        attributes: true,
    }
}

fn person(sid: &str, track: &str) -> Person {
    Person {
        sid: format!("PA_{sid}"),
        identity: sid.into(),
        version: 1,
        gone: false,
        tracks: vec![Track {
            sid: track.into(),
            muted: false,
            encrypted: false,
        }],
    }
}

fn welcome(sid: &str) -> FromServer {
    FromServer::Welcome(Welcome {
        room: "room".into(),
        identity: "me".into(),
        sid: sid.into(),
        people: vec![person("anna", "TR_anna")],
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(15),
    })
}

fn answer(id: u32) -> FromServer {
    FromServer::Answer(Description {
        id,
        sdp: "their answer".into(),
    })
}

fn candidate(side: Side, line: &str) -> FromServer {
    let line = line.into();
    FromServer::Candidate { side, line }
}

impl Bench {
    fn new() -> Self {
        Self::with(Some(Voice {
            name: "Discord".into(),
            stereo: true,
        }))
    }

    fn with(voice: Option<Voice>) -> Self {
        let now = Instant::now();
        let (machine, actions) = Machine::new(now, access("first"), voice, StdRng::seed_from_u64(1));
        Self { now, machine, actions }
    }

    /// A session that is joined, with both media paths up and a server that answers.
    fn running() -> Self {
        let mut bench = Self::new();
        bench.input(Input::Opened);
        bench.message(welcome("PA_me"));
        bench.message(answer(1));
        bench.path(Side::Publisher, PathState::Up);
        let offer = Description {
            id: 7,
            sdp: "their offer".into(),
        };
        bench.message(FromServer::Offer(offer));
        bench.path(Side::Subscriber, PathState::Up);
        bench.message(FromServer::Published {
            ours: "cid".into(),
            sid: "TR_me".into(),
        });
        bench.pong();
        bench.take();
        bench
    }

    fn input(&mut self, input: Input) {
        let actions = self.machine.handle(self.now, input);
        for action in actions {
            let reply = match &action {
                Action::Offer { .. } => Some(Input::Offered {
                    sdp: OFFER.into(),
                    track: "cid".into(),
                }),
                Action::Accept(offer) => Some(Input::Answered(Description {
                    id: offer.id,
                    sdp: "our answer".into(),
                })),
                _ => None,
            };
            self.actions.push(action);
            if let Some(reply) = reply {
                self.input(reply);
            }
        }
    }

    fn message(&mut self, message: FromServer) {
        self.input(Input::Message(message));
    }

    fn path(&mut self, side: Side, state: PathState) {
        self.input(Input::Path { side, state });
    }

    fn lose(&mut self) {
        self.input(Input::Closed(SignalLoss::Lost));
    }

    /// The first ping is due at once, and answered.
    fn pong(&mut self) {
        self.expire(Timer::Ping);
        self.message(FromServer::Pong);
    }

    /// Lets time pass until the next deadline, which has to be for `timer`.
    fn expire(&mut self, timer: Timer) {
        let (deadline, what) = self.machine.poll_timeout().expect("a deadline");
        assert_eq!(what, timer);
        self.now = self.now.max(deadline);
        self.input(Input::Timeout);
    }

    fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    fn sent(&mut self) -> Vec<ToServer> {
        let sent = |action| match action {
            Action::Send(message) => Some(message),
            _ => None,
        };
        self.take().into_iter().filter_map(sent).collect()
    }

    fn told(&mut self) -> Vec<Event> {
        let told = |action| match action {
            Action::Tell(event) => Some(event),
            _ => None,
        };
        self.take().into_iter().filter_map(told).collect()
    }

    /// What was asked of the signal connection last.
    fn opened(&mut self) -> Option<(Access, Option<String>)> {
        let opened = |action| match action {
            Action::Open { access, resume } => Some((access, resume)),
            _ => None,
        };
        self.take().into_iter().filter_map(opened).next_back()
    }

    fn resumes(&mut self) -> bool {
        let (_, resume) = self.opened().expect("a connection");
        resume.as_deref() == Some("PA_me")
    }
}

#[test]
fn b1_a_join_publishes_one_track_and_subscribes_to_those_of_others() {
    let mut bench = Bench::new();
    assert_eq!(bench.opened(), Some((access("first"), None)));
    bench.input(Input::Opened);
    bench.message(welcome("PA_me"));
    let actions = bench.take();
    let entered = Action::Tell(Event::Entered {
        room: "room".into(),
        identity: "me".into(),
    });
    assert_eq!(actions.first(), Some(&Action::Prepare));
    assert!(actions.contains(&entered));
    bench.actions = actions;
    let sent = bench.sent();
    let [subscribe, publish, offer] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    let tracks = ToServer::Subscribe {
        person: "PA_anna".into(),
        tracks: vec!["TR_anna".into()],
    };
    assert_eq!(subscribe, &tracks);
    let ToServer::Publish(publication) = publish else {
        panic!("{publish:?}");
    };
    assert_eq!((publication.cid.as_str(), publication.stereo), ("cid", true));
    let sdp = OFFER.to_owned();
    assert_eq!(offer, &ToServer::Offer(Description { id: 1, sdp }));
}

#[test]
fn b1_candidates_wait_for_their_answer_and_are_bounded() {
    let mut bench = Bench::new();
    bench.input(Input::Opened);
    bench.message(welcome("PA_me"));
    bench.take();
    for n in 0..40 {
        bench.message(candidate(Side::Publisher, &n.to_string()));
    }
    let early = bench.take();
    assert_eq!(early, vec![Action::Count(Oddity::TooManyCandidates); 8]);
    bench.message(answer(2));
    assert_eq!(bench.take(), [Action::Count(Oddity::StrayAnswer)]);
    bench.message(answer(1));
    let actions = bench.take();
    assert!(matches!(actions.first(), Some(Action::Conclude { .. })));
    assert_eq!(actions.len(), 1 + 32);
    bench.message(candidate(Side::Publisher, "late"));
    bench.message(candidate(Side::Subscriber, "theirs"));
    let added = |side, line: &str| Action::AddCandidate {
        side,
        line: line.into(),
    };
    assert_eq!(
        bench.take(),
        [added(Side::Publisher, "late"), added(Side::Subscriber, "theirs")]
    );
}

#[test]
fn b1_the_servers_offer_is_answered_under_its_number() {
    let mut bench = Bench::running();
    let offer = Description {
        id: 8,
        sdp: "more".into(),
    };
    bench.message(FromServer::Offer(offer));
    let sent = bench.sent();
    assert!(
        matches!(sent.as_slice(), [ToServer::Answer(answer)] if answer.id == 8),
        "{sent:?}"
    );
}

#[test]
fn s11_what_others_are_shown_of_us_is_said_again_after_a_resume_and_a_new_join() {
    let attribute = |value: &str| Attribute {
        name: "vdp.speaking",
        value: value.into(),
    };
    let set = |value| ToServer::SetAttribute(attribute(value));
    let mut bench = Bench::running();
    bench.input(Input::Describe(attribute("1")));
    assert_eq!(bench.sent(), [set("1")]);
    bench.lose();
    bench.input(Input::Describe(attribute("2")));
    assert_eq!(bench.sent(), [], "there is no way for it");
    bench.input(Input::Opened);
    bench.message(FromServer::Resumed);
    assert!(bench.sent().contains(&set("2")));
    bench.message(FromServer::Leave(LeaveAction::Reconnect));
    bench.expire(Timer::Retry);
    bench.input(Input::Opened);
    bench.message(welcome("PA_anew"));
    assert!(bench.sent().contains(&set("2")));
    bench.message(FromServer::AttributeRefused);
    assert_eq!(bench.take(), [Action::Count(Oddity::AttributeRefused)]);
}

#[test]
fn s11_where_the_token_lets_us_set_no_attribute_people_are_told_beside_our_voice() {
    let attribute = Attribute {
        name: "vdp.speaking",
        value: "1".into(),
    };
    let noted = |bench: &mut Bench| bench.take().contains(&Action::Note(attribute.clone()));
    let mut bench = Bench::running();
    assert!(!bench.machine.notes());
    let poor = Access {
        attributes: false,
        ..access("second")
    };
    bench.input(Input::Renew(poor));
    assert!(bench.machine.notes());
    bench.input(Input::Describe(attribute.clone()));
    assert!(noted(&mut bench));
    bench.message(FromServer::Leave(LeaveAction::Reconnect));
    bench.expire(Timer::Retry);
    bench.input(Input::Opened);
    bench.take();
    bench.message(welcome("PA_anew"));
    assert!(noted(&mut bench));
    assert!(
        !Bench::with(None).machine.notes(),
        "who only listens has nothing to say"
    );
}

#[test]
fn b1_mute_is_shown_as_soon_as_the_track_is_known_and_after_a_resume() {
    let mute = |muted| ToServer::Mute {
        sid: "TR_me".into(),
        muted,
    };
    let mut bench = Bench::running();
    bench.input(Input::Mute(true));
    assert_eq!(bench.sent(), [mute(true)]);
    bench.lose();
    bench.input(Input::Mute(false));
    assert_eq!(bench.sent(), []);
    bench.input(Input::Opened);
    bench.message(FromServer::Resumed);
    assert!(bench.sent().contains(&mute(false)));
    bench.message(FromServer::Muted {
        sid: "TR_me".into(),
        muted: true,
    });
    assert_eq!(bench.told(), [Event::MutedByServer(true)]);
}

#[test]
fn b1_a_lost_signal_is_resumed_at_once_with_what_we_have() {
    let mut bench = Bench::running();
    bench.lose();
    assert!(bench.resumes());
    bench.input(Input::Opened);
    bench.message(FromServer::People(vec![person("ben", "TR_ben")]));
    bench.message(FromServer::Resumed);
    let sent = bench.sent();
    let standing = Standing {
        published: Some(("cid".into(), "TR_me".into())),
        subscribed: vec![
            ("PA_anna".into(), vec!["TR_anna".into()]),
            ("PA_ben".into(), vec!["TR_ben".into()]),
        ],
    };
    assert!(sent.contains(&ToServer::Sync(standing)), "{sent:?}");
    assert!(
        matches!(sent.last(), Some(ToServer::Offer(offer)) if offer.id == 2),
        "{sent:?}"
    );
}

#[test]
fn b1_a_server_that_greets_and_closes_is_not_hammered() {
    let mut bench = Bench::running();
    let mut tries = 0;
    let start = bench.now;
    while bench.now < start + Duration::from_secs(10) && tries < 100 {
        bench.lose();
        if bench
            .machine
            .poll_timeout()
            .is_some_and(|(_, timer)| timer == Timer::Retry)
        {
            bench.expire(Timer::Retry);
        }
        bench.input(Input::Opened);
        bench.message(FromServer::Resumed);
        bench.path(Side::Subscriber, PathState::Up);
        tries += 1;
    }
    assert!(tries < 12, "{tries} tries in ten seconds");
}

#[test]
fn b1_a_refused_resume_begins_anew_and_takes_everybody_again() {
    for refusal in [LeaveAction::Reconnect, LeaveAction::Disconnect(LeaveReason::Shutdown)] {
        let mut bench = Bench::running();
        bench.lose();
        bench.input(Input::Opened);
        bench.message(FromServer::Leave(refusal));
        let actions = bench.take();
        assert!(actions.contains(&Action::DropMedia));
        assert!(actions.contains(&Action::Tell(Event::Interrupted)));
        bench.expire(Timer::Retry);
        assert_eq!(bench.opened(), Some((access("first"), None)));
        bench.input(Input::Opened);
        bench.message(welcome("PA_me2"));
        let sent = bench.sent();
        assert!(
            sent.iter().any(|message| matches!(message, ToServer::Publish(_))),
            "{sent:?}"
        );
        assert!(
            sent.iter().any(|message| matches!(message, ToServer::Subscribe { .. })),
            "{sent:?}"
        );
        bench.path(Side::Publisher, PathState::Up);
        assert_eq!(bench.told(), [Event::Connected]);
    }
}

#[test]
fn b1_a_server_that_stays_away_is_tried_less_and_less_and_then_joined_anew() {
    let mut bench = Bench::running();
    let start = bench.now;
    let mut resumes = 0;
    bench.lose();
    while bench.resumes() {
        resumes += 1;
        bench.lose();
        bench.expire(Timer::Retry);
    }
    let after = bench.now - start;
    assert!((3..12).contains(&resumes), "{resumes} resumes");
    assert!(
        after >= MEDIA_LIMIT && after < MEDIA_LIMIT + LONGEST_WAIT * 2,
        "{after:?}"
    );
    bench.lose();
    let (deadline, _) = bench.machine.poll_timeout().expect("a deadline");
    assert!(deadline - bench.now <= LONGEST_WAIT);
}

#[test]
fn b1_a_silent_server_is_noticed_by_its_missing_pong() {
    let mut bench = Bench::running();
    bench.expire(Timer::Ping);
    bench.expire(Timer::Ping);
    bench.expire(Timer::Ping);
    bench.take();
    // The third ping falls on the moment at which the first should have been answered.
    bench.expire(Timer::Ping);
    bench.expire(Timer::Pong);
    assert!(bench.resumes());
    bench.expire(Timer::Opening);
    assert_eq!(bench.machine.poll_timeout().map(|(_, timer)| timer), Some(Timer::Retry));
}

#[test]
fn b1_a_broken_path_gets_a_moment_then_a_resume_then_a_new_session() {
    let mut bench = Bench::running();
    bench.path(Side::Subscriber, PathState::Down);
    bench.expire(Timer::Media);
    assert!(bench.resumes());
    bench.input(Input::Opened);
    bench.message(FromServer::Resumed);
    bench.message(answer(2));
    bench.take();
    while bench
        .machine
        .poll_timeout()
        .is_some_and(|(_, timer)| timer == Timer::Ping)
    {
        bench.pong();
    }
    bench.take();
    bench.expire(Timer::Media);
    assert!(bench.take().contains(&Action::DropMedia));
    bench.expire(Timer::Retry);
    assert_eq!(bench.opened(), Some((access("first"), None)));
}

#[test]
fn b1_a_server_that_ends_the_media_is_heard_out() {
    let failed = || {
        let mut bench = Bench::running();
        bench.path(Side::Publisher, PathState::Failed);
        assert_eq!(bench.take(), [Action::Tell(Event::Interrupted)]);
        bench
    };
    let mut bench = failed();
    let reason = LeaveReason::DuplicateIdentity;
    bench.message(FromServer::Leave(LeaveAction::Disconnect(reason)));
    assert_eq!(bench.told(), [Event::Ended(EndReason::ByServer(reason))]);
    let mut bench = failed();
    bench.expire(Timer::Media);
    assert!(bench.take().contains(&Action::DropMedia));
    let mut bench = failed();
    bench.lose();
    assert!(bench.take().contains(&Action::DropMedia), "there is nothing to resume");
}

#[test]
fn b1_a_path_that_comes_back_by_itself_costs_nothing() {
    let mut bench = Bench::running();
    bench.path(Side::Publisher, PathState::Down);
    assert_eq!(bench.told(), [Event::Interrupted]);
    bench.path(Side::Publisher, PathState::Up);
    assert_eq!(bench.told(), [Event::Connected]);
    bench.expire(Timer::Ping);
    assert!(bench.opened().is_none());
}

#[test]
fn b1_a_restart_on_request_keeps_the_session() {
    let mut bench = Bench::running();
    bench.input(Input::Restart);
    assert!(bench.resumes());
    bench.input(Input::Opened);
    bench.message(FromServer::Resumed);
    let actions = bench.take();
    assert!(actions.contains(&Action::Offer { restart: true }));
    assert!(!actions.contains(&Action::Prepare));
    bench.message(answer(2));
    assert_eq!(bench.told(), [Event::Resumed]);
}

#[test]
fn b1_a_refused_token_waits_for_another_and_a_refreshed_one_is_used() {
    let mut bench = Bench::running();
    bench.message(FromServer::Token("second".into()));
    bench.lose();
    assert_eq!(bench.opened(), Some((access("second"), Some("PA_me".into()))));
    bench.input(Input::Closed(SignalLoss::Denied));
    assert_eq!(bench.told(), [Event::Interrupted, Event::AccessRefused]);
    assert_eq!(bench.machine.poll_timeout(), None);
    bench.input(Input::Renew(access("third")));
    assert_eq!(bench.opened(), Some((access("third"), None)));
}

#[test]
fn b1_the_server_ends_a_session_for_good() {
    let mut bench = Bench::running();
    let reason = LeaveReason::DuplicateIdentity;
    bench.message(FromServer::Leave(LeaveAction::Disconnect(reason)));
    assert_eq!(bench.told(), [Event::Ended(EndReason::ByServer(reason))]);
    assert!(bench.machine.is_ended());
    bench.input(Input::Renew(access("again")));
    assert_eq!(bench.take(), []);
}

#[test]
fn b1_a_goodbye_is_said_where_somebody_hears_it() {
    let mut bench = Bench::running();
    bench.input(Input::Leave);
    assert_eq!(bench.actions.first(), Some(&Action::Send(ToServer::Leave)));
    assert!(bench.machine.is_ended());
    let mut bench = Bench::new();
    bench.input(Input::Leave);
    assert_eq!(bench.sent(), []);
    assert!(bench.machine.is_ended());
}

fn any_message() -> impl Strategy<Value = FromServer> {
    let side = prop_oneof![Just(Side::Publisher), Just(Side::Subscriber)];
    prop_oneof![
        (0..3_u32).prop_map(|n| welcome(&format!("PA_{n}"))),
        Just(FromServer::Resumed),
        (0..4_u32).prop_map(answer),
        (0..4_u32).prop_map(|id| FromServer::Offer(Description { id, sdp: String::new() })),
        side.prop_map(|side| candidate(side, "line")),
        (0..5_u8, any::<bool>()).prop_map(|(n, gone)| FromServer::People(vec![Person {
            gone,
            ..person(&n.to_string(), "TR_x")
        }])),
        Just(FromServer::Unpublished { sid: "TR_me".into() }),
        Just(FromServer::Token("another".into())),
        Just(FromServer::Leave(LeaveAction::Resume)),
        Just(FromServer::Leave(LeaveAction::Reconnect)),
        Just(FromServer::Pong),
        Just(FromServer::Other),
    ]
}

fn any_input() -> impl Strategy<Value = Input> {
    let side = prop_oneof![Just(Side::Publisher), Just(Side::Subscriber)];
    let state = prop_oneof![Just(PathState::Up), Just(PathState::Down), Just(PathState::Failed)];
    prop_oneof![
        4 => any_message().prop_map(Input::Message),
        2 => Just(Input::Opened),
        1 => Just(Input::Closed(SignalLoss::Lost)),
        1 => (side, state).prop_map(|(side, state)| Input::Path { side, state }),
        1 => Just(Input::Unusable(Side::Publisher)),
        1 => any::<bool>().prop_map(Input::Mute),
        1 => Just(Input::Restart),
        2 => Just(Input::Timeout),
    ]
}

proptest! {
    /// Whatever a server does, the machine neither stops waiting for something nor asks for two things at once.
    #[test]
    fn b1_no_order_of_events_is_too_strange(inputs in proptest::collection::vec((any_input(), 0..4_000_u64), 0..200)) {
        let mut bench = Bench::new();
        for (input, millis) in inputs {
            bench.now += Duration::from_millis(millis);
            bench.input(input);
            prop_assert!(!bench.machine.is_ended());
            prop_assert!(bench.machine.poll_timeout().is_some());
            prop_assert!(bench.take().len() < 50);
        }
        bench.input(Input::Leave);
        prop_assert!(bench.machine.is_ended());
    }
}
