//! The task of one room: its machine, the control room, and its voice.

use std::collections::VecDeque;
use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::time::Instant;

use signalling::{
    Action, Audience, Body, Channel, ChannelRecord, CloseReason, Ending, Event, Input, MAX_PEOPLE, Machine, Notice,
    Person, Phase, Side,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::metrics::Tally;
use super::outbox::Outbox;
use super::port::ControlPort;
use super::registry::{Desk, Wish};
use super::sealing::Sealing;
use super::status::RoomState;
use super::wire::Wire;
use crate::media::RoomMedia;
use crate::vdp::Endpoint;

/// What the two sides do differently around their machines.
pub(super) trait Program: Send {
    /// The room's media, once there is any.
    fn media(&self) -> Option<&RoomMedia>;

    /// Finds out whether the room may have a channel; the answer comes out of [`next`](Self::next).
    fn admit(&mut self);

    /// Answering side: who is in the voice channel that the program is in.
    fn people(&mut self) -> Option<Vec<Person>> {
        None
    }

    /// For whom the program takes in the peer's voice.
    fn audience(&mut self) -> Audience;

    /// Tells the program.
    fn notify(&mut self, notice: Notice);

    /// It is over.
    fn finish(&mut self, ending: Ending);

    /// What happens on the program's side next, and what that means to the machine, if anything. May be cancelled.
    fn next(&mut self) -> impl Future<Output = Option<Input>> + Send;

    /// Has nothing going on that the task must wait for.
    fn is_at_rest(&self) -> bool;
}

/// The task of one room.
#[derive(Debug)]
pub(super) struct Room<M, P> {
    machine: M,
    program: P,
    wire: Wire,
    outbox: Outbox,
    state: Arc<RoomState>,
    tally: Tally,
    inbox: mpsc::Receiver<Event>,
    wishes: watch::Receiver<Option<Wish>>,
    stopping: CancellationToken,
    stopped: bool,
    /// There from the first time that a channel is open until it is over.
    told: Option<Told>,
}

/// What the peer was told of the people on this side.
#[derive(Debug)]
struct Told {
    /// The open channel, or the last one.
    channel: Channel,
    /// Who is in the voice channel; none where it may not be what was told, so that they are told in any case.
    people: Option<Vec<Person>>,
    audience: Audience,
}

/// What every room of a side works with.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) port: Arc<dyn ControlPort>,
    pub(super) endpoint: Endpoint,
    pub(super) sealing: Sealing,
    pub(super) stopping: CancellationToken,
}

impl<M: Machine, P: Program> Room<M, P> {
    pub(super) fn new(machine: M, program: P, ground: &Ground, desk: Desk) -> Self {
        let Desk { inbox, wishes, state } = desk;
        Self {
            machine,
            program,
            wire: Wire::new(ground.endpoint.clone(), Arc::clone(&state), ground.sealing.clone()),
            outbox: Outbox::new(Arc::clone(&ground.port)),
            state,
            tally: Tally::default(),
            inbox,
            wishes,
            stopping: ground.stopping.clone(),
            stopped: false,
            told: None,
        }
    }

    /// Does the first actions, then what happens brings about, until the machine has come to rest.
    pub(super) async fn run(&mut self, first: Vec<Action>) {
        let span = tracing::debug_span!("channel", room = %self.state.room_id());
        async {
            self.tally.negotiating(now());
            self.act_on(first);
            while let Some(input) = self.wake().await {
                self.handle(input);
            }
        }
        .instrument(span)
        .await;
    }

    /// The machine, which remembers what is over.
    pub(super) const fn machine(&self) -> &M {
        &self.machine
    }

    /// The next input; none when the task has nothing left to do.
    async fn wake(&mut self) -> Option<Input> {
        loop {
            let quiet = matches!(self.machine.status().phase, Phase::Idle | Phase::Ended)
                && self.outbox.is_empty()
                && self.program.is_at_rest();
            let timeout = self.machine.poll_timeout();
            tokio::select! {
                biased;
                input = wished(&mut self.wishes) => return Some(input),
                () = self.stopping.cancelled(), if !self.stopped => {
                    self.stopped = true;
                    return Some(Input::End { reason: CloseReason::Shutdown, text: String::new() });
                }
                event = received(&mut self.inbox) => return Some(Input::Received(event)),
                input = self.wire.next() => return Some(input),
                input = self.program.next() => match input {
                    Some(_) => return input,
                    None => self.tell(),
                },
                timer = due(timeout) => return Some(timer),
                () = self.outbox.send_one() => {}
                () = ready(()), if quiet => return None,
            }
        }
    }

    fn handle(&mut self, input: Input) {
        let actions = self.machine.handle(now(), input);
        self.act_on(actions);
    }

    /// Does the actions, and whatever they bring about at once.
    fn act_on(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        let mut inputs = VecDeque::new();
        loop {
            while let Some(action) = actions.pop_front() {
                inputs.extend(self.act(action));
            }
            let Some(input) = inputs.pop_front() else {
                break;
            };
            actions.extend(self.machine.handle(now(), input));
        }
        self.state.stands(self.machine.status());
    }

    /// Does one action; what is known at once comes back.
    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Send(event) => self.outbox.event(&event),
            Action::Admit => {
                self.tally.negotiating(now());
                self.program.admit();
            }
            Action::Reserve { epoch, format } => return Some(self.wire.reserve(epoch, &format)),
            Action::Connect(connection) => {
                return self.wire.connect(&connection, self.program.media());
            }
            Action::Record(record) => {
                self.record(record.as_deref());
            }
            Action::Notify(notice) => self.notify(notice),
            Action::Finish(ending) => self.finish(ending),
        }
        None
    }

    /// Answering side: remembers the epoch that has opened, or that there is none any more.
    fn record(&mut self, record: Option<&ChannelRecord>) {
        let content = record.map_or_else(ChannelRecord::none, ChannelRecord::to_json);
        self.outbox.record(self.state.room_id().as_str(), content);
    }

    /// An epoch is open: the peer knows nothing of what it was told in the last one, but that nobody was there.
    fn opened(&mut self, channel: Channel) {
        let nobody = self
            .told
            .as_ref()
            .is_none_or(|told| told.people.as_deref() == Some(&[]));
        self.told = Some(Told {
            channel,
            people: nobody.then(Vec::new),
            audience: Audience::UNKNOWN,
        });
        self.tell();
    }

    /// Tells the peer who is in the voice channel, and whether anybody listens, where it does not know.
    fn tell(&mut self) {
        let (Some(told), Some(header)) = (&mut self.told, self.machine.header()) else {
            return;
        };
        if let Some(mut people) = self.program.people() {
            people.truncate(MAX_PEOPLE);
            if told.people.as_ref() != Some(&people) {
                told.people = Some(people.clone());
                let body = Body::People(people);
                self.outbox.event(&Event {
                    header: header.clone(),
                    body,
                });
            }
        }
        let audience = self.program.audience();
        if told.audience != audience {
            told.audience = audience;
            let body = Body::Audience(told.channel, audience);
            self.outbox.event(&Event { header, body });
        }
    }

    fn notify(&mut self, notice: Notice) {
        match &notice {
            Notice::Opened(connection) => {
                tracing::info!(epoch = connection.channel.epoch, "channel open");
                self.tally.opened(now());
                self.opened(connection.channel);
            }
            Notice::Broken { reason, text, by } => {
                tracing::info!(%reason, text, ?by, "channel broken; renegotiating");
                self.state.because(reason.code());
                self.tally.broken(now(), reason);
            }
            Notice::People(people) => tracing::debug!(people = people.len(), "people in the voice channel"),
            Notice::Audience(audience) => {
                tracing::debug!(?audience, "who hears us on the other side");
                self.state.heard_by(*audience);
            }
        }
        self.program.notify(notice);
    }

    fn finish(&mut self, ending: Ending) {
        let (code, text) = match &ending {
            Ending::Rejected(refusal) => (refusal.reason.code(), &refusal.text),
            Ending::Closed { reason, text, .. } => (reason.code(), text),
        };
        tracing::info!(reason = code, text, "channel over");
        self.state.because(code);
        self.tally.ended(&ending);
        self.told = None;
        self.outbox.over();
        self.wire.end();
        self.program.finish(ending);
    }
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The runtime's clock, so that tests which stop it stop the machines too.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn due(timeout: Option<(Instant, signalling::Timer)>) -> Input {
    let Some((at, timer)) = timeout else {
        return pending().await;
    };
    tokio::time::sleep_until(at.into()).await;
    tracing::trace!(?timer, "timer");
    Input::Timeout(timer)
}

async fn received(inbox: &mut mpsc::Receiver<Event>) -> Event {
    match inbox.recv().await {
        Some(event) => event,
        // The room has given up its place: nothing more comes.
        None => pending().await,
    }
}

async fn wished(wishes: &mut watch::Receiver<Option<Wish>>) -> Input {
    loop {
        if wishes.changed().await.is_err() {
            return pending().await;
        }
        match wishes.borrow_and_update().clone() {
            Some(Wish::End { reason, text }) => return Input::End { reason, text },
            Some(Wish::Renew { text }) => return Input::VoiceLost { text },
            None => {}
        }
    }
}

/// How a channel ended whose task is gone without having said so.
pub(super) fn lost() -> Ending {
    Ending::Closed {
        reason: CloseReason::InternalError,
        text: "the task of this room ended".to_owned(),
        by: Side::Us,
    }
}
