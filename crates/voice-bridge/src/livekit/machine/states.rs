//! The states of a session with a server, and how it gets from one connection to the next.

use std::time::Instant;

use super::{Action, Event, MEDIA_LIMIT, Machine, OPEN_LIMIT, PathState, Session, Side, SignalLoss, Timer, ToServer};

/// Where a session is. In most states it may have been joined before, and is to be resumed.
#[derive(Debug)]
pub(super) enum State {
    /// The next try comes later.
    Waiting(Waiting),
    /// The signal connection is being opened.
    Opening(Opening),
    /// The signal connection is open, and the server should greet.
    Greeting(Greeting),
    /// The session is joined.
    Running(Running),
    /// The server refuses the token, and another one is waited for.
    Denied,
    /// It is over.
    Ended,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) until: Instant,
    pub(super) session: Option<Box<Session>>,
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) until: Instant,
    pub(super) session: Option<Box<Session>>,
}

#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) until: Instant,
    pub(super) session: Option<Box<Session>>,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) session: Box<Session>,
    /// When the next ping is due.
    pub(super) ping_at: Instant,
    /// The ping that is not answered yet: when it was sent.
    pub(super) pinged: Option<Instant>,
    /// How long the last answer took, in milliseconds; absent while there was none on this connection.
    pub(super) rtt: Option<i64>,
}

impl Running {
    /// Begins with a ping: only a connection that answers counts as one that works.
    pub(super) fn new(now: Instant, session: Box<Session>) -> Self {
        Self {
            ping_at: now,
            session,
            pinged: None,
            rtt: None,
        }
    }

    /// Notes the answer to a ping.
    pub(super) fn on_pong(&mut self, now: Instant) {
        if let Some(pinged) = self.pinged.take() {
            self.rtt = Some(millis(now.saturating_duration_since(pinged)));
        }
    }

    /// Whether the server answers, and media flows.
    fn works(&self) -> bool {
        self.rtt.is_some() && self.session.is_up()
    }

    fn deadline(&self) -> (Instant, Timer) {
        let next = (self.ping_at, Timer::Ping);
        let answer = self
            .pinged
            .map(|pinged| (pinged + self.session.ping_timeout, Timer::Pong));
        let media = self.session.media_deadline().map(|until| (until, Timer::Media));
        [answer, media].into_iter().flatten().fold(
            next,
            |soonest, timer| {
                if timer.0 < soonest.0 { timer } else { soonest }
            },
        )
    }
}

impl State {
    pub(super) fn deadline(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Waiting(waiting) => Some((waiting.until, Timer::Retry)),
            Self::Opening(opening) => Some((opening.until, Timer::Opening)),
            Self::Greeting(greeting) => Some((greeting.until, Timer::Greeting)),
            Self::Running(running) => Some(running.deadline()),
            Self::Denied | Self::Ended => None,
        }
    }

    pub(super) fn has_session(&self) -> bool {
        self.session().is_some()
    }

    fn session(&self) -> Option<&Session> {
        match self {
            Self::Waiting(Waiting { session, .. })
            | Self::Opening(Opening { session, .. })
            | Self::Greeting(Greeting { session, .. }) => session.as_deref(),
            Self::Running(running) => Some(&running.session),
            Self::Denied | Self::Ended => None,
        }
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Waiting(Waiting { session, .. })
            | Self::Opening(Opening { session, .. })
            | Self::Greeting(Greeting { session, .. }) => session.as_deref_mut(),
            Self::Running(running) => Some(&mut running.session),
            Self::Denied | Self::Ended => None,
        }
    }
}

impl Machine {
    /// Opens a signal connection, to resume the session if there is one.
    pub(super) fn open(&mut self, now: Instant, session: Option<Box<Session>>) -> State {
        self.actions.push(Action::Open {
            access: self.access.clone(),
            resume: session.as_ref().map(|session| session.sid.clone()),
        });
        State::Opening(Opening {
            until: now + OPEN_LIMIT,
            session,
        })
    }

    /// Resumes the session: at once if nothing was lost before, and for as long as it makes sense.
    pub(super) fn resume(&mut self, now: Instant, mut session: Box<Session>) -> State {
        match session.lost {
            _ if session.is_broken() => self.begin_anew(now),
            None => {
                session.lost = Some(now);
                self.open(now, Some(session))
            }
            Some(since) if now < since + MEDIA_LIMIT => self.wait(now, Some(session)),
            Some(_) => self.begin_anew(now),
        }
    }

    /// Gives up the session, and joins anew after a while.
    pub(super) fn begin_anew(&mut self, now: Instant) -> State {
        self.drop_media();
        self.wait(now, None)
    }

    fn drop_media(&mut self) {
        self.actions.push(Action::DropMedia);
        self.set_connected(false);
    }

    fn set_connected(&mut self, connected: bool) {
        if self.connected != connected {
            self.connected = connected;
            self.tell(if connected {
                Event::Connected
            } else {
                Event::Interrupted
            });
        }
    }

    /// Whatever was lost is back: the next loss is a new one.
    pub(super) fn settle(&mut self, mut running: Running) -> State {
        if running.works() {
            running.session.lost = None;
            self.backoff.reset();
        }
        State::Running(running)
    }

    fn wait(&mut self, now: Instant, session: Option<Box<Session>>) -> State {
        self.actions.push(Action::Close);
        State::Waiting(Waiting {
            until: now + self.backoff.wait(&mut self.rng),
            session,
        })
    }

    pub(super) fn on_loss(&mut self, now: Instant, session: Option<Box<Session>>, loss: SignalLoss) -> State {
        match (loss, session) {
            (SignalLoss::Denied, _) => {
                self.actions.push(Action::Close);
                self.drop_media();
                self.tell(Event::AccessRefused);
                State::Denied
            }
            (SignalLoss::Lost, Some(session)) => self.resume(now, session),
            (SignalLoss::Lost, None) => self.wait(now, None),
        }
    }

    pub(super) fn on_path(&mut self, now: Instant, mut state: State, side: Side, path: PathState) -> State {
        let Some(session) = state.session_mut() else {
            return state;
        };
        session.set_path(now, side, path);
        let telling = if self.voice.is_some() {
            Side::Publisher
        } else {
            Side::Subscriber
        };
        if side == telling {
            self.set_connected(path == PathState::Up);
        }
        match state {
            State::Running(running) => self.settle(running),
            // Here the server is not expected to say more about it.
            _ if path == PathState::Failed => self.begin_anew(now),
            state => state,
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant, state: State) -> State {
        let due = state.deadline().filter(|(deadline, _)| *deadline <= now);
        match (due.map(|(_, timer)| timer), state) {
            (Some(Timer::Retry), State::Waiting(waiting)) => self.open(now, waiting.session),
            (Some(Timer::Opening), State::Opening(Opening { session, .. }))
            | (Some(Timer::Greeting), State::Greeting(Greeting { session, .. })) => {
                self.on_loss(now, session, SignalLoss::Lost)
            }
            (Some(Timer::Ping), State::Running(running)) => State::Running(self.ping(now, running)),
            (Some(Timer::Pong), State::Running(running)) => self.resume(now, running.session),
            (Some(Timer::Media), State::Running(running)) if running.session.may_be_resumed() => {
                self.resume(now, running.session)
            }
            (Some(Timer::Media), State::Running(_)) => self.begin_anew(now),
            (_, state) => state,
        }
    }

    fn ping(&mut self, now: Instant, mut running: Running) -> Running {
        let timestamp = millis(now.saturating_duration_since(self.started));
        self.send(ToServer::Ping {
            timestamp,
            rtt: running.rtt.unwrap_or_default(),
        });
        running.ping_at = now + running.session.ping_interval;
        running.pinged = running.pinged.or(Some(now));
        running
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
