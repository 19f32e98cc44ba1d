//! A session's hands: what the machine decides is done here, and what happens is told to it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bridge_kit::media::Reception;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};

use super::machine::{Action, Event, Input, Machine, PathState, SignalLoss, Voice};
use super::message::{Access, Attribute, Side};
use super::metrics::{self, Counted};
use super::signal::{Signal, SignalEvent};
use super::transports::Transports;
use super::voice::{Audience, Hall};
use super::wire;
use crate::webrtc::{ConnectionEvent, Spoken, SpokenPacket, WebRtc};

/// How long the words of a goodbye may take to leave.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the owner of a session wants of it.
#[derive(Debug)]
pub(super) enum Command {
    Mute(bool),
    Describe(Attribute),
    Restart,
    Renew(Access),
    Leave,
}

pub(super) struct SessionTask {
    webrtc: WebRtc,
    machine: Machine,
    /// Actions that are still to be done.
    actions: VecDeque<Action>,
    signal: Option<Signal>,
    transports: Option<Transports>,
    hall: Hall,
    /// Told how our voice is taken in.
    reception: watch::Sender<Reception>,
    teller: mpsc::Sender<Event>,
    _counted: Counted,
}

/// What a session waits for.
enum Wakeup {
    Command(Command),
    Signal(SignalEvent),
    Transport(Side, ConnectionEvent),
    Spoken(SpokenPacket),
    Deadline,
}

impl SessionTask {
    pub(super) fn new(
        webrtc: WebRtc,
        access: Access,
        voice: Option<Voice>,
        audience: Box<dyn Audience>,
        teller: mpsc::Sender<Event>,
    ) -> Self {
        let rng = StdRng::from_rng(&mut rand::rng());
        let (machine, actions) = Machine::new(Instant::now(), access, voice, rng);
        Self {
            webrtc,
            machine,
            actions: actions.into(),
            signal: None,
            transports: None,
            hall: Hall::new(audience),
            reception: watch::Sender::default(),
            teller,
            _counted: Counted::new(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut spoken: Spoken) {
        self.reception = spoken.reception;
        loop {
            self.perform().await;
            if self.machine.is_ended() {
                break;
            }
            let wakeup = self.wake(&mut commands, &mut spoken.packets).await;
            self.on_wakeup(wakeup);
        }
    }

    async fn wake(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        spoken: &mut mpsc::Receiver<SpokenPacket>,
    ) -> Wakeup {
        let deadline = self.machine.poll_timeout().map(|(deadline, _)| deadline);
        tokio::select! {
            command = commands.recv() => Wakeup::Command(command.unwrap_or(Command::Leave)),
            event = signal_event(self.signal.as_mut()) => Wakeup::Signal(event),
            (side, event) = transport_event(self.transports.as_mut()) => Wakeup::Transport(side, event),
            Some(packet) = spoken.recv() => Wakeup::Spoken(packet),
            () = sleep_until(deadline) => Wakeup::Deadline,
        }
    }

    fn on_wakeup(&mut self, wakeup: Wakeup) {
        let input = match wakeup {
            Wakeup::Command(Command::Mute(muted)) => Input::Mute(muted),
            Wakeup::Command(Command::Describe(attribute)) => Input::Describe(attribute),
            Wakeup::Command(Command::Restart) => Input::Restart,
            Wakeup::Command(Command::Renew(access)) => Input::Renew(access),
            Wakeup::Command(Command::Leave) => Input::Leave,
            Wakeup::Signal(SignalEvent::Opened) => Input::Opened,
            Wakeup::Signal(SignalEvent::Message(message)) => Input::Message(message),
            Wakeup::Signal(SignalEvent::Closed(loss)) => {
                self.signal = None;
                Input::Closed(loss)
            }
            Wakeup::Transport(side, event) => path_input(side, event),
            Wakeup::Spoken(packet) => {
                // Without a way for it, it is too late for it already.
                if let Some(transports) = &mut self.transports {
                    transports.speak(packet);
                }
                return;
            }
            Wakeup::Deadline => Input::Timeout,
        };
        self.apply(input);
    }

    fn apply(&mut self, input: Input) {
        self.actions.extend(self.machine.handle(Instant::now(), input));
    }

    /// Performs actions, and gives the machine the replies that they bring.
    async fn perform(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            let reply = match action {
                Action::Prepare => self.prepare(),
                Action::Close => {
                    self.close().await;
                    None
                }
                action => self.perform_one(action),
            };
            if let Some(reply) = reply {
                self.apply(reply);
            }
        }
    }

    fn perform_one(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open { access, resume } => {
                if resume.is_some() {
                    metrics::resumed();
                }
                self.signal = Some(Signal::open(&access, resume.as_deref()));
                None
            }
            Action::Send(message) => {
                let signal = self.signal.as_ref()?;
                (!signal.send(message)).then(|| self.lose_signal())
            }
            Action::DropMedia => {
                self.transports = None;
                None
            }
            Action::Tell(event) => self.tell(event),
            Action::Count(oddity) => {
                metrics::odd(oddity);
                None
            }
            Action::Note(attribute) => {
                self.transports.as_mut()?.note(wire::note(attribute));
                None
            }
            Action::Offer { restart } => Some(self.offer(restart)),
            Action::Accept(offer) => Some(match self.transports.as_mut()?.accept(&offer) {
                Ok(answer) => Input::Answered(answer),
                Err(error) => unusable(Side::Subscriber, &error),
            }),
            Action::Conclude { sdp } => {
                let concluded = self.transports.as_mut()?.conclude(&sdp);
                concluded.err().map(|error| unusable(Side::Publisher, &error))
            }
            Action::AddCandidate { side, line } => {
                self.transports.as_mut()?.add_candidate(side, &line);
                None
            }
            Action::Prepare | Action::Close => None,
        }
    }

    /// A connection that takes no more messages is as good as lost.
    fn lose_signal(&mut self) -> Input {
        self.signal = None;
        Input::Closed(SignalLoss::Lost)
    }

    fn offer(&mut self, restart: bool) -> Input {
        let Some(transports) = &mut self.transports else {
            return Input::Unusable(Side::Publisher);
        };
        match transports.offer(restart) {
            Ok(offer) => Input::Offered {
                sdp: offer.sdp,
                track: offer.track_id,
            },
            Err(error) => unusable(Side::Publisher, &error),
        }
    }

    fn prepare(&mut self) -> Option<Input> {
        let (hall, reception) = (self.hall.clone(), self.reception.clone());
        match Transports::open(&self.webrtc, hall, self.machine.notes(), reception) {
            Ok(transports) => {
                self.transports = Some(transports);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "no port for a LiveKit session");
                Some(Input::Unusable(Side::Publisher))
            }
        }
    }

    /// The words of a goodbye leave before the connection is closed.
    async fn close(&mut self) {
        if let Some(signal) = self.signal.take()
            && self.machine.is_ended()
        {
            // Without it the server notices by itself.
            let _ = tokio::time::timeout(GOODBYE, signal.finish()).await;
        }
    }

    fn tell(&mut self, event: Event) -> Option<Input> {
        self.hall.note(&event);
        note(&event);
        let full = self.teller.try_send(event).is_err();
        full.then(|| {
            tracing::debug!("the owner of a LiveKit session does not take its events");
            Input::Leave
        })
    }
}

/// Logs and counts what an operator should know.
fn note(event: &Event) {
    match event {
        Event::Entered { room, identity } => {
            metrics::entered();
            tracing::info!("a LiveKit room was entered");
            tracing::debug!(room, identity, "a LiveKit room was entered");
        }
        Event::Connected => tracing::info!("voice gets through to a LiveKit room"),
        Event::Interrupted => {
            metrics::interrupted();
            tracing::warn!("voice does not get through to a LiveKit room");
        }
        Event::AccessRefused => tracing::warn!("a LiveKit server refuses our token"),
        Event::Ended(reason) => {
            metrics::ended(*reason);
            tracing::info!(?reason, "a LiveKit session ended");
        }
        _ => {}
    }
}

fn path_input(side: Side, event: ConnectionEvent) -> Input {
    let state = match event {
        ConnectionEvent::Connected => PathState::Up,
        ConnectionEvent::Disconnected => PathState::Down,
        ConnectionEvent::Failed(_) => PathState::Failed,
    };
    metrics::path(side, state);
    tracing::debug!(?side, ?state, "a media path of a LiveKit session changed");
    Input::Path { side, state }
}

fn unusable(side: Side, error: &crate::webrtc::DescriptionError) -> Input {
    tracing::warn!(?side, "a description of a LiveKit server cannot be used");
    tracing::debug!(?side, %error, "a description of a LiveKit server cannot be used");
    Input::Unusable(side)
}

async fn signal_event(signal: Option<&mut Signal>) -> SignalEvent {
    match signal {
        Some(signal) => signal.next().await,
        None => std::future::pending().await,
    }
}

async fn transport_event(transports: Option<&mut Transports>) -> (Side, ConnectionEvent) {
    match transports {
        Some(transports) => transports.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
