mod life;
mod order;
mod people;

use std::time::Duration;

use bridge_kit::config::Pattern;
use bridge_kit::matrix::{EventId, OwnedEventId, RoomId};
use serde_json::json;

use super::*;
use crate::matrixrtc::event::{Own, Place, Written, leave};
use crate::matrixrtc::testing::{ALICE, event, focus, sticky, user};

const BOT: &str = "@bot:hs";
const BOB: &str = "@bob:hs";
const SFU: &str = "https://one.example/jwt";
const UNIX_MS: u64 = 1_700_000_000_000;
const LEAVE_AFTER: Duration = Duration::from_secs(10);
const RESTART: Duration = Duration::from_secs(4);
const LINGER: Duration = Duration::from_secs(5);
const EXPIRES: Duration = Duration::from_hours(4);

fn place() -> Place {
    Place::State("_@bot:hs_VB_m.call".into())
}

fn setup() -> Setup {
    Setup {
        cast: Cast {
            user: user(BOT),
            device: "VB".into(),
            bots: vec![Pattern::parse("@music:*").expect("a pattern")],
        },
        place: place(),
        member_id: "uuid".into(),
        leave_after: LEAVE_AFTER,
        restart_every: RESTART,
        expires: EXPIRES,
        linger: LINGER,
    }
}

/// A machine, the time it is, and what it did last.
struct Room {
    machine: Machine,
    now: Moment,
    last: Vec<Action>,
}

fn moment() -> Moment {
    Moment {
        instant: Instant::now(),
        unix_ms: UNIX_MS,
    }
}

fn room(facts: Vec<RoomFact>) -> Room {
    let now = moment();
    let (machine, last) = Machine::start(now, setup(), facts);
    Room { machine, now, last }
}

impl Room {
    fn step(&mut self, input: Input) -> &mut Self {
        self.last = self.machine.handle(self.now, input);
        self
    }

    fn fact(&mut self, fact: RoomFact) -> &mut Self {
        self.step(Input::Fact(fact))
    }

    /// Lets time pass, stopping at each deadline on the way; `last` holds all that was done.
    fn pass(&mut self, time: Duration) -> &mut Self {
        let until = self.now.instant + time;
        let mut done = Vec::new();
        for _ in 0..10_000 {
            let next = self.machine.poll_timeout().map(|(at, _)| at);
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            self.tick(at);
            done.extend(self.machine.handle(self.now, Input::Timeout));
        }
        self.tick(until);
        done.extend(self.machine.handle(self.now, Input::Timeout));
        self.last = done;
        self
    }

    fn tick(&mut self, at: Instant) {
        let passed = at.saturating_duration_since(self.now.instant);
        self.now.instant += passed;
        self.now.unix_ms += u64::try_from(passed.as_millis()).expect("a short time");
    }

    /// The room shows the bridge's own event.
    fn echo(&mut self, own: &Own, id: &OwnedEventId) -> &mut Self {
        let room = RoomId::parse("!room:hs").expect("a room id");
        let fact = shown(own.to_event(&place(), &room), id, self.now.unix_ms);
        self.fact(fact)
    }

    /// The room shows that the bridge's place is empty.
    fn echo_gone(&mut self) -> &mut Self {
        self.fact(shown(leave(&place()), &id("$gone"), self.now.unix_ms))
    }

    fn joining(mut self) -> (Self, Own) {
        self.fact(here(ALICE));
        assert_eq!(
            self.last,
            [Action::FindFocus {
                offered: vec![focus(SFU)]
            }]
        );
        self.step(Input::Focus(Some(focus(SFU))));
        assert_eq!(self.last, [Action::ScheduleLeave { delay: LEAVE_AFTER }]);
        self.step(Input::LeaveScheduled(Ok(Some("d1".into()))));
        let own = self.join();
        (self, own)
    }

    /// Alice is in the call, and so is the bridge, and the room has shown it.
    fn present(self) -> Self {
        let (mut room, own) = self.joining();
        room.step(Input::Joined(Ok(id("$join")))).echo(&own, &id("$join"));
        assert_eq!(room.machine.phase(), "in the call");
        room
    }

    /// The membership that was sent last; there is no other action.
    #[track_caller]
    fn join(&self) -> Own {
        match &self.last[..] {
            [Action::Join(own)] => own.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn does(&self, actions: &[Action]) {
        assert_eq!(self.last, actions);
    }

    fn connections(&self) -> Option<&Connections> {
        self.last.iter().rev().find_map(|action| match action {
            Action::Connect(connections) => connections.as_ref(),
            _ => None,
        })
    }
}

fn id(text: &str) -> OwnedEventId {
    EventId::parse(text).expect("an event id")
}

fn shown(written: Written, id: &OwnedEventId, sent_ms: u64) -> RoomFact {
    let mut event = event(
        BOT,
        written.kind,
        written.state_key.as_deref(),
        written.content,
        sent_ms,
    );
    event.event_id = id.clone();
    read(&event)
}

fn read(event: &bridge_kit::matrix::RoomEvent) -> RoomFact {
    RoomFact::from_event(event).expect("readable").expect("a fact")
}

/// Somebody's phone is in the call, as Element Call says it.
fn here(who: &str) -> RoomFact {
    here_at(who, "PHONE", SFU, UNIX_MS)
}

fn here_at(who: &str, device: &str, service: &str, since_ms: u64) -> RoomFact {
    member(who, device, service, "multi_sfu", since_ms)
}

fn member(who: &str, device: &str, service: &str, selection: &str, since_ms: u64) -> RoomFact {
    let content = json!({
        "application": "m.call", "call_id": "", "scope": "m.room", "device_id": device, "expires": 14_400_000,
        "focus_active": { "type": "livekit", "focus_selection": selection },
        "foci_preferred": [{ "type": "livekit", "livekit_service_url": service }],
    });
    read(&event(
        who,
        "org.matrix.msc3401.call.member",
        Some(&key(who, device)),
        content,
        since_ms,
    ))
}

fn gone(who: &str) -> RoomFact {
    let key = key(who, "PHONE");
    read(&event(
        who,
        "org.matrix.msc3401.call.member",
        Some(&key),
        json!({}),
        UNIX_MS,
    ))
}

fn key(who: &str, device: &str) -> String {
    format!("_{who}_{device}_m.call")
}

fn alices_sticky(service: &str) -> RoomFact {
    let content = sticky("uuid-a", "PHONE", service);
    read(&event(ALICE, "org.matrix.msc4143.rtc.member", None, content, UNIX_MS))
}

fn connect_to(own: &str, others: &[&str]) -> Action {
    Action::Connect(Some(Connections {
        own: focus(own),
        others: others.iter().map(|other| focus(other)).collect(),
    }))
}
