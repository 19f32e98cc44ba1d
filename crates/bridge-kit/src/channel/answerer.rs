//! The answering side: a handler decides, the rest goes by itself.

use std::sync::Arc;

use ruma::RoomId;
use signalling::{ChannelRecord, CloseReason, Event, Input, Machine, RejectReason, names};
use tokio::sync::mpsc;
use vdp_proto::sealed::Role;

use super::handler::AnswerHandler;
use super::office::Office;
use super::parked::Parked;
use super::port::{ControlPort, Incoming};
use super::records::Records;
use super::registry::{Registered, Registry, Wish};
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
        let text = text.into();
        self.inner.office.registry.wish(room_id, Wish::End { reason, text });
    }

    /// Enters the room's voice channel anew, because it was lost, and then opens the next epoch of the room's channel;
    /// meanwhile the peer knows, by `text` too, that voice is away. A room without a channel is left alone.
    pub fn renew(&self, room_id: &RoomId, text: impl Into<String>) {
        let text = text.into();
        self.inner.office.registry.wish(room_id, Wish::Renew { text });
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
    /// What was open before this side was started is open no more; a peer that still wants it asks again.
    async fn resume(&mut self, records: Records, port: &dyn ControlPort) {
        for (room_id, record) in records {
            let emptied = port.set_state(names::CHANNEL, room_id.into(), ChannelRecord::none());
            let broken = signalling::Answerer::resume(&record);
            // In this order, so that the peer's next request cannot be recorded before.
            let said = async {
                emptied.await?;
                port.send(broken.kind(), broken.to_json()).await
            };
            if let Err(error) = said.await {
                tracing::warn!(%error, "a channel that was open before the restart could not be taken up");
            }
        }
    }

    fn abandon(&mut self, _: &Registry) -> Vec<Event> {
        Vec::new()
    }

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
