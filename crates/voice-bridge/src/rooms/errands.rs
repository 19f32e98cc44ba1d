//! What has to be asked of the homeserver about rooms, one thing after the other, beside the flow of events.

use bridge_kit::matrix::{MatrixEnd, MatrixError, OwnedRoomId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task};
use futures_util::stream::{self, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::Rooms;
use crate::instruments;
use crate::notice::Notice;
use crate::ports::{Admission, Homeserver};

/// Errands that may wait.
const QUEUE: usize = 256;
/// What is read of a room's past: its calls, and who has left since.
const KINDS: [&str; 3] = ["m.call.*", "org.matrix.call.*", "m.room.member"];
/// How many such events are read. A call is about ten of them, and more each time that it is muted or held.
const TIMELINE: u32 = 300;
/// Rooms whose past is read at a time.
const AT_ONCE: usize = 8;

/// Something to be done about rooms.
#[derive(Debug)]
enum Errand {
    Examine(OwnedRoomId),
    Introduce(OwnedRoomId),
    CatchUp(oneshot::Sender<()>),
}

/// The recent past of a bridged room.
#[derive(Debug)]
pub struct Past {
    /// The room.
    pub room: OwnedRoomId,
    /// Its call events, and who has left since, the oldest first.
    pub events: Vec<RoomEvent>,
}

/// The task that runs errands. Dropping it ends it.
#[derive(Debug)]
pub struct Errands {
    errands: mpsc::Sender<Errand>,
    _task: Task<()>,
}

impl Errands {
    /// Starts the task. The recent past of rooms comes out of the returned channel.
    pub fn start(matrix: MatrixEnd) -> (Self, mpsc::Receiver<Past>) {
        let (errands, todo) = mpsc::channel(QUEUE);
        let (pasts, receiver) = mpsc::channel(1);
        let runner = Runner {
            rooms: Rooms::new(&matrix),
            matrix,
            pasts,
        };
        let task = supervise::spawn("rooms.errands", "rooms", runner.run(todo));
        (Self { errands, _task: task }, receiver)
    }

    /// The bot has come into a room, or the room was encrypted: tells its people what they have to know.
    pub fn examine(&self, room: OwnedRoomId) {
        self.add(Errand::Examine(room));
    }

    /// A room was linked, or linked to something else: shows the bot there under the name of what it stands for.
    pub fn introduce(&self, room: OwnedRoomId) {
        self.add(Errand::Introduce(room));
    }

    /// Reads the recent past of all bridged rooms. The receiver is done once all of it has been given out.
    pub fn catch_up(&self) -> oneshot::Receiver<()> {
        let (all_read, receiver) = oneshot::channel();
        self.add(Errand::CatchUp(all_read));
        receiver
    }

    /// Queues an errand. What does not fit is left undone, and counted.
    fn add(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            instruments::ERRANDS_DROPPED.get().increment(1);
        }
    }
}

struct Runner {
    rooms: Rooms,
    matrix: MatrixEnd,
    pasts: mpsc::Sender<Past>,
}

impl Runner {
    async fn run(self, mut todo: mpsc::Receiver<Errand>) {
        while let Some(errand) = todo.recv().await {
            let outcome = match errand {
                Errand::Examine(room) => self.examine(&room).await,
                Errand::Introduce(room) => self.rooms.show_name(&room).await,
                Errand::CatchUp(all_read) => self.catch_up(all_read).await,
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "a room could not be read");
            }
        }
    }

    async fn examine(&self, room: &RoomId) -> Result<(), MatrixError> {
        match self.rooms.admission(room).await? {
            Admission::Encrypted => self.rooms.notify(room, Notice::Encrypted).await,
            Admission::Bridged => self.rooms.show_name(room).await?,
            Admission::NotBridged | Admission::Unknown => {}
        }
        Ok(())
    }

    /// Reads what calls wait for first, and then prepares the rooms for the next.
    async fn catch_up(&self, all_read: oneshot::Sender<()>) -> Result<(), MatrixError> {
        let rooms = self.matrix.client.joined_rooms().await?;
        stream::iter(&rooms)
            .for_each_concurrent(AT_ONCE, |room| async move {
                // One room that cannot be read keeps no other from being served.
                if let Err(error) = self.recall(room).await {
                    tracing::warn!(%error, "the recent past of a room could not be read");
                }
            })
            .await;
        // Whoever does not wait any more needs no word.
        let _ = all_read.send(());
        let control = self.matrix.control.room();
        for room in rooms.iter().filter(|room| Some(*room) != control.as_ref()) {
            if let Err(error) = self.prepare(room).await {
                tracing::warn!(%error, "a room could not be prepared for its calls");
            }
        }
        Ok(())
    }

    async fn recall(&self, room: &RoomId) -> Result<(), MatrixError> {
        if self.rooms.admission(room).await? != Admission::Bridged {
            return Ok(());
        }
        let past = Past {
            room: room.to_owned(),
            events: self.matrix.client.recent_events(room, &KINDS, TIMELINE).await?,
        };
        // The receiver is gone only when the program ends.
        let _ = self.pasts.send(past).await;
        Ok(())
    }

    /// Sees that both bots are there, and ours by its name, before anybody calls.
    async fn prepare(&self, room: &RoomId) -> Result<(), MatrixError> {
        if self.rooms.admission(room).await? == Admission::Bridged {
            self.matrix.bring_peer(room).await?;
            self.rooms.show_name(room).await?;
        }
        Ok(())
    }
}
