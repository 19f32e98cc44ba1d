//! A conference between a membership, whose homeserver the test makes up, and a channel whose other end is the test. No SFU
//! lets the bridge in here: those of `tests/livekit` and of the scenarios do.

use bridge_kit::channel::{CloseReason, Refusal as ChannelRefusal, RejectReason, SessionEvent, Side};
use bridge_kit::supervise::{self, Task};

use super::*;
use crate::matrixrtc::conference::{self, Means, Role, Tokens};
use crate::matrixrtc::hub::Started;
use crate::matrixrtc::transport::{Grant, TransportError};
use crate::testing::World as CallWorld;
use crate::webrtc::WebRtc;

/// Has no answer, so that nobody goes to an SFU.
struct NoTokens;

impl Tokens for NoTokens {
    fn token(&self, _: &Caller, _: &Focus, _: Role) -> BoxFuture<'static, Result<Grant, TransportError>> {
        Box::pin(std::future::pending())
    }

    fn forget(&self, _: &Caller, _: &Focus) {}
}

struct Call {
    /// The membership's side.
    member: World,
    /// The channel's side.
    room: CallWorld,
    _conference: Task<()>,
}

impl Call {
    fn new() -> Self {
        let (member, world) = (world(Duration::from_hours(1)), CallWorld::new());
        let means = Means {
            calls: world.calls.clone(),
            homeserver: world.homeserver.clone(),
            tokens: Arc::new(NoTokens),
            webrtc: WebRtc::default(),
            retry_after: Duration::from_millis(50),
        };
        let started = Started {
            room: room(),
            picture: member.session.picture(),
            control: member.session.control(),
            caller: Caller {
                room: room(),
                user: user(BOT),
                device: "VB".into(),
                member_id: "uuid".into(),
            },
        };
        Self {
            member,
            room: world,
            _conference: supervise::spawn("test.conference", "", conference::run(means, started)),
        }
    }

    fn tell(&mut self, content: Value) {
        self.member.session.handle(&member(ALICE, content)).expect("told");
    }

    fn kinds(&self) -> Vec<Value> {
        let calls = self.room.calls.status();
        let participants = calls[0]["participants"].as_array().cloned().unwrap_or_default();
        participants
            .iter()
            .map(|participant| participant["kind"].clone())
            .collect()
    }

    async fn has_left(&self) {
        until("the bridge to leave", || {
            self.member.session.picture().borrow().connections.is_none()
        })
        .await;
    }
}

fn refusal() -> SessionEvent {
    SessionEvent::Rejected(ChannelRefusal::new(RejectReason::AtCapacity, "It is full."))
}

#[tokio::test]
async fn s6_s7_the_call_of_a_room_asks_for_a_channel_and_its_end_closes_it() {
    let mut call = Call::new();
    call.tell(in_call());
    let asked = call.room.asked().await;
    asked.open().await;
    assert_eq!(call.kinds(), ["sfu"]);
    call.tell(json!({}));
    asked.closed().await;
}

#[tokio::test]
async fn s8_a_refusal_takes_the_bridge_out_and_is_told_once() {
    let mut call = Call::new();
    call.tell(in_call());
    call.room.asked().await.say(refusal()).await;
    call.has_left().await;
    until("the notice", || call.room.homeserver.notices().len() == 1).await;

    // The next call is another one.
    call.tell(json!({}));
    until("the end of the call", || {
        call.member.session.picture().borrow().callers == 0
    })
    .await;
    call.tell(in_call());
    shows(&call.member.session, "the call", |picture| {
        picture.connections.is_some()
    })
    .await;
}

#[tokio::test]
async fn s8_a_channel_is_asked_for_again_before_the_bridge_comes_back() {
    let mut call = Call::new();
    call.tell(in_call());
    call.room.asked().await.say(refusal()).await;
    call.has_left().await;
    for _ in 0..2 {
        let asked = call.room.asked().await;
        assert!(call.member.session.picture().borrow().connections.is_none());
        asked.say(refusal()).await;
    }
    let asked = call.room.asked().await;
    assert!(call.member.session.picture().borrow().connections.is_none());
    asked.open().await;
    shows(&call.member.session, "the call", |picture| {
        picture.connections.is_some()
    })
    .await;
    assert_eq!(call.room.homeserver.notices().len(), 1, "people know since the first");
}

#[tokio::test]
async fn s10_a_channel_that_the_other_side_closes_takes_the_bridge_out() {
    let mut call = Call::new();
    call.tell(in_call());
    let asked = call.room.asked().await;
    asked.open().await;
    asked
        .say(SessionEvent::Closed {
            reason: CloseReason::NoLongerBridged,
            text: "It was unlinked.".into(),
            by: Side::Peer,
        })
        .await;
    call.has_left().await;
    assert!(call.member.desk.asked().contains(&"leave".to_owned()));
}
