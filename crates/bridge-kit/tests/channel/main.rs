//! Both drivers end to end: a control room in memory, real UDP on 127.0.0.1, real media rooms.

#![expect(clippy::indexing_slicing, reason = "what is not there fails the test, as it should")]

mod audience;
mod control;
mod people;
mod person;
mod relay;
mod restart;
mod speaking;
mod strays;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bridge_kit::channel::{
    AnswerHandler, Answerer, AskError, Asker, BrokenReason, CloseReason, Ending, Entered, Person as Member, PersonId,
    Refusal, RejectReason, Session, SessionEvent, Settings, Side,
};
use bridge_kit::config::{Secret, Vdp};
use bridge_kit::media::{MediaPool, RoomMedia};
use bridge_kit::vdp::Endpoint;
use ruma::{RoomId, room_id};
use serde_json::json;
use signalling::{Backoff, Format, Timing, names};
use tokio::sync::watch;
use tokio::time::timeout;

use self::control::{Port, Room, Side as Of, room};
use self::person::Person;
use self::relay::Relays;

const LIMIT: Duration = Duration::from_secs(10);

/// The bridged room.
fn bridged() -> &'static RoomId {
    room_id!("!bridged:example.org")
}

/// What the answering side does with a room, as the test wants it.
#[derive(Default)]
struct Handler {
    refuse: Mutex<Option<Refusal>>,
    media: Mutex<Option<RoomMedia>>,
    /// Who is in the voice channel.
    people: watch::Sender<Vec<Member>>,
    /// Who hears there what comes from the asking side.
    audience: watch::Sender<signalling::Audience>,
    /// `opened`, or why it was closed.
    calls: Mutex<Vec<String>>,
    panics: bool,
    /// Lets `open` go on once it has been told.
    gate: Option<tokio::sync::Semaphore>,
}

struct Shared(Arc<Handler>);

impl AnswerHandler for Shared {
    async fn open(&self, _: &RoomId) -> Result<Entered, Refusal> {
        assert!(!self.0.panics, "on purpose");
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.expect("a gate").forget();
        }
        if let Some(refusal) = self.0.refuse.lock().expect("a lock").clone() {
            return Err(refusal);
        }
        self.0.calls.lock().expect("a lock").push("opened".to_owned());
        Ok(Entered {
            media: self.0.media.lock().expect("a lock").clone().expect("a room"),
            people: self.0.people.subscribe(),
            audience: self.0.audience.subscribe(),
        })
    }

    async fn closed(&self, _: &RoomId, ending: Option<&Ending>) {
        let reason = match ending {
            None => "to be renewed".to_owned(),
            Some(Ending::Closed { reason, .. }) => reason.to_string(),
            Some(Ending::Rejected(refusal)) => refusal.reason.to_string(),
        };
        self.0.calls.lock().expect("a lock").push(reason);
    }
}

/// Both sides, with a person in each room.
struct World {
    room: Arc<Room>,
    asker: Asker,
    answerer: Answerer,
    asker_port: Arc<Port>,
    handler: Arc<Handler>,
    matrix: RoomMedia,
    _pool: MediaPool,
}

impl World {
    /// Both sides speak the plain form, whose addresses the relays may change on the way.
    fn new(handler: Handler) -> Self {
        Self::with(handler, settings(), settings())
    }

    fn with(handler: Handler, asking: Settings, answering: Settings) -> Self {
        let pool = MediaPool::new(NonZeroUsize::MIN).expect("a thread");
        let handler = Arc::new(handler);
        *handler.media.lock().expect("a lock") = Some(pool.room("discord"));
        let (room, [(asker_port, to_asker), (answerer_port, to_answerer)]) = room();
        let asker = Asker::start(asker_port.clone(), to_asker, endpoint(), asking);
        let shared = Shared(Arc::clone(&handler));
        let answerer = Answerer::start(answerer_port, to_answerer, endpoint(), shared, answering);
        Self {
            room,
            asker,
            answerer,
            asker_port,
            handler,
            matrix: pool.room("matrix"),
            _pool: pool,
        }
    }

    fn ask(&self) -> Session {
        self.asker.ask(bridged(), self.matrix.clone()).expect("a session")
    }

    async fn open(&self) -> Session {
        let mut session = self.ask();
        assert!(matches!(next(&mut session).await, SessionEvent::Open { epoch: 1, .. }));
        session
    }

    fn people(&self) -> (Person, Person) {
        let discord = self.handler.media.lock().expect("a lock").clone().expect("a room");
        (Person::enters(&self.matrix), Person::enters(&discord))
    }

    fn calls(&self) -> Vec<String> {
        self.handler.calls.lock().expect("a lock").clone()
    }

    /// What happened, for whoever wonders why something did not.
    fn story(&self) -> String {
        let media = (self.matrix.is_failed(), self.matrix.stats());
        let (asker, answerer) = (self.asker.status(), self.answerer.status());
        format!(
            "asker {asker:?}, answerer {answerer:?}, room {:?}, media {media:?}",
            self.room
        )
    }

    async fn answerer_is(&self, state: &str) {
        until(state, || {
            self.answerer.status().iter().any(|status| status.state == state)
        })
        .await;
    }

    /// Neither side has a room any more.
    async fn nothing_is_left(&self) {
        until("no room", || {
            self.asker.status().is_empty() && self.answerer.status().is_empty()
        })
        .await;
    }
}

/// Repeats and breaks come quickly, so that no test waits for long.
fn settings() -> Settings {
    let quick = Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_millis(400),
    };
    let timing = Timing {
        repeat: quick,
        renegotiate: quick,
        ..Timing::default()
    };
    Settings {
        timing,
        formats: vec![Format::PlainOpus],
        ..Settings::default()
    }
}

fn sealed(shared_secret: Option<&str>) -> Settings {
    Settings {
        formats: Settings::default().formats,
        shared_secret: shared_secret.map(Secret::new),
        ..settings()
    }
}

fn endpoint() -> Endpoint {
    let quick = Vdp {
        keep_alive: Duration::from_millis(100),
        broken_after: Duration::from_millis(400),
        ..Vdp::loopback(0)
    };
    Endpoint::bind(&quick).expect("a port")
}

async fn next(session: &mut Session) -> SessionEvent {
    timeout(LIMIT, session.next())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// Looks again and again until `ready` says so; the deadline is for failures only.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn s7_s9_a_channel_opens_and_voice_flows_both_ways() {
    let world = World::new(Handler::default());
    let _session = world.open().await;
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
    assert!(!matrix.has_heard(1) && !discord.has_heard(2), "nobody hears himself");
    for status in [world.asker.status(), world.answerer.status()] {
        assert_eq!((status[0].state, status[0].epoch, status[0].lost), ("open", 1, 0));
        assert!(
            status[0].sent > 0 && status[0].received > 0 && status[0].heard,
            "{status:?}"
        );
    }
    let sent: Vec<_> = [names::REQUEST, names::OFFER, names::ACCEPT]
        .map(|kind| world.room.sent(kind).len())
        .into();
    assert_eq!(sent, [1, 1, 1]);
    assert_eq!(world.calls(), ["opened"]);
}

#[tokio::test]
async fn an_open_channel_is_in_the_rooms_state_and_a_closed_one_is_not() {
    let world = World::new(Handler::default());
    let session = world.open().await;
    until("the record", || world.room.record(bridged().as_str()).is_some()).await;
    let record = world.room.record(bridged().as_str()).expect("a record");
    let record = signalling::ChannelRecord::from_json(&record)
        .expect("readable")
        .expect("open");
    assert_eq!(record.channel.epoch, 1);
    assert_eq!(world.asker.status()[0].peer_port, Some(record.answerer.port()));
    assert_eq!(world.answerer.status()[0].peer_port, Some(record.asker.port()));
    drop(session);
    until("no record", || world.room.record(bridged().as_str()) == Some(json!({}))).await;
}

#[tokio::test]
async fn s8_a_rejection_comes_with_its_reason_and_leaves_nothing() {
    let refusal = Refusal::new(RejectReason::NoPermission, "CONNECT is missing").retry_after(LIMIT);
    let world = World::new(Handler {
        refuse: Mutex::new(Some(refusal.clone())),
        ..Handler::default()
    });
    let mut session = world.ask();
    assert_eq!(next(&mut session).await, SessionEvent::Rejected(refusal));
    assert_eq!(session.next().await, None);
    assert!(world.asker.status().is_empty());
    assert!(world.calls().is_empty(), "what was not opened is not closed");
    *world.handler.refuse.lock().expect("a lock") = None;
    world.open().await;
}

#[tokio::test]
async fn a_panic_of_the_handler_is_a_rejection() {
    let world = World::new(Handler {
        panics: true,
        ..Handler::default()
    });
    let event = next(&mut world.ask()).await;
    assert!(
        matches!(
            event,
            SessionEvent::Rejected(Refusal {
                reason: RejectReason::InternalError,
                ..
            })
        ),
        "{event:?}"
    );
}

#[tokio::test]
async fn the_asking_side_closes() {
    let world = World::new(Handler::default());
    world.open().await.close(CloseReason::CallEnded, "hung up");
    until("the voice channel is left", || {
        world.calls() == ["opened", "call_ended"]
    })
    .await;
    world.nothing_is_left().await;
    assert_eq!(world.room.sent(names::CLOSE)[0]["text"], "hung up");
    let again = next(&mut world.ask()).await;
    assert!(
        matches!(again, SessionEvent::Open { epoch: 2, .. }),
        "the room's epochs never go back: {again:?}"
    );
}

#[tokio::test]
async fn a_session_that_is_dropped_closes_its_channel() {
    let world = World::new(Handler::default());
    drop(world.open().await);
    until("the voice channel is left", || {
        world.calls() == ["opened", "call_ended"]
    })
    .await;
    assert_eq!(world.room.sent(names::CLOSE).len(), 1);
}

#[tokio::test]
async fn the_answering_side_closes() {
    let world = World::new(Handler::default());
    let mut session = world.open().await;
    world
        .answerer
        .close(bridged(), CloseReason::NoLongerBridged, "unlinked");
    let expected = SessionEvent::Closed {
        reason: CloseReason::NoLongerBridged,
        text: "unlinked".to_owned(),
        by: Side::Peer,
    };
    assert_eq!(next(&mut session).await, expected);
    assert_eq!(session.next().await, None);
    until("the voice channel is left", || {
        world.calls() == ["opened", "no_longer_bridged"]
    })
    .await;
}

#[tokio::test]
async fn b6_a_sealed_channel_carries_voice_both_ways() {
    for secret in [None, Some("both know it")] {
        let world = World::with(Handler::default(), sealed(secret), sealed(secret));
        let _session = world.open().await;
        let (mut matrix, mut discord) = world.people();
        assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
        assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
        let offers = world.room.sent(names::OFFER);
        let best = Settings::default().formats[0].clone();
        assert_eq!(offers[0]["format"], best.code());
        assert!(secret.is_none_or(|secret| !format!("{:?}", world.room).contains(secret)));
    }
}

#[tokio::test]
async fn b6_a_side_without_aes_gets_chacha_from_one_with_it_whichever_asks() {
    let with = || Settings {
        formats: vec![Format::SealedOpusAes, Format::SealedOpusChaCha],
        ..settings()
    };
    let without = || Settings {
        formats: vec![Format::SealedOpusChaCha],
        ..settings()
    };
    let chacha = Format::SealedOpusChaCha;
    for (asking, answering, chosen) in [
        (with(), with(), Format::SealedOpusAes),
        (with(), without(), chacha.clone()),
        (without(), with(), chacha),
    ] {
        let world = World::with(Handler::default(), asking, answering);
        let _session = world.open().await;
        let (mut matrix, mut discord) = world.people();
        assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
        assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
        assert_eq!(world.room.sent(names::OFFER)[0]["format"], chosen.code());
    }
}

#[tokio::test]
async fn b6_sides_with_different_secrets_never_hear_each_other() {
    let world = World::with(Handler::default(), sealed(Some("one")), sealed(Some("another")));
    let mut session = world.open().await;
    let event = next(&mut session).await;
    assert!(
        matches!(
            event,
            SessionEvent::Broken {
                reason: BrokenReason::Silent,
                ..
            }
        ),
        "{event:?}"
    );
    assert!(world.asker.status().iter().all(|status| !status.heard));
}

#[tokio::test]
async fn who_may_speak_only_in_the_sealed_form_refuses_the_plain_one() {
    let world = World::with(Handler::default(), settings(), sealed(None));
    let mut session = world.ask();
    let event = next(&mut session).await;
    assert!(
        matches!(
            event,
            SessionEvent::Rejected(Refusal {
                reason: RejectReason::NoCommonFormat,
                ..
            })
        ),
        "{event:?}"
    );
}

#[tokio::test]
async fn s10_a_silent_path_is_broken_and_voice_comes_back_in_the_next_epoch() {
    let world = World::new(Handler::default());
    let relays = Relays::default();
    let diverting = relays.clone();
    world
        .room
        .tamper(move |kind, content| Some(diverting.divert(kind, content)));
    let mut session = world.open().await;
    let (mut matrix, mut discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 2).await, "{}", world.story());
    let ports = [world.asker.status()[0].peer_port, world.answerer.status()[0].peer_port];

    relays.cut();
    let broken = next(&mut session).await;
    assert!(
        matches!(
            &broken,
            SessionEvent::Broken {
                reason: BrokenReason::Silent,
                ..
            }
        ),
        "{broken:?}"
    );
    let open = next(&mut session).await;
    assert!(matches!(open, SessionEvent::Open { epoch: 2, .. }), "{open:?}");
    assert!(matrix.is_heard_by(&discord, 3).await, "{}", world.story());
    assert!(discord.is_heard_by(&matrix, 4).await, "{}", world.story());

    let broken = &world.room.sent(names::BROKEN)[0];
    assert_eq!((&broken["epoch"], &broken["reason"]), (&json!(1), &json!("silent")));
    let offers = world.room.sent(names::OFFER);
    let last = offers.last().expect("an offer");
    assert_eq!(last["epoch"], 2);
    assert_ne!(last["channel_id"], offers[0]["channel_id"]);
    assert_ne!(last["port"], offers[0]["port"], "a new epoch has a new port");
    assert_ne!(
        [world.asker.status()[0].peer_port, world.answerer.status()[0].peer_port],
        ports
    );
    assert_eq!(world.calls(), ["opened"], "the voice channel is not left for it");
}

#[tokio::test]
async fn s10_a_peer_that_was_killed_and_started_again_is_renegotiated() {
    let world = World::new(Handler::default());
    let first = world.open().await;
    // The first asking side is gone without a word, as after a kill: its task ends, and nothing it says arrives.
    let pool = MediaPool::new(NonZeroUsize::MIN).expect("a thread");
    let (to_asker, incoming) = tokio::sync::mpsc::channel(1);
    world
        .room
        .tamper(|kind, content| (kind != names::CLOSE).then_some(content));
    let restarted = Asker::start(world.asker_port.clone(), incoming, endpoint(), settings());
    let mut session = restarted.ask(bridged(), pool.room("matrix again")).expect("a session");
    until("the offer of the next epoch", || {
        world.room.sent(names::OFFER).iter().any(|offer| offer["epoch"] == 2)
    })
    .await;
    drop(first);
    let offer = world
        .room
        .sent(names::OFFER)
        .into_iter()
        .find(|offer| offer["epoch"] == 2)
        .expect("an offer");
    let incoming = bridge_kit::channel::Incoming {
        kind: names::OFFER.to_owned(),
        content: offer,
        age: Duration::ZERO,
    };
    to_asker.send(incoming).await.expect("the restarted side listens");
    assert!(matches!(next(&mut session).await, SessionEvent::Open { epoch: 2, .. }));
    assert_eq!(world.calls(), ["opened"], "nobody decides anew");
}

#[tokio::test]
async fn lost_events_are_made_good() {
    let world = World::new(Handler::default());
    let mut seen = std::collections::BTreeSet::new();
    world
        .room
        .tamper(move |kind, content| (!seen.insert(kind.to_owned())).then_some(content));
    let _session = world.open().await;
    let (mut matrix, discord) = world.people();
    assert!(matrix.is_heard_by(&discord, 1).await, "{}", world.story());
    world.answerer_is("open").await;
}

#[tokio::test]
async fn a_call_that_ends_while_the_voice_channel_is_entered_leaves_it_again() {
    let gate = Some(tokio::sync::Semaphore::new(0));
    let world = World::new(Handler {
        gate,
        ..Handler::default()
    });
    let session = world.ask();
    until("the request", || !world.room.sent(names::REQUEST).is_empty()).await;
    world.answerer_is("requested").await;
    session.close(CloseReason::CallEnded, "");
    world.answerer_is("idle").await;
    world.handler.gate.as_ref().expect("a gate").add_permits(1);
    until("the voice channel is left", || {
        world.calls() == ["opened", "call_ended"]
    })
    .await;
    world.nothing_is_left().await;
    assert!(world.room.sent(names::OFFER).is_empty());
}

#[tokio::test]
async fn a_room_has_one_session_at_a_time() {
    let world = World::new(Handler::default());
    let session = world.open().await;
    assert_eq!(
        world.asker.ask(bridged(), world.matrix.clone()).err(),
        Some(AskError::Busy)
    );
    drop(session);
    until("the room is free", || {
        world.asker.ask(bridged(), world.matrix.clone()).is_ok()
    })
    .await;
}

#[tokio::test]
async fn rooms_have_their_limit_on_either_side() {
    let (control, [(asker_port, to_asker), (answerer_port, to_answerer)]) = room();
    let pool = MediaPool::new(NonZeroUsize::MIN).expect("a thread");
    let two = Settings {
        max_rooms: 2,
        ..settings()
    };
    let one = Settings {
        max_rooms: 1,
        ..settings()
    };
    let handler = Arc::new(Handler {
        media: Mutex::new(Some(pool.room("discord"))),
        ..Handler::default()
    });
    let asker = Asker::start(asker_port, to_asker, endpoint(), two);
    let _answerer = Answerer::start(answerer_port, to_answerer, endpoint(), Shared(handler), one);
    let mut first = asker.ask(room_id!("!1:h"), pool.room("1")).expect("a session");
    assert!(matches!(next(&mut first).await, SessionEvent::Open { .. }));
    let mut second = asker.ask(room_id!("!2:h"), pool.room("2")).expect("a session");
    assert_eq!(asker.ask(room_id!("!3:h"), pool.room("3")).err(), Some(AskError::Full));
    let event = next(&mut second).await;
    assert!(
        matches!(
            event,
            SessionEvent::Rejected(Refusal {
                reason: RejectReason::AtCapacity,
                ..
            })
        ),
        "{event:?}"
    );
    assert_eq!(control.sent(names::REJECT).len(), 1);
}

#[tokio::test]
async fn stopping_says_goodbye_and_leaves_the_voice_channel() {
    let world = World::new(Handler::default());
    let mut session = world.open().await;
    world.answerer.stop().await;
    assert_eq!(world.calls(), ["opened", "shutdown"]);
    let event = next(&mut session).await;
    assert!(
        matches!(
            event,
            SessionEvent::Closed {
                reason: CloseReason::Shutdown,
                by: Side::Peer,
                ..
            }
        ),
        "{event:?}"
    );
    world.asker.stop().await;
    assert_eq!(
        world.asker.ask(bridged(), world.matrix.clone()).err(),
        Some(AskError::Stopped)
    );
}

#[tokio::test]
async fn dropping_the_answering_side_leaves_the_voice_channel() {
    let World {
        asker,
        answerer,
        handler,
        matrix,
        room: _room,
        asker_port: _port,
        _pool,
    } = World::new(Handler::default());
    let mut session = asker.ask(bridged(), matrix).expect("a session");
    assert!(matches!(next(&mut session).await, SessionEvent::Open { .. }));
    drop(answerer);
    until("the voice channel is left", || {
        handler.calls.lock().expect("a lock").len() == 2
    })
    .await;
}
