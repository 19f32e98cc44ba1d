//! Answers and events in any order, and a homeserver that fails at will: in the end everything is as it should be.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A homeserver that does as it is asked when the test lets it, and shows it when the test lets it.
#[derive(Default)]
struct World {
    /// Requests, in their order: they are answered one after the other.
    requests: VecDeque<Action>,
    /// What the room has yet to show, in its order.
    echoes: VecDeque<RoomFact>,
    /// The delayed leaves that stand, and when they come due.
    delayed: Vec<(String, Instant)>,
    /// Whether a delayed leave was asked for since the last join.
    guarded: bool,
    /// The bridge's membership in the room's state.
    member: Option<OwnedEventId>,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Answer,
    /// The homeserver is away.
    Refuse,
    /// It does what it is asked, and the answer is lost.
    Lose,
    Show,
    Come(usize),
    Go(usize),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => Just(Event::Answer),
        1 => Just(Event::Refuse),
        1 => Just(Event::Lose),
        3 => Just(Event::Show),
        1 => (0..2_usize).prop_map(Event::Come),
        1 => (0..2_usize).prop_map(Event::Go),
        2 => (1..12_000_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..120)
}

const PEOPLE: [&str; 2] = [ALICE, BOB];

impl World {
    fn take(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Connect(_) | Action::Participants(_) | Action::Notify(_) => {}
                request => self.requests.push_back(request.clone()),
            }
        }
    }

    fn id(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Serves the oldest request.
    fn answer(&mut self, room: &Room) -> Option<Input> {
        match self.requests.pop_front()? {
            Action::FindFocus { .. } => Some(Input::Focus(Some(focus(SFU)))),
            Action::ScheduleLeave { .. } => {
                let name = format!("d{}", self.id());
                self.delayed.push((name.clone(), room.now.instant + LEAVE_AFTER));
                self.guarded = true;
                Some(Input::LeaveScheduled(Ok(Some(name))))
            }
            Action::RestartLeave { id } => {
                let delayed = self.delayed.iter_mut().find(|(name, _)| *name == id);
                let answer = delayed.map_or(Err(Refusal::NotFound), |(_, due)| {
                    *due = room.now.instant + LEAVE_AFTER;
                    Ok(())
                });
                Some(Input::LeaveRestarted { id, answer })
            }
            Action::CancelLeave { id } => {
                self.delayed.retain(|(name, _)| *name != id);
                None
            }
            Action::Join(own) => {
                assert!(self.guarded, "a join without a delayed leave");
                self.guarded = false;
                let event_id = id(&format!("$own{}", self.id()));
                let room_id = RoomId::parse("!room:hs").expect("a room id");
                self.echoes
                    .push_back(shown(own.to_event(&place(), &room_id), &event_id, room.now.unix_ms));
                self.member = Some(event_id.clone());
                Some(Input::Joined(Ok(event_id)))
            }
            Action::Leave => {
                self.empty(room);
                Some(Input::Left(Ok(())))
            }
            other => panic!("{other:?} is no request"),
        }
    }

    /// Nothing is done.
    fn refuse(&mut self) -> Option<Input> {
        let request = self.requests.pop_front()?;
        Self::no_answer(request)
    }

    fn lose(&mut self, room: &Room) -> Option<Input> {
        let request = self.requests.front()?.clone();
        self.answer(room);
        Self::no_answer(request)
    }

    fn no_answer(request: Action) -> Option<Input> {
        match request {
            Action::FindFocus { .. } => Some(Input::Focus(None)),
            Action::ScheduleLeave { .. } => Some(Input::LeaveScheduled(Err(Refusal::Later))),
            Action::RestartLeave { id } => {
                let answer = Err(Refusal::Later);
                Some(Input::LeaveRestarted { id, answer })
            }
            Action::Join(_) => Some(Input::Joined(Err(Refusal::Later))),
            Action::Leave => Some(Input::Left(Err(Refusal::Later))),
            _ => None,
        }
    }

    fn empty(&mut self, room: &Room) {
        if self.member.take().is_some() {
            let gone = id(&format!("$gone{}", self.id()));
            self.echoes.push_back(shown(leave(&place()), &gone, room.now.unix_ms));
        }
    }

    /// Sends the delayed leaves whose time has come.
    fn tick(&mut self, room: &Room) {
        let standing = self.delayed.len();
        self.delayed.retain(|(_, due)| *due > room.now.instant);
        if self.delayed.len() < standing {
            self.empty(room);
        }
    }

    fn is_quiet(&self) -> bool {
        self.requests.is_empty() && self.echoes.is_empty()
    }
}

fn apply(world: &mut World, room: &mut Room, event: Event) {
    let input = match event {
        Event::Answer => world.answer(room),
        Event::Refuse => world.refuse(),
        Event::Lose => world.lose(room),
        Event::Show => world.echoes.pop_front().map(Input::Fact),
        Event::Come(who) => Some(Input::Fact(here_at(PEOPLE[who], "PHONE", SFU, room.now.unix_ms))),
        Event::Go(who) => Some(Input::Fact(gone(PEOPLE[who]))),
        Event::Pass(millis) => {
            room.pass(Duration::from_millis(millis));
            world.take(&room.last);
            world.tick(room);
            None
        }
    };
    if let Some(input) = input {
        room.step(input);
        world.take(&room.last);
    }
}

/// Serves and shows everything until nothing is left to do at this moment and for a while after.
fn come_to_rest(world: &mut World, room: &mut Room) {
    for _ in 0..40 {
        for _ in 0..100 {
            apply(world, room, Event::Answer);
            apply(world, room, Event::Show);
            if world.is_quiet() {
                break;
            }
        }
        apply(world, room, Event::Pass(2000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn b13_b14_whatever_happens_the_bridge_ends_where_the_people_are(events in events()) {
        let mut room = room(vec![]);
        let mut world = World::default();
        for event in events {
            apply(&mut world, &mut room, event);
        }
        come_to_rest(&mut world, &mut room);
        if room.machine.callers() > 0 {
            prop_assert_eq!(room.machine.phase(), "in the call");
            prop_assert!(world.member.is_some(), "not in the room's state");
            prop_assert!(!world.delayed.is_empty(), "no delayed leave");
        } else {
            prop_assert_eq!(room.machine.phase(), "idle");
            prop_assert!(world.member.is_none(), "a ghost");
        }
    }
}
