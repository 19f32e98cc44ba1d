//! The answering side: a handler decides, the rest goes by itself.

use std::sync::Arc;
use std::time::Duration;

use ruma::RoomId;
use signalling::{CloseReason, Ending, Event, Input, Machine, Refusal, RejectReason};
use tokio::sync::mpsc;

use super::handler::AnswerHandler;
use super::metrics::{self, Ignored};
use super::outbox::Outbox;
use super::parked::Parked;
use super::port::{ControlPort, Incoming};
use super::registry::{Registered, Registry};
use super::room::{Ground, Room, now};
use super::router::{Reading, read, reject};
use super::settings::Settings;
use super::status::ChannelStatus;
use super::voice::Voice;
use crate::media::RoomMedia;
use crate::supervise::{self, Group, Task};
use crate::vdp::Endpoint;

/// How long [`Answerer::stop`] waits for the goodbyes to be sent and the voice channels to be left.
const GOODBYE: Duration = Duration::from_secs(2);

/// Answers the other bridge's requests for channels. Clones share everything; the last one dropped ends all of it.
#[derive(Debug, Clone)]
pub struct Answerer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Arc<Registry>,
    group: Group,
    _router: Task<()>,
}

impl Answerer {
    /// Starts answering over `port`; `incoming` is what the peer says. To be called within a tokio runtime.
    pub fn start<H: AnswerHandler>(
        port: Arc<dyn ControlPort>,
        incoming: mpsc::Receiver<Incoming>,
        endpoint: Endpoint,
        handler: H,
        settings: Settings,
    ) -> Self {
        metrics::describe();
        let registry = Registry::new(settings.max_rooms);
        let group = Group::new("answerer");
        let router = Router {
            incoming,
            outbox: Outbox::new(Arc::clone(&port)),
            parked: Arc::new(Parked::new(settings.max_rooms)),
            registry: Arc::clone(&registry),
            settings,
            handler: Arc::new(handler),
            ground: Ground {
                port,
                endpoint,
                stopping: group.stopping(),
            },
            group: group.clone(),
        };
        let router = supervise::spawn("channel.route", "answerer", router.run());
        Self {
            inner: Arc::new(Inner {
                registry,
                group,
                _router: router,
            }),
        }
    }

    /// Closes the room's channel, if it has one, and tells the peer why.
    pub fn close(&self, room_id: &RoomId, reason: CloseReason, text: impl Into<String>) {
        self.inner.registry.end(room_id, reason, text.into());
    }

    /// Where all rooms stand that have a channel or negotiate one.
    pub fn status(&self) -> Vec<ChannelStatus> {
        self.inner.registry.snapshot()
    }

    /// Closes all channels because the bridge is being shut down, and waits, briefly, until that has been said and
    /// the voice channels have been left.
    pub async fn stop(&self) {
        self.inner.group.stop(GOODBYE).await;
    }
}

/// Hands the peer's events to the rooms, and gives a room its task when it needs one.
#[derive(Debug)]
struct Router<H> {
    incoming: mpsc::Receiver<Incoming>,
    outbox: Outbox,
    registry: Arc<Registry>,
    settings: Settings,
    handler: Arc<H>,
    ground: Ground,
    group: Group,
    parked: Arc<Parked>,
}

impl<H: AnswerHandler> Router<H> {
    async fn run(mut self) {
        loop {
            tokio::select! {
                incoming = self.incoming.recv() => match incoming {
                    Some(incoming) => self.route(&incoming),
                    None => return,
                },
                () = self.outbox.send_one() => {}
            }
        }
    }

    fn route(&mut self, incoming: &Incoming) {
        match read(incoming, &self.settings.timing) {
            Reading::Event(room_id, event) => self.pass(&room_id, event),
            Reading::Unreadable(Some(answer)) => self.outbox.event(&answer),
            Reading::Unreadable(None) | Reading::Nothing => {}
        }
    }

    fn pass(&mut self, room_id: &RoomId, event: Event) {
        if let Some(inbox) = self.registry.inbox(room_id) {
            if inbox.try_send(event).is_err() {
                metrics::ignored(Ignored::Flooded);
            }
            return;
        }
        if self.ground.stopping.is_cancelled() {
            return;
        }
        match self.registry.register(room_id) {
            Ok(registered) => self.start_room(room_id, registered, event),
            Err(_full) => {
                let text = "as many rooms as are allowed have a channel";
                if let Some(answer) = reject(&event, RejectReason::AtCapacity, text) {
                    self.outbox.event(&answer);
                }
            }
        }
    }

    /// Gives a room its task, which lasts until its machine has come to rest.
    fn start_room(&self, room_id: &RoomId, registered: Registered, event: Event) {
        let Registered { place, desk, .. } = registered;
        let mut machine = self.parked.take(room_id).unwrap_or_else(|| self.new_machine(room_id));
        let first = machine.handle(now(), Input::Received(event));
        let voice = Voice::new(Arc::clone(&self.handler), room_id.to_owned(), place);
        let mut room = Room::new(machine, voice, &self.ground, desk);
        let (parked, room_id) = (Arc::clone(&self.parked), room_id.to_owned());
        self.group.spawn("channel.room", async move {
            room.run(first).await;
            // Before the room gives up its place, so that whoever comes next finds it.
            parked.put(room_id, room.machine().clone(), now());
        });
    }

    fn new_machine(&self, room_id: &RoomId) -> signalling::Answerer {
        let Settings { formats, timing, .. } = &self.settings;
        signalling::Answerer::new(room_id.as_str(), formats.clone(), *timing, rand::random())
    }
}
