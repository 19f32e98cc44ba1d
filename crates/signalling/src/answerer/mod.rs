//! The answering side of one room's channel: decides, offers, renegotiates.

mod events;
mod state;

use std::time::Instant;

use self::state::{Admitting, Offered, Open, Session, State, Step, Waiting};
use crate::code::{BrokenReason, CloseReason, Format, RejectReason};
use crate::event::{Body, Broken, Channel, ChannelId, ChannelRecord, Close, End, Event, Header, Offer, Refusal};
use crate::finished::Finished;
use crate::machine::{Action, Ending, Input, Machine, Notice, Phase, Side, Status, Timer};
use crate::rules::Rules;
use crate::timing::{Repeat, Timing, mix, next_attempt};

/// The answering side of one room's channel, one transaction after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Answerer {
    room_id: String,
    /// What this side can do and may.
    formats: Vec<Format>,
    timing: Timing,
    seed: u64,
    /// The highest epoch that was begun.
    epoch: u32,
    /// Whether the control room's state says that a channel is open.
    recorded: bool,
    pub(crate) rules: Rules,
    state: State,
    finished: Finished,
}

impl Answerer {
    /// A room without a channel. The seed makes this machine's channel ids and jitter: 64 random bits.
    pub fn new(room_id: impl Into<String>, formats: Vec<Format>, timing: Timing, seed: u64) -> Self {
        Self {
            room_id: room_id.into(),
            formats,
            timing,
            seed,
            epoch: 0,
            recorded: false,
            rules: Rules::default(),
            state: State::Idle,
            finished: Finished::default(),
        }
    }

    /// What to say of a channel that was open before this side was restarted: the peer asks for its next epoch then.
    pub fn resume(record: &ChannelRecord) -> Event {
        unknown(record.header.clone(), record.channel)
    }

    /// Whether no channel is wanted, open or being negotiated.
    ///
    /// What is remembered of ended transactions is still of use then, to tell a late request from a new one.
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    fn on_admitted(&mut self, now: Instant) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::Idle) {
            // A decision may come after the wait for it was given up.
            State::Admitting(Admitting { mut session, .. })
            | State::Waiting(Waiting {
                mut session,
                step: Step::Admit,
                ..
            }) => {
                if !session.renegotiates() {
                    session.give_up = Some(now + self.timing.open_within);
                }
                self.reserve(session, 0)
            }
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    fn on_refused(&mut self, now: Instant, refusal: Refusal) -> Vec<Action> {
        let State::Admitting(Admitting { session, .. }) = &self.state else {
            return Vec::new();
        };
        if session.renegotiates() {
            return match refusal.reason.lasting() {
                Some(reason) => self.end(reason, refusal.text, Side::Us),
                None => self.renegotiate(now, Step::Admit),
            };
        }
        let header = header(&self.room_id, session);
        self.state = State::Idle;
        self.reject(header, refusal)
    }

    /// The voice channel has to be entered anew; the link stays meanwhile, though it carries nothing.
    fn on_voice_lost(&mut self, now: Instant, text: String) -> Vec<Action> {
        let mut actions = match &self.state {
            // It is not entered, or is being entered at this very moment.
            State::Idle | State::Admitting(_) | State::Waiting(Waiting { step: Step::Admit, .. }) => return Vec::new(),
            State::Reserving(_) | State::Waiting(_) => Vec::new(),
            State::Offered(Offered { session, offer, .. }) => {
                vec![self.broken(session, offer.channel, BrokenReason::VoiceLost, &text)]
            }
            State::Open(Open { session, channel }) => {
                vec![self.broken(session, *channel, BrokenReason::VoiceLost, &text)]
            }
        };
        if matches!(self.state, State::Open(_)) {
            actions.push(Action::Notify(Notice::Broken {
                reason: BrokenReason::VoiceLost,
                text,
                by: Side::Us,
            }));
        }
        actions.extend(self.renegotiate(now, Step::Admit));
        actions
    }

    fn reject(&mut self, header: Header, refusal: Refusal) -> Vec<Action> {
        let said = Event {
            header,
            body: Body::Reject(refusal.clone()),
        };
        self.finished.remember(said.clone());
        let mut actions = vec![Action::Send(said)];
        actions.extend(self.finish(Ending::Rejected(refusal)));
        actions
    }

    /// A request that took the place of an open channel may be what is rejected: its record goes in any case.
    fn finish(&mut self, ending: Ending) -> impl Iterator<Item = Action> + use<> {
        let emptied = std::mem::take(&mut self.recorded).then_some(Action::Record(None));
        emptied.into_iter().chain([Action::Finish(ending)])
    }

    /// Begins the next epoch.
    fn reserve(&mut self, session: Session, after_epoch: u32) -> Vec<Action> {
        self.epoch = self.epoch.max(after_epoch).saturating_add(1);
        let reserve = Action::Reserve {
            epoch: self.epoch,
            format: session.format.clone(),
        };
        self.state = State::Reserving(session);
        vec![reserve]
    }

    fn on_reserved(&mut self, now: Instant, epoch: u32, end: End) -> Vec<Action> {
        let State::Reserving(session) = &self.state else {
            return Vec::new();
        };
        if epoch != self.epoch {
            return Vec::new();
        }
        // Distinct for every epoch of this machine, since the scatter is a bijection.
        let id = ChannelId(mix(self.seed.wrapping_add(epoch.into())));
        let offered = Offered {
            session: session.clone(),
            offer: Offer {
                channel: Channel { id, epoch },
                end,
            },
            repeat: Repeat::first(now, self.timing.repeat, self.seed),
        };
        let said = offer(&self.room_id, &offered);
        self.state = State::Offered(offered);
        vec![said]
    }

    fn on_failed(&mut self, epoch: u32, text: String) -> Vec<Action> {
        match &self.state {
            State::Reserving(_) | State::Offered(_) | State::Open(_) if epoch == self.epoch => {
                self.end(CloseReason::InternalError, text, Side::Us)
            }
            _ => Vec::new(),
        }
    }

    fn on_heard(&mut self, epoch: u32) {
        if let State::Open(Open { session, channel }) = &mut self.state
            && channel.epoch == epoch
        {
            session.give_up = None;
            session.renegotiations = 0;
        }
    }

    fn on_lost(&mut self, now: Instant, epoch: u32, reason: BrokenReason, text: String) -> Vec<Action> {
        let State::Open(Open { session, channel }) = &self.state else {
            return Vec::new();
        };
        if channel.epoch != epoch {
            return Vec::new();
        }
        let said = self.broken(session, *channel, reason.clone(), &text);
        let notice = Notice::Broken {
            reason,
            text,
            by: Side::Us,
        };
        let mut actions = vec![said, Action::Notify(notice)];
        actions.extend(self.renegotiate(now, Step::Offer));
        actions
    }

    fn broken(&self, session: &Session, channel: Channel, reason: BrokenReason, text: &str) -> Action {
        Action::Send(Event {
            header: header(&self.room_id, session),
            body: Body::Broken(Broken {
                channel,
                reason,
                text: text.to_owned(),
            }),
        })
    }

    /// Goes for the next epoch: at once the first time, then more and more slowly until packets arrive.
    fn renegotiate(&mut self, now: Instant, step: Step) -> Vec<Action> {
        let Some(mut session) = self.state.session().cloned() else {
            return Vec::new();
        };
        let give_up = *session.give_up.get_or_insert(now + self.timing.recover_within);
        if give_up <= now && session.renegotiates() {
            return self.give_up();
        }
        let before = session.renegotiations;
        session.renegotiations = next_attempt(before);
        let Some(attempt) = before.checked_sub(1) else {
            return self.go_on(now, session, step);
        };
        let until = now + self.timing.renegotiate.delay(attempt, self.seed);
        self.state = State::Waiting(Waiting { session, until, step });
        Vec::new()
    }

    fn go_on(&mut self, now: Instant, session: Session, step: Step) -> Vec<Action> {
        match step {
            Step::Admit => self.admit(now, session),
            Step::Offer => self.reserve(session, 0),
        }
    }

    fn admit(&mut self, now: Instant, session: Session) -> Vec<Action> {
        let until = now + self.timing.admit_within;
        self.state = State::Admitting(Admitting { session, until });
        vec![Action::Admit]
    }

    fn on_timeout(&mut self, now: Instant, timer: Timer) -> Vec<Action> {
        match (timer, &mut self.state) {
            (Timer::Admission, State::Admitting(_)) => {
                let refusal = Refusal::new(RejectReason::InternalError, "the decision took too long");
                self.on_refused(now, refusal)
            }
            (Timer::OfferRepeat, State::Offered(offered)) => {
                offered.repeat = offered.repeat.again(now, self.timing.repeat, self.seed);
                vec![offer(&self.room_id, offered)]
            }
            (Timer::Renegotiate, State::Waiting(Waiting { session, step, .. })) => {
                let (session, step) = (session.clone(), *step);
                self.go_on(now, session, step)
            }
            (Timer::GiveUp, State::Admitting(_) | State::Reserving(_) | State::Offered(_) | State::Waiting(_)) => {
                self.give_up()
            }
            _ => Vec::new(),
        }
    }

    fn give_up(&mut self) -> Vec<Action> {
        let (reason, text) = if self.state.session().is_some_and(Session::renegotiates) {
            (CloseReason::GaveUp, "the channel could not be brought back")
        } else {
            (CloseReason::Timeout, "no answer to the offer")
        };
        self.end(reason, text.to_owned(), Side::Us)
    }

    /// Ends the transaction that is going on, if there is one; the peer is told unless it said so itself.
    fn end(&mut self, reason: CloseReason, text: String, by: Side) -> Vec<Action> {
        let Some(session) = self.state.session() else {
            return Vec::new();
        };
        let channel = self.state.channel();
        let close = Close {
            channel,
            reason: reason.clone(),
            text: text.clone(),
        };
        let said = Event {
            header: header(&self.room_id, session),
            body: Body::Close(close),
        };
        self.finished.remember(said.clone());
        self.state = State::Idle;
        let mut actions = Vec::new();
        if by == Side::Us {
            actions.push(Action::Send(said));
        }
        actions.extend(self.finish(Ending::Closed { reason, text, by }));
        actions
    }

    fn supersede(&mut self, session: &Session) {
        let close = Close {
            channel: None,
            reason: CloseReason::Superseded,
            text: String::new(),
        };
        self.finished.remember(Event {
            header: header(&self.room_id, session),
            body: Body::Close(close),
        });
    }
}

impl Machine for Answerer {
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        match input {
            Input::Received(event) => self.on_event(now, event),
            Input::Admitted => self.on_admitted(now),
            Input::Refused(refusal) => self.on_refused(now, refusal),
            Input::VoiceLost { text } => self.on_voice_lost(now, text),
            Input::Reserved { epoch, end } => self.on_reserved(now, epoch, end),
            Input::Failed { epoch, text } => self.on_failed(epoch, text),
            Input::Heard { epoch } => {
                self.on_heard(epoch);
                Vec::new()
            }
            Input::Lost { epoch, reason, text } => self.on_lost(now, epoch, reason, text),
            Input::End { reason, text } => self.end(reason, text, Side::Us),
            Input::Timeout(timer) => self.on_timeout(now, timer),
        }
    }

    fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let own = match &self.state {
            // The link watches over itself: what does not work comes in as lost.
            State::Idle | State::Open(_) => return None,
            State::Admitting(Admitting { until, .. }) => Some((*until, Timer::Admission)),
            State::Reserving(_) => None,
            State::Offered(Offered { repeat, .. }) => Some((repeat.at, Timer::OfferRepeat)),
            State::Waiting(Waiting { until, .. }) => Some((*until, Timer::Renegotiate)),
        };
        let give_up = self.state.session()?.give_up.map(|at| (at, Timer::GiveUp));
        own.into_iter()
            .chain(give_up)
            .min_by_key(|(at, timer)| (*at, *timer != Timer::GiveUp))
    }

    fn header(&self) -> Option<Header> {
        match &self.state {
            State::Open(Open { session, .. }) => Some(header(&self.room_id, session)),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        let renegotiating = self.state.session().is_some_and(Session::renegotiates);
        let phase = match &self.state {
            State::Idle => Phase::Idle,
            State::Open(_) => Phase::Open,
            _ if renegotiating => Phase::Broken,
            State::Admitting(_) => Phase::Requested,
            State::Reserving(_) | State::Offered(_) | State::Waiting(_) => Phase::Offered,
        };
        Status {
            phase,
            epoch: self.epoch,
        }
    }
}

fn header(room_id: &str, session: &Session) -> Header {
    Header {
        room_id: room_id.to_owned(),
        transaction_id: session.transaction_id.clone(),
        format: session.format.clone(),
    }
}

/// What a side that was restarted says of a channel that it knows nothing of.
fn unknown(header: Header, channel: Channel) -> Event {
    let broken = Broken {
        channel,
        reason: BrokenReason::UnknownChannel,
        text: String::new(),
    };
    Event {
        header,
        body: Body::Broken(broken),
    }
}

fn offer(room_id: &str, offered: &Offered) -> Action {
    Action::Send(Event {
        header: header(room_id, &offered.session),
        body: Body::Offer(offered.offer),
    })
}
