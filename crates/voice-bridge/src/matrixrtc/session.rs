//! The bridge's membership in the call of one room: the machine's hands. It lives in a task of its own, so that a panic
//! ends this one and no other.

use std::time::{Duration, Instant};

use bridge_kit::matrix::{OwnedUserId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task};
use tokio::sync::{mpsc, watch};

use super::event::{EventError, RoomFact};
use super::identity::Participant;
use super::machine::{Action, Connections, Input, Machine, Setup};
use super::moment::Moment;
use super::outbox::{Outbox, Surroundings};
use super::transport::Caller;

/// What may wait to be told.
const QUEUE: usize = 256;

/// What a room's call looks like to the rest of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// The SFUs to be connected to; `None` while the bridge is not in the call.
    pub connections: Option<Connections>,
    /// The others in the call, while the bridge is in it.
    pub participants: Vec<Participant>,
    /// How far the bridge is, in a word or two for status pages.
    pub phase: &'static str,
    /// How many people are in the call.
    pub callers: usize,
}

/// The membership of one room, kept by a task. Dropping it ends the task without a goodbye.
#[derive(Debug)]
pub struct Session {
    told: mpsc::Sender<Told>,
    picture: watch::Receiver<Picture>,
    task: Task<()>,
}

/// What a session is told.
#[derive(Debug)]
enum Told {
    Fact(RoomFact),
    MemberLeft(OwnedUserId),
    FocusLost,
}

/// A session that has more to be told than it can take, or has ended: it must be started anew, from the room's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the membership of a room cannot keep up")]
pub struct Overrun;

impl Session {
    /// Starts with what the room says at this moment; see [`super::Snapshot`].
    pub fn start(surroundings: Surroundings, room: &RoomId, setup: Setup, facts: Vec<RoomFact>) -> Self {
        let (told, inbox) = mpsc::channel(QUEUE);
        let (show, picture) = watch::channel(Picture::default());
        let caller = Caller {
            room: room.to_owned(),
            user: setup.cast.user.clone(),
            device: setup.cast.device.clone(),
            member_id: setup.member_id.clone(),
        };
        let outbox = Outbox::new(surroundings, setup.place.clone(), caller);
        let (machine, actions) = Machine::start(Moment::now(), setup, facts);
        let keeper = Keeper {
            machine,
            inbox,
            outbox,
            show,
            forsaken: false,
        };
        let task = supervise::spawn("matrixrtc.session", room, keeper.run(actions));
        Self { told, picture, task }
    }

    /// Takes an event of the room; those that do not matter to its call are passed over.
    pub fn handle(&self, event: &RoomEvent) -> Result<(), Overrun> {
        if let Some((user, "leave" | "ban")) = event.membership() {
            return match user.try_into() {
                Ok(user) => self.tell(Told::MemberLeft(user)),
                Err(_) => Ok(()),
            };
        }
        match RoomFact::from_event(event) {
            Ok(Some(fact)) => {
                note_fault(&fact);
                self.tell(Told::Fact(fact))
            }
            Ok(None) => Ok(()),
            Err(error) => {
                note(error);
                Ok(())
            }
        }
    }

    /// The SFU that the bridge publishes on lets it in no more.
    pub fn focus_lost(&self) -> Result<(), Overrun> {
        self.tell(Told::FocusLost)
    }

    /// The call as it is; its changes can be waited for.
    pub fn picture(&self) -> watch::Receiver<Picture> {
        self.picture.clone()
    }

    /// Leaves the call, and waits for that for at most `limit`. The delayed leave does it otherwise.
    pub async fn stop(self, limit: Duration) {
        drop(self.told);
        if tokio::time::timeout(limit, self.task.join()).await.is_err() {
            tracing::warn!("a call could not be left in time");
        }
    }

    fn tell(&self, told: Told) -> Result<(), Overrun> {
        self.told.try_send(told).map_err(|_| Overrun)
    }
}

fn note_fault(fact: &RoomFact) {
    if let RoomFact::Member(event) = fact
        && let Some(error) = event.fault
    {
        note(error);
    }
}

fn note(error: EventError) {
    metrics::counter!("voice_matrixrtc_events_ignored_total").increment(1);
    tracing::debug!(%error, "an event about a room's call cannot be read");
}

struct Keeper {
    machine: Machine,
    inbox: mpsc::Receiver<Told>,
    outbox: Outbox,
    show: watch::Sender<Picture>,
    /// Nobody will tell anything more.
    forsaken: bool,
}

impl Keeper {
    async fn run(mut self, actions: Vec<Action>) {
        self.perform(actions);
        while !(self.machine.is_ended() && self.outbox.is_empty()) {
            if let Some(input) = self.wake().await {
                let actions = self.machine.handle(Moment::now(), input);
                self.perform(actions);
            }
        }
    }

    async fn wake(&mut self) -> Option<Input> {
        let deadline = self.machine.poll_timeout().map(|(deadline, _)| deadline);
        tokio::select! {
            told = self.inbox.recv(), if !self.forsaken => {
                // Whoever has nothing more to tell wants it to end.
                self.forsaken = told.is_none();
                Some(told.map_or(Input::Stop, Told::into_input))
            }
            answer = self.outbox.answer() => answer,
            () = sleep_until(deadline) => Some(Input::Timeout),
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        let mut picture = self.show.borrow().clone();
        for action in actions {
            match action {
                Action::Connect(connections) => picture.connections = connections,
                Action::Participants(participants) => picture.participants = participants,
                request => self.outbox.add(request),
            }
        }
        picture.phase = self.machine.phase();
        picture.callers = self.machine.callers();
        self.show.send_if_modified(|shown| {
            let changed = *shown != picture;
            *shown = picture;
            changed
        });
    }
}

impl Told {
    fn into_input(self) -> Input {
        match self {
            Self::Fact(fact) => Input::Fact(fact),
            Self::MemberLeft(user) => Input::MemberLeft(user),
            Self::FocusLost => Input::FocusLost,
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
