//! The answering side: a handler decides, the rest goes by itself.

use std::sync::Arc;

use ruma::RoomId;
use signalling::{CloseReason, Event, Input, Machine, RejectReason};
use tokio::sync::mpsc;
use vdp_proto::sealed::Role;

use super::handler::AnswerHandler;
use super::office::Office;
use super::parked::Parked;
use super::port::{ControlPort, Incoming};
use super::registry::Registered;
use super::room::{Room, now};
use super::router::{Doorkeeper, reject};
use super::settings::Settings;
use super::status::ChannelStatus;
use super::voice::Voice;
use crate::supervise::Task;
use crate::vdp::Endpoint;

/// Answers the other bridge's requests for channels. Clones share everything; the last one dropped ends all of it.
#[derive(Debug, Clone)]
pub struct Answerer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    office: Office,
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
        let office = Office::open(Role::Answering, port, endpoint, settings);
        let reception = Reception {
            parked: Arc::new(Parked::new(office.settings.max_rooms)),
            handler: Arc::new(handler),
            office: office.clone(),
        };
        let router = office.receive(incoming, reception);
        Self {
            inner: Arc::new(Inner {
                office,
                _router: router,
            }),
        }
    }

    /// Closes the room's channel, if it has one, and tells the peer why.
    pub fn close(&self, room_id: &RoomId, reason: CloseReason, text: impl Into<String>) {
        self.inner.office.registry.end(room_id, reason, text.into());
    }

    /// Where all rooms stand that have a channel or negotiate one.
    pub fn status(&self) -> Vec<ChannelStatus> {
        self.inner.office.registry.snapshot()
    }

    /// Closes all channels because the bridge is being shut down, and waits, briefly, until that has been said and
    /// the voice channels have been left.
    pub async fn stop(&self) {
        self.inner.office.close().await;
    }
}

/// Gives a room its task when it is asked for a channel.
#[derive(Debug)]
struct Reception<H> {
    office: Office,
    handler: Arc<H>,
    parked: Arc<Parked>,
}

impl<H: AnswerHandler> Doorkeeper for Reception<H> {
    fn unregistered(&mut self, room_id: &RoomId, event: Event) -> Option<Event> {
        if self.office.ground.stopping.is_cancelled() {
            return None;
        }
        match self.office.registry.register(room_id) {
            Ok(registered) => {
                self.start_room(room_id, registered, event);
                None
            }
            Err(_full) => {
                let text = "as many rooms as are allowed have a channel";
                reject(&event, RejectReason::AtCapacity, text)
            }
        }
    }

    fn unreadable(&mut self, rejection: Option<Event>) -> Option<Event> {
        rejection
    }
}

impl<H: AnswerHandler> Reception<H> {
    /// Gives a room its task, which lasts until its machine has come to rest.
    fn start_room(&self, room_id: &RoomId, registered: Registered, event: Event) {
        let Registered { place, desk, .. } = registered;
        let mut machine = self.parked.take(room_id).unwrap_or_else(|| self.new_machine(room_id));
        let first = machine.handle(now(), Input::Received(event));
        let voice = Voice::new(Arc::clone(&self.handler), room_id.to_owned(), place);
        let mut room = Room::new(machine, voice, &self.office.ground, desk);
        let (parked, room_id) = (Arc::clone(&self.parked), room_id.to_owned());
        self.office.group.spawn("channel.room", async move {
            room.run(first).await;
            // Before the room gives up its place, so that whoever comes next finds it.
            parked.put(room_id, room.machine().clone(), now());
        });
    }

    fn new_machine(&self, room_id: &RoomId) -> signalling::Answerer {
        let Settings { formats, timing, .. } = &self.office.settings;
        signalling::Answerer::new(room_id.as_str(), formats.clone(), *timing, rand::random())
    }
}
