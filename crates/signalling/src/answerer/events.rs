//! What the answering side does with the events of its peer.

use std::time::Instant;

use super::state::{Admitting, Offered, Open, Session, State, Step, Waiting};
use super::{Answerer, header, offer, unknown};
use crate::code::{CloseReason, RejectReason};
use crate::event::{Accept, Body, Broken, ChannelRecord, Close, Event, Header, Refusal, Request};
use crate::machine::{Action, Notice, Side};
use crate::rules::Rule;
use crate::transcript::{Agreed, Asked};

impl Answerer {
    pub(super) fn on_event(&mut self, now: Instant, event: Event) -> Vec<Action> {
        if event.header.room_id != self.room_id {
            return Vec::new();
        }
        let Event { header, body } = event;
        if self
            .state
            .session()
            .is_some_and(|session| session.transaction_id == header.transaction_id)
        {
            return self.on_current(now, body);
        }
        let asks = matches!(body, Body::Request(_) | Body::Accept(_) | Body::Broken(_));
        match self.finished.find(&header.transaction_id) {
            Some(ending) if ending.is_superseded() => self.on_superseded(now, header, body),
            Some(ending) if asks => vec![Action::Send(ending.clone())],
            Some(_) => Vec::new(),
            None => self.on_unknown(now, header, body),
        }
    }

    /// An event of a transaction that made way for another: its side was restarted, and knows nothing of it.
    ///
    /// Unless the room delivered the two requests in the wrong order: then it goes on asking, and gets its turn when the
    /// other is over, which that side does not know.
    fn on_superseded(&mut self, now: Instant, header: Header, body: Body) -> Vec<Action> {
        match body {
            Body::Request(request) if self.is_idle() => {
                self.finished.forget(&header.transaction_id);
                self.on_new_request(now, header, &request)
            }
            _ => Vec::new(),
        }
    }

    /// An event of the transaction that is going on.
    fn on_current(&mut self, now: Instant, body: Body) -> Vec<Action> {
        match body {
            Body::Request(request) => self.on_repeated_request(now, &request),
            Body::Accept(accept) => self.on_accept(accept),
            Body::Broken(broken) => self.on_broken(now, broken),
            Body::Close(Close { reason, text, .. }) => self.end(reason, text, Side::Peer),
            Body::Audience(channel, audience) => match &self.state {
                State::Open(open) if open.channel == channel => vec![Action::Notify(Notice::Audience(audience))],
                _ => Vec::new(),
            },
            Body::Offer(_) | Body::Reject(_) | Body::People(_) => Vec::new(),
        }
    }

    /// An event of a transaction that is new here, or was forgotten in a restart.
    fn on_unknown(&mut self, now: Instant, header: Header, body: Body) -> Vec<Action> {
        match body {
            Body::Request(request) => self.on_new_request(now, header, &request),
            Body::Accept(Accept { channel, .. }) => vec![Action::Send(unknown(header, channel))],
            Body::Close(close) => {
                // It overtook its request, which must find the door closed.
                self.finished.remember(Event {
                    header,
                    body: Body::Close(close),
                });
                Vec::new()
            }
            // The peer asks again by a request, which says all that is needed.
            Body::Broken(_) | Body::Offer(_) | Body::Reject(_) | Body::People(_) | Body::Audience(..) => Vec::new(),
        }
    }

    fn on_new_request(&mut self, now: Instant, header: Header, request: &Request) -> Vec<Action> {
        let common = request.formats.iter().find(|format| self.formats.contains(format));
        let Some(format) = common.cloned() else {
            let mut actions = self.end(CloseReason::Superseded, String::new(), Side::Peer);
            let refusal = Refusal::new(
                RejectReason::NoCommonFormat,
                "no offered format is known and allowed here",
            );
            actions.extend(self.reject(header, refusal));
            return actions;
        };
        let mut session = Session {
            transaction_id: header.transaction_id,
            asked: Asked {
                format: header.format,
                formats: request.formats.clone(),
            },
            format,
            give_up: None,
            renegotiations: 0,
        };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => {
                self.epoch = self.epoch.max(request.after_epoch);
                self.admit(now, session)
            }
            State::Admitting(Admitting { session: before, until }) => {
                self.epoch = self.epoch.max(request.after_epoch);
                self.supersede(&before);
                self.state = State::Admitting(Admitting { session, until });
                Vec::new()
            }
            State::Waiting(Waiting {
                session: before,
                step: Step::Admit,
                ..
            }) => {
                self.epoch = self.epoch.max(request.after_epoch);
                self.supersede(&before);
                self.admit(now, session)
            }
            // The peer was restarted: the voice channel is entered already, only the addresses are new.
            State::Reserving(before)
            | State::Offered(Offered { session: before, .. })
            | State::Open(Open { session: before, .. })
            | State::Waiting(Waiting { session: before, .. }) => {
                self.supersede(&before);
                session.give_up = Some(now + self.timing.open_within);
                self.reserve(session, request.after_epoch)
            }
        }
    }

    /// A request of the transaction that is going on asks for an epoch above the one it names.
    fn on_repeated_request(&mut self, now: Instant, request: &Request) -> Vec<Action> {
        let wants_next = request.after_epoch >= self.epoch;
        match &self.state {
            State::Offered(_) | State::Open(_) if wants_next => {
                self.epoch = request.after_epoch;
                self.renegotiate(now, Step::Offer)
            }
            // Its first request, come late or twice after this side was restarted, did not know of an epoch.
            State::Admitting(_) if wants_next => {
                self.epoch = request.after_epoch;
                Vec::new()
            }
            State::Offered(offered) => vec![offer(&self.room_id, offered)],
            _ => Vec::new(),
        }
    }

    fn on_accept(&mut self, accept: Accept) -> Vec<Action> {
        let State::Offered(Offered { session, offer, .. }) = &self.state else {
            return Vec::new();
        };
        if self.rules.keep(Rule::AcceptOfTheOffer) && accept.channel != offer.channel {
            return Vec::new();
        }
        let header = header(&self.room_id, session);
        let agreed = Agreed {
            header: &header,
            asked: &session.asked,
            channel: offer.channel,
            offered: offer.end,
            accepted: accept.end,
        };
        let Some(connection) = agreed.to_asker() else {
            // An accept in another format than the offer's: the right one may still come.
            return Vec::new();
        };
        let record = ChannelRecord {
            header,
            channel: offer.channel,
            answerer: offer.end.address,
            asker: accept.end.address,
        };
        self.state = State::Open(Open {
            session: session.clone(),
            channel: offer.channel,
        });
        self.recorded = true;
        vec![
            Action::Connect(connection.clone()),
            Action::Record(Some(Box::new(record))),
            Action::Notify(Notice::Opened(connection)),
        ]
    }

    fn on_broken(&mut self, now: Instant, broken: Broken) -> Vec<Action> {
        let Broken { channel, reason, text } = broken;
        let was_open = match &self.state {
            State::Open(open) if open.channel == channel => true,
            State::Offered(offered) if offered.offer.channel == channel => false,
            _ => return Vec::new(),
        };
        let mut actions = Vec::new();
        if was_open {
            actions.push(Action::Notify(Notice::Broken {
                reason,
                text,
                by: Side::Peer,
            }));
        }
        actions.extend(self.renegotiate(now, Step::Offer));
        actions
    }
}
