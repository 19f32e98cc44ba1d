//! One call: the machine's hands. It lives in a task of its own, so that a panic ends this call and no other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bridge_kit::matrix::OwnedRoomId;
use bridge_kit::supervise::Task;
use tokio::sync::mpsc;

use super::event::{CallEvent, IceCandidate};
use super::machine::{
    Action, ChannelEnd, Description, EndReason, Incoming, Inherited, Input, Machine, MediaFailure, Trouble,
};
use super::metrics::{self, Counted};
use super::outbox::Outbox;
use super::speaking;
use crate::call::{Calls, ChannelState, Ended, Participation};
use crate::notice::Notice;
use crate::ports::{Admission, Homeserver};
use crate::speaking::Speaking;
use crate::webrtc::{
    Connection, ConnectionEvent, DescriptionError, Failure, IntoRoom, LocalDescription, OutOfRoom, Port,
};

/// How participants that come this way are called on status pages.
const KIND: &str = "voip";
/// How long the goodbye may take.
const GOODBYE: Duration = Duration::from_secs(4);

/// What the switchboard tells a call.
#[derive(Debug)]
pub(super) enum Delivery {
    /// An event with the call's id.
    Event {
        /// Who sent it.
        sender: String,
        /// How old it was when it was delivered.
        age: Duration,
        /// What it says.
        event: CallEvent,
    },
    /// The caller is no longer in the room.
    MemberLeft,
    /// The call has to end.
    HangUp(EndReason),
}

/// What every call needs of the bridge.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) homeserver: Arc<dyn Homeserver>,
    pub(super) calls: Calls,
    pub(super) port: Arc<Port>,
}

pub(super) struct CallTask {
    surroundings: Surroundings,
    room: OwnedRoomId,
    machine: Machine,
    deliveries: mpsc::Receiver<Delivery>,
    outbox: Outbox,
    participation: Option<Participation>,
    connection: Option<Connection>,
    /// Tells who speaks in what the connection sends.
    speaking: Option<Task<()>>,
    _counted: Counted,
}

/// What a call waits for.
enum Wakeup {
    Delivery(Option<Delivery>),
    Channel(ChannelState),
    Connection(ConnectionEvent),
    SendFailed,
    Deadline,
}

/// Runs one call from its invite to its end.
pub(super) async fn run(
    surroundings: Surroundings,
    room: OwnedRoomId,
    mut incoming: Incoming,
    deliveries: mpsc::Receiver<Delivery>,
) {
    let counted = Counted::new();
    let rung = Instant::now();
    let admission = surroundings.homeserver.admit(&room).await;
    incoming.age += rung.elapsed();
    let (machine, actions) = Machine::ring(Instant::now(), incoming);
    let mut task = CallTask::new(surroundings, room, machine, deliveries, counted);
    if let Some(notice) = turned_away(admission) {
        // A new outbox has room for one letter.
        let _ = task.outbox.notify(notice);
    }
    task.run(admission, actions).await;
}

/// Runs one call that an earlier run of the bridge had answered, to its end.
pub(super) async fn take_over(
    surroundings: Surroundings,
    room: OwnedRoomId,
    inherited: Inherited,
    deliveries: mpsc::Receiver<Delivery>,
) {
    let counted = Counted::new();
    metrics::taken_over();
    tracing::info!("a VoIP call of an earlier run is taken over");
    let (machine, actions) = Machine::take_over(Instant::now(), inherited);
    let task = CallTask::new(surroundings, room, machine, deliveries, counted);
    // Its room was found to be bridged when its past was read.
    task.run(Admission::Bridged, actions).await;
}

fn turned_away(admission: Admission) -> Option<Notice> {
    match admission {
        Admission::Bridged | Admission::Unknown => None,
        Admission::NotBridged => Some(Notice::NotBridged),
        Admission::Encrypted => Some(Notice::Encrypted),
    }
}

impl CallTask {
    fn new(
        surroundings: Surroundings,
        room: OwnedRoomId,
        machine: Machine,
        deliveries: mpsc::Receiver<Delivery>,
        counted: Counted,
    ) -> Self {
        let outbox = Outbox::new(room.clone(), surroundings.homeserver.clone());
        Self {
            surroundings,
            room,
            machine,
            deliveries,
            outbox,
            participation: None,
            connection: None,
            speaking: None,
            _counted: counted,
        }
    }

    async fn run(mut self, admission: Admission, actions: Vec<Action>) {
        if admission == Admission::Bridged {
            self.perform(actions);
        } else {
            self.apply(Input::ChannelEnded(ChannelEnd::Refused));
        }
        while !self.machine.is_ended() {
            let wakeup = self.wake().await;
            self.on_wakeup(wakeup);
        }
        // Media ends at once; only then is there time for words.
        self.connection = None;
        self.speaking = None;
        self.participation = None;
        self.outbox.flush(GOODBYE).await;
    }

    async fn wake(&mut self) -> Wakeup {
        let deadline = self.machine.poll_timeout().map(|(deadline, _)| deadline);
        tokio::select! {
            delivery = self.deliveries.recv() => Wakeup::Delivery(delivery),
            state = channel_changed(self.participation.as_mut()) => Wakeup::Channel(state),
            event = connection_event(self.connection.as_mut()) => Wakeup::Connection(event),
            _ = self.outbox.failed() => Wakeup::SendFailed,
            () = sleep_until(deadline) => Wakeup::Deadline,
        }
    }

    fn on_wakeup(&mut self, wakeup: Wakeup) {
        let input = match wakeup {
            Wakeup::Delivery(Some(Delivery::Event { sender, age, event })) => Some(Input::Event { sender, age, event }),
            Wakeup::Delivery(Some(Delivery::MemberLeft)) => Some(Input::MemberLeft),
            Wakeup::Delivery(Some(Delivery::HangUp(reason))) => Some(Input::HangUp(reason)),
            Wakeup::Delivery(None) => Some(Input::HangUp(EndReason::Stopping)),
            Wakeup::Channel(state) => channel_input(state),
            Wakeup::Connection(event) => Some(connection_input(event)),
            Wakeup::SendFailed => Some(Input::SendFailed),
            Wakeup::Deadline => Some(Input::Timeout),
        };
        if let Some(input) = input {
            self.apply(input);
        }
    }

    fn apply(&mut self, input: Input) {
        let actions = self.machine.handle(Instant::now(), input);
        self.perform(actions);
    }

    /// Performs actions, and gives the machine the replies that they bring.
    fn perform(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            if let Some(reply) = self.perform_one(action) {
                actions.extend(self.machine.handle(Instant::now(), reply));
            }
        }
        if let Some(participation) = &self.participation {
            participation.set_phase(self.machine.phase());
        }
    }

    fn perform_one(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::AskChannel => self.ask_channel(),
            Action::Accept { sdp } => Some(self.accept(&sdp)),
            Action::Renegotiate { sdp } => Some(self.renegotiate(&sdp)),
            Action::Resume { ours } => self.resume(&ours),
            Action::Propose { theirs } => Some(self.propose(&theirs)),
            Action::Conclude { sdp } => self.conclude(&sdp),
            Action::AddCandidates(list) => self.add_candidates(&list),
            Action::Send(event) => self.outbox.send(event).err().map(|_| Input::SendFailed),
            Action::Muted(muted) => self.mute(muted),
            Action::Notify(Trouble::UnusableOffer) => {
                let posted = self.outbox.notify(Notice::UnusableOffer);
                posted.err().map(|_| Input::SendFailed)
            }
            Action::Ignored(why) => {
                metrics::ignored(why);
                None
            }
            Action::End(reason) => {
                metrics::ended(reason);
                tracing::info!(?reason, "a VoIP call ended");
                None
            }
        }
    }

    fn ask_channel(&mut self) -> Option<Input> {
        match self.surroundings.calls.join(&self.room, self.machine.caller(), KIND) {
            Ok(participation) => {
                self.participation = Some(participation);
                None
            }
            Err(_) => Some(Input::ChannelEnded(ChannelEnd::Busy)),
        }
    }

    /// A new WebRTC session, with the voice of the room at its other end.
    fn connect(&mut self) -> Option<Connection> {
        let participation = self.participation.as_ref()?;
        let (sink, spoken, marks) = OutOfRoom::new();
        let speaking = Speaking::new(marks, participation.speakers());
        let source = participation.attach(Box::new(sink));
        let ear = Box::new(IntoRoom(source));
        let (homeserver, room) = (self.surroundings.homeserver.clone(), self.room.clone());
        self.speaking = speaking::tell(homeserver, room, self.machine.parties(), speaking);
        let connection = Connection::new(&self.surroundings.port);
        Some(connection.speaking(spoken).hearing(ear))
    }

    fn accept(&mut self, offer: &str) -> Input {
        self.connection = self.connect();
        self.renegotiate(offer)
    }

    fn renegotiate(&mut self, offer: &str) -> Input {
        let connection = self.connection.as_mut();
        let input = connection.map_or(Input::Unusable, |connection| described(connection.accept(offer)));
        self.note_listening();
        input
    }

    fn resume(&mut self, ours: &str) -> Option<Input> {
        self.connection = Some(self.connect()?.under_stream_of(ours));
        None
    }

    fn propose(&mut self, theirs: &str) -> Input {
        let connection = self.connection.as_mut();
        connection.map_or(Input::Unusable, |connection| proposed(connection.propose(theirs)))
    }

    fn conclude(&mut self, answer: &str) -> Option<Input> {
        let concluded = self.connection.as_mut()?.conclude(answer);
        self.note_listening();
        concluded.err().map(|error| unusable(&error))
    }

    fn add_candidates(&mut self, list: &[IceCandidate]) -> Option<Input> {
        let connection = self.connection.as_mut()?;
        for candidate in list {
            if let IceCandidate::Line(line) = candidate {
                connection.add_candidate(line);
            }
        }
        None
    }

    fn mute(&mut self, muted: bool) -> Option<Input> {
        if let Some(participation) = &self.participation {
            participation.set_muted(muted);
        }
        None
    }

    /// Who has put the call on hold hears nothing.
    fn note_listening(&self) {
        if let (Some(participation), Some(connection)) = (&self.participation, &self.connection) {
            participation.set_listening(connection.is_listened_to());
        }
    }
}

fn described(answer: Result<LocalDescription, DescriptionError>) -> Input {
    match answer {
        Ok(LocalDescription { sdp, stream_id, .. }) => Input::Described(Description { sdp, stream_id }),
        Err(error) => unusable(&error),
    }
}

fn proposed(offer: Result<LocalDescription, DescriptionError>) -> Input {
    match offer {
        Ok(LocalDescription { sdp, stream_id, .. }) => Input::Proposed(Description { sdp, stream_id }),
        Err(error) => unusable(&error),
    }
}

fn unusable(error: &DescriptionError) -> Input {
    tracing::debug!(%error, "a description of a caller's cannot be used");
    Input::Unusable
}

fn channel_input(state: ChannelState) -> Option<Input> {
    match state {
        ChannelState::Asking | ChannelState::Broken => None,
        ChannelState::Open { .. } => Some(Input::ChannelOpen),
        ChannelState::Ended(why) => Some(Input::ChannelEnded(match why {
            Ended::Full => ChannelEnd::Busy,
            Ended::Refused | Ended::Failed => ChannelEnd::Refused,
            Ended::Closed => ChannelEnd::Closed,
        })),
    }
}

fn connection_input(event: ConnectionEvent) -> Input {
    match event {
        ConnectionEvent::Connected => Input::Connected,
        ConnectionEvent::Disconnected => Input::Disconnected,
        ConnectionEvent::Failed(Failure::Closed) => Input::MediaFailed(MediaFailure::ClosedByPeer),
        ConnectionEvent::Failed(Failure::Broken | Failure::PortClosed) => Input::MediaFailed(MediaFailure::Broken),
    }
}

async fn channel_changed(participation: Option<&mut Participation>) -> ChannelState {
    match participation {
        Some(participation) => participation.channel_changed().await,
        None => std::future::pending().await,
    }
}

async fn connection_event(connection: Option<&mut Connection>) -> ConnectionEvent {
    match connection {
        Some(connection) => connection.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
