//! The bridge's own membership in the call of one room, without input, output or clock.
//!
//! The contract: hand in one [`Input`], perform every [`Action`] in order, ask [`Machine::poll_timeout`] for the next
//! deadline, and hand in [`Input::Timeout`] when it has passed. Each state is a type of its own file and holds only
//! what that state needs.
//!
//! The bridge is in the call while people are, and never alone with programs. A delayed leave stands before it joins,
//! so that its death takes it out.

mod backoff;
mod engaged;
mod guard;
mod leaving;
#[cfg(test)]
mod tests;
mod vocabulary;
mod waiting;

use std::time::Instant;

use self::backoff::Failures;
use self::engaged::Engaged;
use self::leaving::{After, Leaving};
pub use self::vocabulary::{Action, Connections, Input, Refusal, Setup, Timer, Trouble};
use self::waiting::{Cause, Waiting};
use super::event::{MemberEvent, RoomFact};
use super::focus::Focus;
use super::identity::Participant;
use super::moment::Moment;
pub use super::roster::Cast;
use super::roster::Roster;

/// Most SFUs that one call is joined with.
const MAX_FOCI: usize = 8;

/// The state machine of one room's call.
#[derive(Debug)]
pub struct Machine {
    setup: Setup,
    roster: Roster,
    slot_open: bool,
    bridged: bool,
    state: State,
    shown: Shown,
    told: Vec<Trouble>,
}

#[derive(Debug)]
enum State {
    /// Nobody is there.
    Idle,
    /// The room is encrypted, and there is no call that could be read.
    Barred {
        told: bool,
    },
    /// An SFU is looked for.
    Preparing {
        failures: Failures,
    },
    Waiting(Waiting),
    Engaged(Engaged),
    Leaving(Leaving),
    Ended,
}

/// What the driver was told last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    connections: Option<Connections>,
    participants: Vec<Participant>,
}

/// The actions of one step, in order.
type Actions = Vec<Action>;

impl Machine {
    /// Starts with what the room says at this moment, in any order: facts of those who are in it.
    ///
    /// Memberships that an earlier run of this bridge has left behind are emptied first.
    pub fn start(now: Moment, setup: Setup, facts: Vec<RoomFact>) -> (Self, Vec<Action>) {
        let mut machine = Self {
            roster: Roster::new(setup.cast.clone()),
            setup,
            slot_open: true,
            bridged: true,
            state: State::Idle,
            shown: Shown::default(),
            told: Vec::new(),
        };
        let mut actions = Actions::new();
        for fact in facts {
            machine.take(now, fact, &mut actions);
        }
        actions.extend(machine.roster.own_places().into_iter().map(Action::Sweep));
        machine.settle(now, &mut actions);
        (machine, actions)
    }

    /// Takes one input; the actions are to be performed in order.
    #[must_use]
    pub fn handle(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Actions::new();
        self.roster.expire(now);
        match input {
            Input::Fact(fact) => self.take(now, fact, &mut actions),
            Input::MemberLeft(user) => self.roster.forget(&user),
            Input::Bridged(bridged) => self.on_bridged(bridged, &mut actions),
            answer => self.step(now, answer, &mut actions),
        }
        self.settle(now, &mut actions);
        actions
    }

    /// The next deadline and what it is for. To be asked after every [`Machine::handle`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let own = match &self.state {
            State::Waiting(waiting) => Some((waiting.until, Timer::Retry)),
            State::Engaged(engaged) => engaged.next(),
            State::Leaving(leaving) => leaving.retry_at.map(|at| (at, Timer::Retry)),
            State::Ended => return None,
            State::Idle | State::Barred { .. } | State::Preparing { .. } => None,
        };
        let expiry = self.roster.next_expiry().map(|at| (at, Timer::Expiry));
        [own, expiry].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Whether the bridge has left for good.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Whether there is no call to be in.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// One word for status pages.
    pub fn phase(&self) -> &'static str {
        match &self.state {
            State::Idle => "idle",
            State::Barred { .. } => "encrypted",
            State::Preparing { .. } => "looking for an SFU",
            State::Waiting(_) => "waiting",
            State::Engaged(engaged) if engaged.connected => "in the call",
            State::Engaged(_) => "joining",
            State::Leaving(_) => "leaving",
            State::Ended => "ended",
        }
    }

    /// How many people are in the call, programs and the bridge left out.
    pub fn callers(&self) -> usize {
        if self.slot_open { self.roster.callers() } else { 0 }
    }

    fn take(&mut self, now: Moment, fact: RoomFact, actions: &mut Actions) {
        match fact {
            RoomFact::Member(event) => self.on_member(now, &event, actions),
            RoomFact::Slot { open } => self.slot_open = open,
            RoomFact::ServiceMembers(users) => self.roster.set_service_members(users),
            RoomFact::Encrypted => self.on_encrypted(actions),
            RoomFact::PowerLevels => self.on_power_levels(now),
        }
    }

    fn on_member(&mut self, now: Moment, event: &MemberEvent, actions: &mut Actions) {
        self.roster.apply(now, event);
        if event.place != self.setup.place {
            return;
        }
        let own = self.roster.own(&self.setup.place);
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Engaged(engaged) => State::Engaged(engaged.on_own_place(now, own, &self.setup, actions)),
            other => other,
        };
    }

    fn on_bridged(&mut self, bridged: bool, actions: &mut Actions) {
        self.bridged = bridged;
        if bridged {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Engaged(engaged) => engaged.leave(After::Idle, actions),
            other => other,
        };
    }

    fn on_encrypted(&mut self, actions: &mut Actions) {
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Engaged(engaged) => engaged.leave(After::Barred, actions),
            State::Leaving(leaving) => State::Leaving(leaving.then(After::Barred)),
            State::Idle | State::Preparing { .. } | State::Waiting(_) => State::Barred { told: false },
            same @ (State::Barred { .. } | State::Ended) => same,
        };
    }

    /// The bot may have been given the power that it lacked.
    fn on_power_levels(&mut self, now: Moment) {
        if let State::Waiting(waiting) = &mut self.state
            && waiting.cause == Cause::Power
        {
            waiting.until = now.instant;
        }
    }

    fn step(&mut self, now: Moment, input: Input, actions: &mut Actions) {
        let setup = &self.setup;
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.state = match (state, input) {
            (State::Engaged(engaged), Input::Stop) => engaged.leave(After::Ended, actions),
            (State::Leaving(leaving), Input::Stop) => State::Leaving(leaving.then(After::Ended)),
            (_, Input::Stop) => State::Ended,
            (State::Preparing { failures }, Input::Focus(Some(focus))) => {
                State::Engaged(Engaged::new(focus, setup, failures, actions))
            }
            (State::Preparing { mut failures }, Input::Focus(None)) => {
                actions.push(Action::Notify(Trouble::NoFocus));
                State::Waiting(Waiting {
                    until: failures.soon(now.instant),
                    cause: Cause::Passing,
                    failures,
                })
            }
            (State::Engaged(engaged), Input::LeaveScheduled(answer)) => {
                State::Engaged(engaged.on_scheduled(now, answer, setup, actions))
            }
            // The call was left before the answer came.
            (state, Input::LeaveScheduled(Ok(Some(id)))) => {
                actions.push(Action::CancelLeave { id });
                state
            }
            (State::Engaged(engaged), Input::LeaveRestarted { id, answer }) => {
                State::Engaged(engaged.on_restarted(now, &id, answer, setup, actions))
            }
            (State::Engaged(engaged), Input::Joined(answer)) => {
                let is_out = self.roster.own(&setup.place).is_none();
                engaged.on_joined(now, answer, is_out, setup, actions)
            }
            (State::Engaged(engaged), Input::FocusLost) => engaged.leave(After::Idle, actions),
            (State::Engaged(engaged), Input::Timeout) => engaged.on_timeout(now, setup, actions),
            (State::Leaving(leaving), Input::Left(answer)) => leaving.on_left(now, answer, actions),
            (State::Leaving(leaving), Input::Timeout) => leaving.on_timeout(now, actions),
            (state, _) => state,
        };
    }

    /// Comes and goes with the people, and shows what has changed.
    fn settle(&mut self, now: Moment, actions: &mut Actions) {
        let callers = if self.bridged { self.callers() } else { 0 };
        self.state = match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle if callers > 0 => self.prepare(Failures::default(), actions),
            State::Preparing { .. } | State::Waiting(_) if callers == 0 => State::Idle,
            State::Waiting(waiting) if waiting.until <= now.instant => self.prepare(waiting.failures, actions),
            State::Engaged(mut engaged) => {
                engaged.on_callers(now, callers, &self.setup);
                State::Engaged(engaged)
            }
            State::Barred { told: false } if callers > 0 => {
                actions.push(Action::Notify(Trouble::Encrypted));
                State::Barred { told: true }
            }
            same => same,
        };
        self.say_once(actions);
        self.show(actions);
    }

    fn prepare(&self, failures: Failures, actions: &mut Actions) -> State {
        actions.push(Action::FindFocus {
            offered: self.used_foci(),
        });
        State::Preparing { failures }
    }

    fn used_foci(&self) -> Vec<Focus> {
        let mut foci = self.roster.foci();
        foci.truncate(MAX_FOCI);
        foci
    }

    /// A trouble is told once, until the bridge has been in a call.
    fn say_once(&mut self, actions: &mut Actions) {
        if matches!(&self.state, State::Engaged(engaged) if engaged.connected) {
            self.told.clear();
        }
        let told = &mut self.told;
        actions.retain(|action| match action {
            Action::Notify(trouble) if told.contains(trouble) => false,
            Action::Notify(trouble) => {
                told.push(*trouble);
                true
            }
            _ => true,
        });
    }

    fn show(&mut self, actions: &mut Actions) {
        let shown = match &self.state {
            State::Engaged(engaged) if engaged.connected => Shown {
                connections: Some(self.connections(engaged.focus.clone())),
                participants: self.roster.participants(),
            },
            _ => Shown::default(),
        };
        // Who somebody is should be known before he is heard.
        if shown.participants != self.shown.participants {
            actions.push(Action::Participants(shown.participants.clone()));
        }
        if shown.connections != self.shown.connections {
            actions.push(Action::Connect(shown.connections.clone()));
        }
        self.shown = shown;
    }

    fn connections(&self, own: Focus) -> Connections {
        let others = self.used_foci().into_iter().filter(|focus| *focus != own).collect();
        Connections { own, others }
    }
}
