//! The bridge's membership in the call of one room: the machine's hands. It lives in a task of its own, so that a panic
//! ends this one and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bridge_kit::matrix::{OwnedUserId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task};
use tokio::sync::{mpsc, watch};

use super::event::{EventError, RoomFact};
use super::identity::Participant;
use super::machine::{Action, Connections, Input, Machine, Setup};
use super::moment::Moment;
use super::outbox::{Outbox, Surroundings};
use crate::instruments;

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
    /// Whether there is no call, and nothing left to be done about the last one.
    pub rests: bool,
}

/// The membership of one room, kept by a task. Dropping it ends the task without a goodbye.
#[derive(Debug)]
pub struct Session {
    told: mpsc::Sender<Told>,
    /// How much was told.
    tellings: u64,
    /// How much of that the picture shows already.
    shown: Arc<AtomicU64>,
    picture: watch::Receiver<Picture>,
    task: Task<()>,
}

/// What a session is told.
#[derive(Debug)]
enum Told {
    Fact(RoomFact),
    MemberLeft(OwnedUserId),
    FocusLost,
    Bridged(bool),
}

/// Tells a session how its media is. It keeps no session.
#[derive(Debug, Clone)]
pub struct Control(mpsc::WeakSender<Told>);

impl Control {
    /// The SFU that the bridge publishes on lets it in no more.
    pub fn focus_lost(&self) {
        self.tell(Told::FocusLost);
    }

    /// Whether voice can cross to the other side.
    pub fn bridged(&self, bridged: bool) {
        self.tell(Told::Bridged(bridged));
    }

    fn tell(&self, told: Told) {
        // A session that cannot keep up is started anew, and its media with it.
        if let Some(session) = self.0.upgrade() {
            let _ = session.try_send(told);
        }
    }
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
        let caller = setup.caller(room);
        let outbox = Outbox::new(surroundings, setup.place.clone(), caller);
        let (machine, actions) = Machine::start(Moment::now(), setup, facts);
        let shown = Arc::<AtomicU64>::default();
        let keeper = Keeper {
            machine,
            inbox,
            outbox,
            show,
            shown: shown.clone(),
            forsaken: false,
        };
        let task = supervise::spawn("matrixrtc.session", room, keeper.run(actions));
        Self {
            told,
            tellings: 0,
            shown,
            picture,
            task,
        }
    }

    /// Takes an event of the room; those that do not matter to its call are passed over.
    pub fn handle(&mut self, event: &RoomEvent) -> Result<(), Overrun> {
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

    /// By which its media reaches it.
    pub fn control(&self) -> Control {
        Control(self.told.downgrade())
    }

    /// The call as it is; its changes can be waited for.
    pub fn picture(&self) -> watch::Receiver<Picture> {
        self.picture.clone()
    }

    /// Whether nothing would be lost without it: nobody is in the call, and that is so after all that it was told.
    pub fn rests(&self) -> bool {
        self.shown.load(Ordering::Acquire) == self.tellings && self.picture.borrow().rests
    }

    /// Leaves the call, and waits for that for at most `limit`. The delayed leave does it otherwise.
    pub async fn stop(self, limit: Duration) {
        drop(self.told);
        if tokio::time::timeout(limit, self.task.join()).await.is_err() {
            tracing::warn!("a call could not be left in time");
        }
    }

    fn tell(&mut self, told: Told) -> Result<(), Overrun> {
        self.tellings += 1;
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
    instruments::MATRIXRTC_IGNORED.get().increment(1);
    tracing::debug!(%error, "an event about a room's call cannot be read");
}

struct Keeper {
    machine: Machine,
    inbox: mpsc::Receiver<Told>,
    outbox: Outbox,
    show: watch::Sender<Picture>,
    shown: Arc<AtomicU64>,
    /// Nobody will tell anything more.
    forsaken: bool,
}

impl Keeper {
    async fn run(mut self, actions: Vec<Action>) {
        self.perform(actions);
        while !(self.machine.is_ended() && self.outbox.is_empty()) {
            match self.wake().await {
                Wakeup::Told(told) => {
                    let counts = told.counts();
                    self.apply(told.into_input());
                    self.shown.fetch_add(u64::from(counts), Ordering::Release);
                }
                Wakeup::Input(input) => self.apply(input),
                Wakeup::Done => self.perform(Vec::new()),
            }
        }
    }

    fn apply(&mut self, input: Input) {
        let actions = self.machine.handle(Moment::now(), input);
        self.perform(actions);
    }

    async fn wake(&mut self) -> Wakeup {
        let deadline = self.machine.poll_timeout().map(|(deadline, _)| deadline);
        tokio::select! {
            told = self.inbox.recv(), if !self.forsaken => {
                // Whoever has nothing more to tell wants it to end.
                self.forsaken = told.is_none();
                told.map_or(Wakeup::Input(Input::Stop), Wakeup::Told)
            }
            answer = self.outbox.answer() => answer.map_or(Wakeup::Done, Wakeup::Input),
            () = sleep_until(deadline) => Wakeup::Input(Input::Timeout),
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
        picture.rests = self.machine.is_idle() && self.outbox.is_empty();
        self.show.send_if_modified(|shown| {
            let changed = *shown != picture;
            *shown = picture;
            changed
        });
    }
}

/// What the task wakes up for.
enum Wakeup {
    Told(Told),
    Input(Input),
    /// Something is done that nobody waited for.
    Done,
}

impl Told {
    /// Whether it comes from the owner of the session.
    fn counts(&self) -> bool {
        matches!(self, Self::Fact(_) | Self::MemberLeft(_))
    }

    fn into_input(self) -> Input {
        match self {
            Self::Fact(fact) => Input::Fact(fact),
            Self::MemberLeft(user) => Input::MemberLeft(user),
            Self::FocusLost => Input::FocusLost,
            Self::Bridged(bridged) => Input::Bridged(bridged),
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
