//! The asking side of one room's channel: from the request until it is over.

use std::time::Instant;

use crate::code::{BrokenReason, CloseReason, Format};
use crate::event::{
    Accept, Body, Broken, Channel, ChannelRecord, Close, End, Event, Header, Offer, Request, TransactionId,
};
use crate::machine::{Action, Connection, Ending, Input, Machine, Notice, Phase, Side, Status, Timer};
use crate::rules::{Rule, Rules};
use crate::timing::{Repeat, Timing};
use crate::transcript::{Agreed, Asked};

/// What the asking side asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The bridged room.
    pub room_id: String,
    /// New for every call; the peer answers a used one with how it ended.
    pub transaction_id: TransactionId,
    /// What this side can do, the best first.
    pub formats: Vec<Format>,
    /// The highest epoch that is known of the room's earlier channels; 0 if none is.
    pub after_epoch: u32,
}

/// The asking side of one room's channel, for one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    call: Call,
    timing: Timing,
    seed: u64,
    /// The highest epoch that was accepted: an offer must be above it.
    epoch: u32,
    /// When to give up; none while packets arrive.
    give_up: Option<Instant>,
    pub(crate) rules: Rules,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    Requesting(Requesting),
    Accepting(Accepting),
    Open(Open),
    Broken(Recovering),
    Ended,
}

/// Asked, no offer yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Requesting {
    repeat: Repeat,
}

/// An offer came; our own end is being made ready.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Accepting {
    format: Format,
    offer: Offer,
}

/// Accepted; packets flow, or should.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Open {
    connection: Connection,
    /// Our own end: an offer that is repeated gets the same answer.
    end: End,
}

/// The epoch does not work; the next offer is awaited, and asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Recovering {
    channel: Channel,
    repeat: Repeat,
}

impl Asker {
    /// Asks for a channel. The seed spreads out repeats and should differ from machine to machine.
    #[must_use]
    pub fn start(now: Instant, call: Call, timing: Timing, seed: u64) -> (Self, Vec<Action>) {
        let repeat = Repeat::first(now, timing.repeat, seed);
        let asker = Self {
            epoch: call.after_epoch,
            call,
            timing,
            seed,
            give_up: Some(now + timing.open_within),
            rules: Rules::default(),
            state: State::Requesting(Requesting { repeat }),
        };
        let request = asker.request();
        (asker, vec![request])
    }

    /// The answer to an event of a transaction that this side knows nothing of, or is done with.
    ///
    /// Without it the peer would go on offering until it gives up.
    pub fn answer_unknown(event: &Event) -> Option<Event> {
        let channel = match &event.body {
            Body::Offer(offer) => offer.channel,
            Body::Broken(broken) => broken.channel,
            Body::Request(_)
            | Body::Accept(_)
            | Body::Reject(_)
            | Body::People(_)
            | Body::Audience(..)
            | Body::Close(_) => return None,
        };
        Some(unknown(event.header.clone(), channel))
    }

    /// Ends a channel that was open before this side was restarted, where its call is not carried on.
    pub fn abandon(record: &ChannelRecord) -> Event {
        unknown(record.header.clone(), record.channel)
    }

    /// The transaction of this call.
    pub const fn transaction_id(&self) -> &TransactionId {
        &self.call.transaction_id
    }

    /// Whether it is over, so that nothing more can come of it.
    pub const fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn on_event(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let ours = event.header.transaction_id == self.call.transaction_id && event.header.room_id == self.call.room_id;
        if !ours || self.is_ended() {
            return Self::answer_unknown(&event).map(Action::Send).into_iter().collect();
        }
        match event.body {
            Body::Offer(offer) => self.on_offer(now, event.header.format, offer),
            Body::Reject(refusal) => self.ended(Ending::Rejected(refusal)),
            Body::People(people) => vec![Action::Notify(Notice::People(people))],
            Body::Audience(channel, audience) if self.open_channel() == Some(channel) => {
                vec![Action::Notify(Notice::Audience(audience))]
            }
            Body::Broken(broken) => self.on_broken(now, broken),
            Body::Close(Close { reason, text, .. }) => self.ended(Ending::Closed {
                reason,
                text,
                by: Side::Peer,
            }),
            Body::Request(_) | Body::Accept(_) | Body::Audience(..) => Vec::new(),
        }
    }

    fn on_offer(&mut self, now: Instant, format: Format, offer: Offer) -> Vec<Action> {
        match &self.state {
            State::Open(open) if open.connection.channel == offer.channel => vec![self.accept(open)],
            _ if self.rules.keep(Rule::OfferAboveKnownEpoch) && offer.channel.epoch <= self.epoch => Vec::new(),
            _ if !self.call.formats.contains(&format) => {
                self.close(CloseReason::NoCommonFormat, format!("`{format}` was not offered"))
            }
            _ => {
                self.epoch = offer.channel.epoch;
                self.give_up.get_or_insert(now + self.timing.recover_within);
                let reserve = Action::Reserve {
                    epoch: self.epoch,
                    format: format.clone(),
                };
                self.state = State::Accepting(Accepting { format, offer });
                vec![reserve]
            }
        }
    }

    fn on_reserved(&mut self, epoch: u32, end: End) -> Vec<Action> {
        let State::Accepting(Accepting { format, offer }) = &self.state else {
            return Vec::new();
        };
        if offer.channel.epoch != epoch {
            return Vec::new();
        }
        let agreed = Agreed {
            header: &self.header_of(format.clone()),
            asked: &self.asked(),
            channel: offer.channel,
            offered: offer.end,
            accepted: end,
        };
        let Some(connection) = agreed.to_answerer() else {
            return self.close(CloseReason::InternalError, "no key share was made".to_owned());
        };
        let open = Open { connection, end };
        let actions = vec![
            Action::Connect(open.connection.clone()),
            self.accept(&open),
            Action::Notify(Notice::Opened(open.connection.clone())),
        ];
        self.state = State::Open(open);
        actions
    }

    fn on_failed(&mut self, epoch: u32, text: String) -> Vec<Action> {
        match &self.state {
            State::Accepting(_) | State::Open(_) if self.channel().is_some_and(|channel| channel.epoch == epoch) => {
                self.close(CloseReason::InternalError, text)
            }
            _ => Vec::new(),
        }
    }

    fn on_heard(&mut self, epoch: u32) {
        if self.open_channel().is_some_and(|channel| channel.epoch == epoch) {
            self.give_up = None;
        }
    }

    fn on_lost(&mut self, now: Instant, epoch: u32, reason: BrokenReason, text: String) -> Vec<Action> {
        let Some(channel) = self.open_channel().filter(|channel| channel.epoch == epoch) else {
            return Vec::new();
        };
        let broken = Broken {
            channel,
            reason: reason.clone(),
            text: text.clone(),
        };
        let said = self.send(Body::Broken(broken));
        self.recover(now, channel);
        vec![
            said,
            Action::Notify(Notice::Broken {
                reason,
                text,
                by: Side::Us,
            }),
        ]
    }

    fn on_broken(&mut self, now: Instant, broken: Broken) -> Vec<Action> {
        let Broken { channel, reason, text } = broken;
        let was_open = self.open_channel() == Some(channel);
        if !was_open && self.accepting_channel() != Some(channel) {
            return Vec::new();
        }
        self.recover(now, channel);
        let mut actions = Vec::new();
        if reason == BrokenReason::UnknownChannel {
            // The peer has no transaction to offer anything in, so this side speaks first.
            actions.push(self.request());
        }
        if was_open {
            actions.push(Action::Notify(Notice::Broken {
                reason,
                text,
                by: Side::Peer,
            }));
        }
        actions
    }

    fn recover(&mut self, now: Instant, channel: Channel) {
        self.give_up.get_or_insert(now + self.timing.recover_within);
        let repeat = Repeat::first(now, self.timing.repeat, self.seed);
        self.state = State::Broken(Recovering { channel, repeat });
    }

    fn on_timeout(&mut self, now: Instant, timer: Timer) -> Vec<Action> {
        match (timer, &mut self.state) {
            (
                Timer::RequestRepeat,
                State::Requesting(Requesting { repeat }) | State::Broken(Recovering { repeat, .. }),
            ) => {
                *repeat = repeat.again(now, self.timing.repeat, self.seed);
                vec![self.request()]
            }
            (Timer::GiveUp, State::Requesting(_)) => {
                self.close(CloseReason::Timeout, "no answer to the request".to_owned())
            }
            (Timer::GiveUp, State::Accepting(_) | State::Broken(_)) => {
                self.close(CloseReason::GaveUp, "the channel could not be brought back".to_owned())
            }
            _ => Vec::new(),
        }
    }

    /// Closes from this side.
    fn close(&mut self, reason: CloseReason, text: String) -> Vec<Action> {
        if self.is_ended() {
            return Vec::new();
        }
        let close = Close {
            channel: self.channel(),
            reason: reason.clone(),
            text: text.clone(),
        };
        let said = self.send(Body::Close(close));
        let mut actions = vec![said];
        actions.extend(self.ended(Ending::Closed {
            reason,
            text,
            by: Side::Us,
        }));
        actions
    }

    fn ended(&mut self, ending: Ending) -> Vec<Action> {
        self.state = State::Ended;
        vec![Action::Finish(ending)]
    }

    fn channel(&self) -> Option<Channel> {
        match &self.state {
            State::Requesting(_) | State::Ended => None,
            State::Accepting(_) => self.accepting_channel(),
            State::Open(_) => self.open_channel(),
            State::Broken(Recovering { channel, .. }) => Some(*channel),
        }
    }

    fn accepting_channel(&self) -> Option<Channel> {
        match &self.state {
            State::Accepting(Accepting { offer, .. }) => Some(offer.channel),
            _ => None,
        }
    }

    fn open_channel(&self) -> Option<Channel> {
        match &self.state {
            State::Open(Open { connection, .. }) => Some(connection.channel),
            _ => None,
        }
    }

    /// The request, the first time or again: it asks for an epoch above all that were seen.
    fn request(&self) -> Action {
        let formats = self.call.formats.clone();
        self.send(Body::Request(Request {
            formats,
            after_epoch: self.epoch,
        }))
    }

    fn accept(&self, open: &Open) -> Action {
        let Open { connection, end } = open;
        let body = Body::Accept(Accept {
            channel: connection.channel,
            end: *end,
        });
        Action::Send(Event {
            header: self.header_of(connection.format.clone()),
            body,
        })
    }

    fn send(&self, body: Body) -> Action {
        let format = match &self.state {
            State::Accepting(Accepting { format, .. }) => format.clone(),
            State::Open(Open { connection, .. }) => connection.format.clone(),
            _ => self.preferred(),
        };
        Action::Send(Event {
            header: self.header_of(format),
            body,
        })
    }

    fn preferred(&self) -> Format {
        self.call.formats.first().cloned().unwrap_or(Format::PlainOpus)
    }

    fn asked(&self) -> Asked {
        Asked {
            format: self.preferred(),
            formats: self.call.formats.clone(),
        }
    }

    fn header_of(&self, format: Format) -> Header {
        Header {
            room_id: self.call.room_id.clone(),
            transaction_id: self.call.transaction_id.clone(),
            format,
        }
    }
}

fn unknown(header: Header, channel: Channel) -> Event {
    let close = Close {
        channel: Some(channel),
        reason: CloseReason::UnknownTransaction,
        text: String::new(),
    };
    Event {
        header,
        body: Body::Close(close),
    }
}

impl Machine for Asker {
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        match input {
            Input::Received(event) => self.on_event(now, event),
            Input::Reserved { epoch, end } => self.on_reserved(epoch, end),
            Input::Failed { epoch, text } => self.on_failed(epoch, text),
            Input::Heard { epoch } => {
                self.on_heard(epoch);
                Vec::new()
            }
            Input::Lost { epoch, reason, text } => self.on_lost(now, epoch, reason, text),
            Input::End { reason, text } => self.close(reason, text),
            Input::Timeout(timer) => self.on_timeout(now, timer),
            Input::Admitted | Input::Refused(_) | Input::VoiceLost { .. } => Vec::new(),
        }
    }

    fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let give_up = self.give_up.map(|at| (at, Timer::GiveUp));
        match &self.state {
            State::Requesting(Requesting { repeat }) | State::Broken(Recovering { repeat, .. }) => {
                let again = (repeat.at, Timer::RequestRepeat);
                Some(give_up.filter(|give_up| give_up.0 <= again.0).unwrap_or(again))
            }
            State::Accepting(_) => give_up,
            // The link watches over itself: what does not work comes in as lost.
            State::Open(_) | State::Ended => None,
        }
    }

    fn header(&self) -> Option<Header> {
        match &self.state {
            State::Open(Open { connection, .. }) => Some(self.header_of(connection.format.clone())),
            _ => None,
        }
    }

    fn status(&self) -> Status {
        let phase = match self.state {
            State::Requesting(_) => Phase::Requested,
            State::Accepting(_) => Phase::Offered,
            State::Open(_) => Phase::Open,
            State::Broken(_) => Phase::Broken,
            State::Ended => Phase::Ended,
        };
        Status {
            phase,
            epoch: self.epoch,
        }
    }
}
