//! Reads what comes out of the control room, and hands it to the room that it is for.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use ruma::{OwnedRoomId, RoomId};
use signalling::{Body, Event, Refusal, RejectReason, Timing};
use tokio::sync::mpsc;

use super::metrics::{self, Ignored};
use super::outbox::Outbox;
use super::port::{ControlPort, Incoming};
use super::records::{self, Records};
use super::registry::Registry;

/// What a side does with what is for none of its rooms. Each gives what is to be said.
pub(super) trait Doorkeeper: Send + 'static {
    /// What the control room remembers of open channels when this side starts, before anything else.
    fn resume(&mut self, records: Records, port: &dyn ControlPort) -> impl Future<Output = ()> + Send;

    /// The calls have had their time to ask for the channels that were open before.
    fn abandon(&mut self, registry: &Registry) -> Vec<Event>;

    /// An event of a room that has no task.
    fn unregistered(&mut self, room_id: &RoomId, event: Event) -> Option<Event>;

    /// Something that cannot be read; if it asks for a channel, it comes with its rejection.
    fn unreadable(&mut self, rejection: Option<Event>) -> Option<Event>;
}

/// Hands the peer's events to the rooms.
pub(super) struct Router<D> {
    pub(super) port: Arc<dyn ControlPort>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) outbox: Outbox,
    pub(super) registry: Arc<Registry>,
    pub(super) timing: Timing,
    pub(super) doorkeeper: D,
}

impl<D: Doorkeeper> Router<D> {
    /// Runs until nothing can come any more.
    pub(super) async fn run(mut self) {
        let records = records::read(&*self.port).await;
        self.doorkeeper.resume(records, &*self.port).await;
        let mut abandoning = pin!(tokio::time::sleep(self.timing.resume_within));
        loop {
            tokio::select! {
                () = &mut abandoning, if !abandoning.is_elapsed() => {
                    let said = self.doorkeeper.abandon(&self.registry);
                    self.say(said);
                }
                incoming = self.incoming.recv() => match incoming {
                    Some(incoming) => self.route(&incoming),
                    None => return,
                },
                () = self.outbox.send_one() => {}
            }
        }
    }

    fn say(&mut self, events: Vec<Event>) {
        for event in events {
            self.outbox.event(&event);
        }
    }

    fn route(&mut self, incoming: &Incoming) {
        let answer = match read(incoming, &self.timing) {
            Reading::Event(room_id, event) => self.pass(&room_id, event),
            Reading::Unreadable(rejection) => self.doorkeeper.unreadable(rejection),
            Reading::Nothing => None,
        };
        self.say(answer.into_iter().collect());
    }

    fn pass(&mut self, room_id: &RoomId, event: Event) -> Option<Event> {
        let Some(inbox) = self.registry.inbox(room_id) else {
            return self.doorkeeper.unregistered(room_id, event);
        };
        if inbox.try_send(event).is_err() {
            metrics::ignored(Ignored::Flooded);
        }
        None
    }
}

/// What came out of the control room.
#[derive(Debug)]
enum Reading {
    /// An event, and the room that it is for.
    Event(OwnedRoomId, Event),
    /// It cannot be read; the rejection, if it asks for a channel.
    Unreadable(Option<Event>),
    /// Nothing to do.
    Nothing,
}

/// Reads an event of the peer.
fn read(incoming: &Incoming, timing: &Timing) -> Reading {
    let event = match Event::from_json(&incoming.kind, &incoming.content) {
        Ok(Some(event)) => event,
        Ok(None) => {
            metrics::ignored(Ignored::UnknownType);
            return Reading::Nothing;
        }
        Err(error) => {
            tracing::debug!(%error, "an event of the peer cannot be read");
            metrics::ignored(Ignored::Unreadable);
            return Reading::Unreadable(error.rejection());
        }
    };
    metrics::received(event.kind());
    // Whoever asked this long ago has given up since, and may be gone without having said so.
    if matches!(event.body, Body::Request(_)) && incoming.age > timing.open_within {
        metrics::ignored(Ignored::Stale);
        return Reading::Nothing;
    }
    match RoomId::parse(event.header.room_id.as_str()) {
        Ok(room_id) => Reading::Event(room_id, event),
        Err(_not_a_room_id) => {
            metrics::ignored(Ignored::Unreadable);
            Reading::Unreadable(reject(&event, RejectReason::Malformed, "`room_id` is not a room id"))
        }
    }
}

/// The rejection of a request for which there is no machine; none where the event is something else.
pub(super) fn reject(event: &Event, reason: RejectReason, text: &str) -> Option<Event> {
    matches!(event.body, Body::Request(_)).then(|| Event {
        header: event.header.clone(),
        body: Body::Reject(Refusal::new(reason, text)),
    })
}
