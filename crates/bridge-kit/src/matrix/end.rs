//! The whole Matrix end of a bridge, wired up.

use std::sync::Arc;

use ruma::{OwnedRoomId, RoomId};
use tokio::sync::{mpsc, watch};

use super::invites::{Invites, PeerInviter};
use super::{
    Appservice, Connection, ControlRoom, LinkChange, Links, MatrixClient, MatrixError, Notices, RoomEvent, StartError,
};
use crate::channel::Incoming;
use crate::config::{Config, Role};
use crate::health::Health;
use crate::instruments;
use crate::supervise::Group;

/// Events that may wait for the program; beyond that the homeserver waits with its transaction.
const QUEUE: usize = 256;

/// Invitations and the like that may wait to be dealt with. What does not fit is left alone.
const CHORES: usize = 256;

/// Something that a bridge should know.
#[derive(Debug)]
pub enum MatrixEvent {
    /// The homeserver and the bridge reach each other, for the first time or again. What is held of the homeserver's
    /// state should be read again; events that were missed follow by themselves.
    Connected {
        /// 1 at first, more after each absence of the homeserver.
        times: u64,
    },
    /// A room that has been asked about is linked to another channel now, or to none.
    Link(LinkChange),
    /// An event of a room, of any type; not of the control room.
    Room(RoomEvent),
}

/// The Matrix end of a bridge: all its parts, and the tasks that feed them. Clones share it; the last drop ends it.
#[derive(Debug, Clone)]
pub struct MatrixEnd {
    /// Acts as the bridge's bot.
    pub client: MatrixClient,
    /// Where the two bridges talk.
    pub control: ControlRoom,
    /// Which rooms are bridged to what.
    pub links: Links,
    /// Speaks to the rooms' people.
    pub notices: Notices,
    appservice: Arc<Appservice>,
    inviter: PeerInviter,
    _tasks: Group,
}

/// What the Matrix end gives out.
#[derive(Debug)]
pub struct MatrixFeed {
    /// What happens in rooms.
    pub events: mpsc::Receiver<MatrixEvent>,
    /// What the peer says in the control room; for the channels' driver.
    pub incoming: mpsc::Receiver<Incoming>,
}

impl MatrixEnd {
    /// Starts everything. Does not wait for the homeserver: see [`established`](Self::established).
    pub async fn start<S>(config: &Config<S>, role: Role, health: &Health) -> Result<(Self, MatrixFeed), StartError> {
        let client = MatrixClient::new(&config.homeserver, &config.appservice)?;
        let (appservice, queue) = Appservice::start(&config.appservice, client.clone(), health).await?;
        let (control, incoming) =
            ControlRoom::start(role, client.clone(), &config.peer, appservice.connection(), health);
        let links = Links::new(client.clone(), config.links.clone());
        let notices = Notices::new(client.clone());
        let peer = config.peer.user_id.clone();
        let policy = Invites::new(client.clone(), config.links.invite_from.clone(), peer.clone());
        let inviter = PeerInviter::new(client.clone(), notices.clone(), peer);

        let (chores, todo) = mpsc::channel(CHORES);
        let (sender, events) = mpsc::channel(QUEUE);
        let tasks = Group::new("matrix");
        let dispatcher = Dispatcher {
            role,
            control: control.clone(),
            links: links.clone(),
            policy: policy.clone(),
            client: client.clone(),
            chores,
            events: sender,
        };
        tasks.spawn("matrix.dispatch", dispatcher.run(queue, appservice.connection()));
        tasks.spawn("matrix.chores", work(todo, policy, inviter.clone(), links.clone()));
        let end = Self {
            client,
            control,
            links,
            notices,
            appservice: Arc::new(appservice),
            inviter,
            _tasks: tasks,
        };
        Ok((end, MatrixFeed { events, incoming }))
    }

    /// Waits until the homeserver and the bridge reach each other; fails where our token is refused.
    pub async fn established(&self) -> Result<(), StartError> {
        self.appservice.established().await
    }

    /// The state of the way to the homeserver, and each change of it.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.appservice.connection()
    }

    /// Makes sure that the other bridge's bot is in a room, or invited; returns whether it is.
    ///
    /// Where our bot may not invite, the room is told once which command does it.
    pub async fn bring_peer(&self, room: &RoomId) -> Result<bool, MatrixError> {
        self.inviter.bring(room).await
    }
}

/// Hands each event to those whom it concerns, in order.
struct Dispatcher {
    role: Role,
    control: ControlRoom,
    links: Links,
    policy: Invites,
    client: MatrixClient,
    chores: mpsc::Sender<Chore>,
    events: mpsc::Sender<MatrixEvent>,
}

/// What takes time, and so must not hold up the events.
enum Chore {
    Answer(RoomEvent),
    BringPeer(OwnedRoomId),
}

impl Dispatcher {
    async fn run(self, mut queue: mpsc::Receiver<RoomEvent>, mut connection: watch::Receiver<Connection>) {
        loop {
            let delivered = tokio::select! {
                Some(event) = queue.recv() => self.dispatch(event).await,
                Ok(()) = connection.changed() => {
                    let state = *connection.borrow_and_update();
                    match state {
                        Connection::Connected { times } => self.deliver(MatrixEvent::Connected { times }).await,
                        Connection::Connecting | Connection::Refused => true,
                    }
                }
                else => false,
            };
            if !delivered {
                return;
            }
        }
    }

    async fn dispatch(&self, event: RoomEvent) -> bool {
        if self.control.handle(&event) {
            return true;
        }
        if self.policy.concerns(&event) {
            self.later(Chore::Answer(event.clone()));
        }
        let change = self.links.observe(&event);
        if self.role == Role::Asks && (self.has_joined(&event) || change.as_ref().is_some_and(|c| c.link.is_some())) {
            self.later(Chore::BringPeer(event.room_id.clone()));
        }
        if let Some(change) = change
            && !self.deliver(MatrixEvent::Link(change)).await
        {
            return false;
        }
        self.deliver(MatrixEvent::Room(event)).await
    }

    fn has_joined(&self, event: &RoomEvent) -> bool {
        matches!(event.membership(), Some((user, "join")) if user == self.client.bot().as_str())
    }

    fn later(&self, chore: Chore) {
        if self.chores.try_send(chore).is_err() {
            instruments::MATRIX_CHORES_DROPPED.get().increment(1);
            tracing::warn!("too many invitations at once; some are left alone");
        }
    }

    /// Returns whether there is still somebody to deliver to.
    async fn deliver(&self, event: MatrixEvent) -> bool {
        self.events.send(event).await.is_ok()
    }
}

async fn work(mut todo: mpsc::Receiver<Chore>, policy: Invites, inviter: PeerInviter, links: Links) {
    while let Some(chore) = todo.recv().await {
        match chore {
            Chore::Answer(invitation) => policy.answer(&invitation).await,
            Chore::BringPeer(room) => {
                if let Err(error) = bring_where_linked(&room, &inviter, &links).await {
                    tracing::warn!(%error, "could not bring the other bridge into a bridged room");
                }
            }
        }
    }
}

async fn bring_where_linked(room: &RoomId, inviter: &PeerInviter, links: &Links) -> Result<(), MatrixError> {
    if links.resolve(room).await?.is_some() {
        inviter.bring(room).await?;
    }
    Ok(())
}
