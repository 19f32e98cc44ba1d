//! A session that is joined: what is agreed with the server, and how its messages are dealt with.

use std::time::{Duration, Instant};

use super::{
    Action, Description, EndReason, Event, FromServer, GRACE, Greeting, LAST_WORDS, LeaveReason, MEDIA_LIMIT, Machine,
    Oddity, PathState, Running, Side, SignalLoss, State, ToServer,
};
use crate::livekit::message::{LeaveAction, Publication, Standing, Welcome};

/// Candidates that are kept for a description that is still to come.
const MAX_HELD: usize = 32;

/// What is known of a joined session, and outlives a lost signal connection.
#[derive(Debug)]
pub(super) struct Session {
    /// The id of our presence.
    pub(super) sid: String,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
    /// Since when something is lost that a resume has not brought back yet.
    pub(super) lost: Option<Instant>,
    publisher: Publisher,
    publisher_path: Path,
    subscriber_path: Path,
}

/// What is agreed about the connection that carries our voice.
#[derive(Debug, Default)]
struct Publisher {
    /// Our own id of the track.
    cid: Option<String>,
    /// The server's id of it.
    sid: Option<String>,
    /// Offers that were made: the number of the last.
    offers: u32,
    /// Whether the last offer is still unanswered.
    is_open: bool,
    /// Whether an offer was ever answered.
    agreed: bool,
    /// Candidates that belong to an answer that is still to come.
    held: Vec<String>,
}

/// How a media path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Nobody has asked for it yet.
    Unused,
    /// It was asked for, and was never up.
    Connecting(Instant),
    Up,
    /// It was up until then.
    Down(Instant),
    /// Its connection has ended.
    Failed(Instant),
}

impl Session {
    fn new(now: Instant, welcome: &Welcome, speaks: bool) -> Self {
        Self {
            sid: welcome.sid.clone(),
            ping_interval: welcome.ping_interval,
            ping_timeout: welcome.ping_timeout,
            lost: None,
            publisher: Publisher::default(),
            publisher_path: if speaks { Path::Connecting(now) } else { Path::Unused },
            subscriber_path: Path::Unused,
        }
    }

    /// The server's id of our track.
    pub(super) fn published(&self) -> Option<&str> {
        self.publisher.sid.as_deref()
    }

    pub(super) fn set_path(&mut self, now: Instant, side: Side, state: PathState) {
        let path = match side {
            Side::Publisher => &mut self.publisher_path,
            Side::Subscriber => &mut self.subscriber_path,
        };
        *path = match (*path, state) {
            (Path::Failed(since), _) => Path::Failed(since),
            (_, PathState::Failed) => Path::Failed(now),
            (_, PathState::Up) => Path::Up,
            (Path::Up, PathState::Down) => Path::Down(now),
            (path, PathState::Down) => path,
        };
    }

    /// Whether its media will never flow again.
    pub(super) fn is_broken(&self) -> bool {
        self.paths().any(|path| matches!(path, Path::Failed(_)))
    }

    /// Whether media flows wherever it should.
    pub(super) fn is_up(&self) -> bool {
        self.paths().all(|path| matches!(path, Path::Up | Path::Unused))
    }

    /// Whether something is lost that a resume has not been tried for.
    pub(super) fn may_be_resumed(&self) -> bool {
        self.lost.is_none()
            && !self
                .paths()
                .any(|path| matches!(path, Path::Connecting(_) | Path::Failed(_)))
    }

    /// Until when the media has to be back.
    pub(super) fn media_deadline(&self) -> Option<Instant> {
        let limit = if self.lost.is_some() { MEDIA_LIMIT } else { GRACE };
        let deadline = |path| match path {
            Path::Unused | Path::Up => None,
            Path::Connecting(since) => Some(since + MEDIA_LIMIT),
            Path::Failed(since) => Some(since + LAST_WORDS),
            Path::Down(since) => Some(self.lost.unwrap_or(since).max(since) + limit),
        };
        self.paths().filter_map(deadline).min()
    }

    fn paths(&self) -> impl Iterator<Item = Path> {
        [self.publisher_path, self.subscriber_path].into_iter()
    }
}

impl Machine {
    pub(super) fn on_greeting(&mut self, now: Instant, greeting: Greeting, message: FromServer) -> State {
        let Greeting { until, session } = greeting;
        match (message, session) {
            (FromServer::Welcome(welcome), _) => self.enter(now, welcome),
            (FromServer::Resumed, Some(session)) if session.publisher.agreed || self.voice.is_none() => {
                self.go_on(now, session)
            }
            (FromServer::Resumed, Some(_)) => self.begin_anew(now),
            (FromServer::Leave(action), session) => self.on_leave(now, session, action),
            (FromServer::Token(token), session) => {
                self.access.token = token;
                State::Greeting(Greeting { until, session })
            }
            // News may come before the answer to a resume.
            (FromServer::People(people), Some(session)) => {
                let mut events = Vec::new();
                let wanted = self.roster.update(people, &mut events);
                self.tell_all(events);
                self.subscribe(wanted);
                State::Greeting(Greeting {
                    until,
                    session: Some(session),
                })
            }
            (_, session) => State::Greeting(Greeting { until, session }),
        }
    }

    /// The server has let us in, as somebody new.
    fn enter(&mut self, now: Instant, welcome: Welcome) -> State {
        let session = Box::new(Session::new(now, &welcome, self.voice.is_some()));
        self.actions.push(Action::Prepare);
        self.tell(Event::Entered {
            room: welcome.room,
            identity: welcome.identity.clone(),
        });
        let mut events = Vec::new();
        let me = (welcome.sid, welcome.identity);
        let wanted = self.roster.replace(me, welcome.people, &mut events);
        self.tell_all(events);
        self.subscribe(wanted);
        self.send_attribute();
        if self.voice.is_some() {
            self.actions.push(Action::Offer { restart: false });
        }
        State::Running(Running::new(now, session))
    }

    /// The server takes us back. It restarts the ICE of the connection that it offers, and we of the other.
    fn go_on(&mut self, now: Instant, session: Box<Session>) -> State {
        let ours = &session.publisher;
        let published = ours.cid.clone().zip(ours.sid.clone());
        let subscribed = self.roster.all();
        self.send(ToServer::Sync(Standing { published, subscribed }));
        if let Some(sid) = session.publisher.sid.clone() {
            let muted = self.muted;
            self.send(ToServer::Mute { sid, muted });
        }
        self.send_attribute();
        // The old paths carry on until the new ones are found.
        if self.voice.is_some() {
            self.actions.push(Action::Offer { restart: true });
        } else {
            self.tell(Event::Resumed);
        }
        State::Running(Running::new(now, session))
    }

    pub(super) fn on_offered(&mut self, mut running: Running, sdp: String, track: String) -> State {
        let publisher = &mut running.session.publisher;
        publisher.offers += 1;
        publisher.is_open = true;
        publisher.held.clear();
        let offer = Description {
            id: publisher.offers,
            sdp,
        };
        if let (None, Some(voice)) = (&publisher.cid, self.voice.clone()) {
            publisher.cid = Some(track.clone());
            self.send(ToServer::Publish(Publication {
                cid: track,
                name: voice.name,
                stereo: voice.stereo,
                muted: self.muted,
            }));
        }
        self.send(ToServer::Offer(offer));
        State::Running(running)
    }

    pub(super) fn on_message(&mut self, now: Instant, mut running: Running, message: FromServer) -> State {
        let session = &mut running.session;
        match message {
            FromServer::Offer(offer) => self.on_offer(now, session, offer),
            FromServer::Answer(answer) => self.on_answer(session, answer),
            FromServer::Candidate { side, line } => self.on_candidate(session, side, line),
            FromServer::People(people) => {
                let mut events = Vec::new();
                let wanted = self.roster.update(people, &mut events);
                self.tell_all(events);
                self.subscribe(wanted);
            }
            FromServer::Published { ours, sid } => self.on_published(session, &ours, sid),
            FromServer::Unpublished { sid } if session.published() == Some(sid.as_str()) => {
                return self.begin_anew(now);
            }
            FromServer::Muted { sid, muted } if session.published() == Some(sid.as_str()) => {
                self.muted = muted;
                self.tell(Event::MutedByServer(muted));
            }
            FromServer::Speakers(speakers) => {
                let speakers = self.roster.speakers(&speakers);
                self.tell(Event::Speakers(speakers));
            }
            FromServer::Token(token) => self.access.token = token,
            FromServer::Leave(action) => return self.on_leave(now, Some(running.session), action),
            FromServer::Pong => {
                running.on_pong(now);
                return self.settle(running);
            }
            FromServer::AttributeRefused => self.actions.push(Action::Count(Oddity::AttributeRefused)),
            FromServer::SubscriptionFailed { .. } => self.actions.push(Action::Count(Oddity::SubscriptionFailed)),
            FromServer::Welcome(_)
            | FromServer::Resumed
            | FromServer::Unpublished { .. }
            | FromServer::Muted { .. }
            | FromServer::Other => {}
        }
        State::Running(running)
    }

    fn on_offer(&mut self, now: Instant, session: &mut Session, offer: Description) {
        if session.subscriber_path == Path::Unused {
            session.subscriber_path = Path::Connecting(now);
        }
        self.actions.push(Action::Accept(offer));
    }

    fn on_answer(&mut self, session: &mut Session, answer: Description) {
        let publisher = &mut session.publisher;
        let fits = answer.id == 0 || answer.id == publisher.offers;
        if !publisher.is_open || !fits {
            self.actions.push(Action::Count(Oddity::StrayAnswer));
            return;
        }
        publisher.is_open = false;
        let again = std::mem::replace(&mut publisher.agreed, true);
        self.actions.push(Action::Conclude { sdp: answer.sdp });
        let candidates = publisher.held.drain(..).map(|line| Action::AddCandidate {
            side: Side::Publisher,
            line,
        });
        self.actions.extend(candidates);
        if again {
            self.tell(Event::Resumed);
        }
    }

    /// A candidate belongs to a description, and waits for it. The server's offers come before their candidates.
    fn on_candidate(&mut self, session: &mut Session, side: Side, line: String) {
        let publisher = &mut session.publisher;
        if side == Side::Subscriber || !publisher.is_open {
            self.actions.push(Action::AddCandidate { side, line });
        } else if publisher.held.len() < MAX_HELD {
            publisher.held.push(line);
        } else {
            self.actions.push(Action::Count(Oddity::TooManyCandidates));
        }
    }

    fn on_published(&mut self, session: &mut Session, ours: &str, sid: String) {
        if session.publisher.cid.as_deref() != Some(ours) {
            return;
        }
        session.publisher.sid = Some(sid.clone());
        // It may have changed while the server did not know the track.
        let muted = self.muted;
        self.send(ToServer::Mute { sid, muted });
    }

    fn on_leave(&mut self, now: Instant, session: Option<Box<Session>>, action: LeaveAction) -> State {
        match action {
            LeaveAction::Resume => self.on_loss(now, session, SignalLoss::Lost),
            LeaveAction::Reconnect | LeaveAction::Disconnect(LeaveReason::Shutdown) => self.begin_anew(now),
            LeaveAction::Disconnect(reason) => self.end(EndReason::ByServer(reason)),
        }
    }
}
