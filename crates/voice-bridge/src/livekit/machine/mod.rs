//! Decides what a session with a LiveKit server does next: no socket, no clock, no WebRTC.
//!
//! After each [`handle`](Machine::handle) the owner performs the actions in order, some of which have a reply that is
//! handed in as the next input, and then waits for messages, for WebRTC or for [`poll_timeout`](Machine::poll_timeout).
//!
//! A session is *resumed* when the signal connection or a media path is lost: the same presence, the same tracks, new
//! ICE. It is begun *anew* when the server knows nothing of it, or when resuming has not helped for a while.

mod roster;
mod session;
mod states;
mod terms;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bridge_kit::matrix::Backoff;
use rand::rngs::StdRng;

use self::roster::{Roster, Wanted};
use self::session::Session;
use self::states::{Greeting, Opening, Running, State};
pub use self::terms::{Action, EndReason, Event, Input, Oddity, PathState, SignalLoss, Timer, TrackRef, Voice};
use super::message::{Access, Attribute, Description, FromServer, LeaveReason, Side, ToServer};

/// How long the signal connection may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// How long the server may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// How long a lost session is resumed before it is begun anew, and how long its media may take to connect.
const MEDIA_LIMIT: Duration = Duration::from_secs(15);
/// How long a broken media path may take to come back by itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long a server that ends the media may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Waits between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The machine of one session.
#[derive(Debug)]
pub struct Machine {
    access: Access,
    /// Absent where we only listen.
    voice: Option<Voice>,
    muted: bool,
    /// What others are shown about us.
    attribute: Option<Attribute>,
    /// Whether media got through when it was told last.
    connected: bool,
    state: State,
    roster: Roster,
    backoff: Backoff,
    rng: StdRng,
    actions: Vec<Action>,
    /// Where the clock of pings starts.
    started: Instant,
}

impl Machine {
    /// Starts a session, which only listens where there is no `voice`. `rng` spreads the tries of many sessions.
    pub fn new(now: Instant, access: Access, voice: Option<Voice>, rng: StdRng) -> (Self, Vec<Action>) {
        let mut machine = Self {
            access,
            voice,
            muted: false,
            attribute: None,
            connected: false,
            state: State::Ended,
            roster: Roster::default(),
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            rng,
            actions: Vec::new(),
            started: now,
        };
        machine.state = machine.open(now, None);
        let actions = std::mem::take(&mut machine.actions);
        (machine, actions)
    }

    /// Takes an input, and returns what is to be done about it, in this order.
    #[must_use]
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        self.state = self.step(now, state, input);
        std::mem::take(&mut self.actions)
    }

    /// When [`Input::Timeout`] is due, and what for.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.state.deadline()
    }

    /// Whether words beside our voice are needed.
    pub fn notes(&self) -> bool {
        self.voice.is_some() && !self.access.attributes
    }

    /// Whether the session is over.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn step(&mut self, now: Instant, state: State, input: Input) -> State {
        match (state, input) {
            (State::Ended, _) => State::Ended,
            (state, Input::Leave) => self.leave(&state),
            (state, Input::Mute(muted)) => self.mute(state, muted),
            (state, Input::Describe(attribute)) => self.describe(state, attribute),
            (state, Input::Renew(access)) => self.renew(now, state, access),
            (state, Input::Path { side, state: path }) => self.on_path(now, state, side, path),
            (state, Input::Timeout) => self.on_timeout(now, state),
            (State::Opening(opening), Input::Opened) => State::Greeting(Greeting {
                until: now + GREETING_LIMIT,
                session: opening.session,
            }),
            (
                State::Opening(Opening { session, .. }) | State::Greeting(Greeting { session, .. }),
                Input::Closed(loss),
            ) => self.on_loss(now, session, loss),
            (State::Running(running), Input::Closed(loss)) => self.on_loss(now, Some(running.session), loss),
            (State::Greeting(greeting), Input::Message(message)) => self.on_greeting(now, greeting, message),
            (State::Running(running), Input::Message(message)) => self.on_message(now, running, message),
            (State::Running(running), Input::Offered { sdp, track }) => self.on_offered(running, sdp, track),
            (State::Running(running), Input::Answered(answer)) => {
                self.send(ToServer::Answer(answer));
                State::Running(running)
            }
            (State::Running(running), Input::Restart) => self.resume(now, running.session),
            (state, Input::Unusable(_)) if state.has_session() => self.begin_anew(now),
            // What belongs to a connection that is no longer there.
            (state, _) => state,
        }
    }

    fn send(&mut self, message: ToServer) {
        self.actions.push(Action::Send(message));
    }

    fn tell(&mut self, event: Event) {
        self.actions.push(Action::Tell(event));
    }

    fn tell_all(&mut self, events: Vec<Event>) {
        self.actions.extend(events.into_iter().map(Action::Tell));
    }

    fn subscribe(&mut self, wanted: Wanted) {
        for (person, tracks) in wanted {
            self.send(ToServer::Subscribe { person, tracks });
        }
    }

    fn end(&mut self, reason: EndReason) -> State {
        self.actions.push(Action::DropMedia);
        self.tell(Event::Ended(reason));
        self.actions.push(Action::Close);
        State::Ended
    }

    fn leave(&mut self, state: &State) -> State {
        if matches!(state, State::Running(_)) {
            self.send(ToServer::Leave);
        }
        self.end(EndReason::Left)
    }

    fn mute(&mut self, state: State, muted: bool) -> State {
        self.muted = muted;
        if let State::Running(Running { session, .. }) = &state
            && let Some(sid) = session.published()
        {
            let sid = sid.to_owned();
            self.send(ToServer::Mute { sid, muted });
        }
        state
    }

    fn describe(&mut self, state: State, attribute: Attribute) -> State {
        self.attribute = Some(attribute);
        if matches!(state, State::Running(_)) {
            self.send_attribute();
        }
        state
    }

    fn send_attribute(&mut self) {
        if let Some(attribute) = self.attribute.clone() {
            self.actions.push(if self.access.attributes {
                Action::Send(ToServer::SetAttribute(attribute))
            } else {
                Action::Note(attribute)
            });
        }
    }

    fn renew(&mut self, now: Instant, state: State, access: Access) -> State {
        self.access = access;
        match state {
            State::Denied => self.open(now, None),
            state => state,
        }
    }
}
