//! The asking side: a session for each call.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use ruma::{OwnedRoomId, RoomId};
use signalling::{
    Audience, BrokenReason, Call, CloseReason, Connection, Ending, Event, Input, Notice, Person, Refusal, Side,
    TransactionId,
};
use tokio::sync::{mpsc, oneshot, watch};
use vdp_proto::sealed::Role;

use super::metrics::{self, Ignored};
use super::office::Office;
use super::port::{ControlPort, Incoming};
use super::records::Records;
use super::registry::{NotRegistered, Place, Registered, Registry, Wish, Wishes};
use super::room::{Program, Room, lost, now};
use super::router::Doorkeeper;
use super::settings::Settings;
use super::status::ChannelStatus;
use crate::media::RoomMedia;
use crate::supervise::Task;
use crate::vdp::Endpoint;

/// Session events that may wait for the program; it gets the ending in any case.
const WAITING_EVENTS: usize = 16;

/// Asks the other bridge for channels. Clones share everything; the last one dropped ends all of it.
#[derive(Debug, Clone)]
pub struct Asker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    office: Office,
    _router: Task<()>,
}

/// Why no channel can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The room has a session already.
    #[error("the room has a channel already, or asks for one")]
    Busy,
    /// There are as many sessions as are allowed.
    #[error("there are as many channels as are allowed")]
    Full,
    /// The bridge is being shut down.
    #[error("no more channels are asked for")]
    Stopped,
}

impl Asker {
    /// Starts asking over `port`; `incoming` is what the peer says. To be called within a tokio runtime.
    pub fn start(
        port: Arc<dyn ControlPort>,
        incoming: mpsc::Receiver<Incoming>,
        endpoint: Endpoint,
        settings: Settings,
    ) -> Self {
        let office = Office::open(Role::Asking, port, endpoint, settings);
        let router = office.receive(incoming, Farewells::default());
        Self {
            inner: Arc::new(Inner {
                office,
                _router: router,
            }),
        }
    }

    /// Asks for a channel for the room, and carries `media` over it for as long as the session lives.
    pub fn ask(&self, room_id: &RoomId, media: RoomMedia) -> Result<Session, AskError> {
        let Office {
            ground,
            settings,
            registry,
            group,
        } = &self.inner.office;
        if ground.stopping.is_cancelled() {
            return Err(AskError::Stopped);
        }
        let Registered { place, wishes, desk } = registry.register(room_id).map_err(|reason| match reason {
            NotRegistered::Busy => AskError::Busy,
            NotRegistered::Full => AskError::Full,
        })?;
        let call = Call {
            room_id: room_id.to_string(),
            transaction_id: TransactionId::from_number(rand::random()),
            formats: settings.formats.clone(),
            after_epoch: 0,
        };
        let (machine, first) = signalling::Asker::start(now(), call, settings.timing, rand::random());
        let (events, incoming) = mpsc::channel(WAITING_EVENTS);
        let (ending, ended) = oneshot::channel();
        let audience = watch::Sender::default();
        let caller = Caller {
            audience: audience.subscribe(),
            media,
            events: Some(events),
            ending: Some(ending),
            place: Some(place),
        };
        let mut room = Room::new(machine, caller, ground, desk);
        group.spawn("channel.room", async move { room.run(first).await });
        Ok(Session {
            room_id: room_id.to_owned(),
            events: incoming,
            ending: Some(ended),
            audience,
            wishes,
        })
    }

    /// Where all sessions stand.
    pub fn status(&self) -> Vec<ChannelStatus> {
        self.inner.office.registry.snapshot()
    }

    /// Closes all channels because the bridge is being shut down, and waits, briefly, until that has been said.
    pub async fn stop(&self) {
        self.inner.office.close().await;
    }
}

/// A call's channel. Dropping it closes the channel.
#[derive(Debug)]
pub struct Session {
    room_id: OwnedRoomId,
    events: mpsc::Receiver<SessionEvent>,
    ending: Option<oneshot::Receiver<Ending>>,
    audience: watch::Sender<Audience>,
    wishes: Wishes,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// Voice flows. Comes again, with a higher epoch, when a channel that broke is back.
    Open {
        /// Which epoch.
        epoch: u32,
        /// Where the peer hears.
        peer: SocketAddr,
    },
    /// The channel broke; it is being renegotiated, and nothing needs to be done.
    Broken {
        /// How that was noticed.
        reason: BrokenReason,
        /// For people.
        text: String,
    },
    /// Who is in the voice channel now: all of them. Nobody, before this comes for the first time.
    People(Vec<Person>),
    /// There will be no channel. The last event.
    Rejected(Refusal),
    /// The channel is over. The last event.
    Closed {
        /// Why.
        reason: CloseReason,
        /// For people.
        text: String,
        /// Who closed it.
        by: Side,
    },
}

impl Session {
    /// The room.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// What happens next; none after [`SessionEvent::Rejected`] or [`SessionEvent::Closed`]. May be cancelled.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        if let Some(event) = self.events.recv().await {
            return Some(event);
        }
        let ending = self.ending.as_mut()?.await.unwrap_or_else(|_task_is_gone| lost());
        self.ending = None;
        Some(match ending {
            Ending::Rejected(refusal) => SessionEvent::Rejected(refusal),
            Ending::Closed { reason, text, by } => SessionEvent::Closed { reason, text, by },
        })
    }

    /// Says for whom the peer's voice is taken in: until this is said, for somebody. Where it changes, the peer is told.
    pub fn set_audience(&self, audience: Audience) {
        self.audience
            .send_if_modified(|told| std::mem::replace(told, audience) != audience);
    }

    /// Closes the channel, and tells the peer why.
    pub fn close(self, reason: CloseReason, text: impl Into<String>) {
        self.wishes.send_replace(Some(Wish::End {
            reason,
            text: text.into(),
        }));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A machine that is closing already takes no notice, so what `close` said stands.
        self.wishes.send_if_modified(|wish| {
            let unsaid = wish.is_none();
            if unsaid {
                *wish = Some(Wish::End {
                    reason: CloseReason::CallEnded,
                    text: String::new(),
                });
            }
            unsaid
        });
    }
}

/// The program's end of a session.
#[derive(Debug)]
struct Caller {
    media: RoomMedia,
    audience: watch::Receiver<Audience>,
    events: Option<mpsc::Sender<SessionEvent>>,
    ending: Option<oneshot::Sender<Ending>>,
    place: Option<Place>,
}

impl Program for Caller {
    fn media(&self) -> Option<&RoomMedia> {
        Some(&self.media)
    }

    fn admit(&mut self) {}

    fn audience(&mut self) -> Audience {
        *self.audience.borrow_and_update()
    }

    fn notify(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Opened(Connection { channel, peer, .. }) => SessionEvent::Open {
                epoch: channel.epoch,
                peer,
            },
            Notice::Broken { reason, text, .. } => SessionEvent::Broken { reason, text },
            Notice::People(people) => SessionEvent::People(people),
            Notice::Audience(_) => return,
        };
        if let Some(events) = &self.events
            && events.try_send(event).is_err()
        {
            tracing::warn!("a session's program does not keep up with its events");
        }
    }

    fn finish(&mut self, ending: Ending) {
        // Given up first, so that whoever hears of the end can ask anew at once.
        self.place = None;
        if let Some(said) = self.ending.take() {
            // Nobody listens where the session was dropped.
            let _ = said.send(ending);
        }
        self.events = None;
    }

    async fn next(&mut self) -> Option<Input> {
        if self.audience.changed().await.is_err() {
            // The session was dropped, which ends it.
            return pending().await;
        }
        None
    }

    fn is_at_rest(&self) -> bool {
        true
    }
}

/// Ends what the peer takes for a channel of this side and is none any more.
#[derive(Debug, Default)]
struct Farewells {
    /// What was open before this side was started: left alone for a while, since its call may go on.
    before: Records,
}

impl Doorkeeper for Farewells {
    async fn resume(&mut self, records: Records, _: &dyn ControlPort) {
        self.before = records;
    }

    fn abandon(&mut self, registry: &Registry) -> Vec<Event> {
        // What has a task was asked for again, in a transaction that took this one's place.
        let over = std::mem::take(&mut self.before)
            .into_iter()
            .filter(|(room_id, _)| registry.inbox(room_id).is_none());
        over.map(|(_, record)| signalling::Asker::abandon(&record)).collect()
    }

    fn unregistered(&mut self, room_id: &RoomId, event: Event) -> Option<Event> {
        let may_go_on = self
            .before
            .get(room_id)
            .is_some_and(|record| record.header.transaction_id == event.header.transaction_id);
        if may_go_on {
            return None;
        }
        let answer = signalling::Asker::answer_unknown(&event);
        if answer.is_none() {
            metrics::ignored(Ignored::Stray);
        }
        answer
    }

    /// This side owes no answer to what it cannot read: the peer's repeats end in a time-out that says so.
    fn unreadable(&mut self, _: Option<Event>) -> Option<Event> {
        None
    }
}
