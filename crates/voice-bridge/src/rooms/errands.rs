//! What has to be asked of the homeserver about rooms, one thing after the other, beside the flow of events.

use bridge_kit::matrix::{MatrixEnd, MatrixError, OwnedRoomId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task};
use tokio::sync::mpsc;

use super::Rooms;
use crate::notice::Notice;
use crate::ports::{Admission, Homeserver};

/// Errands that may wait.
const QUEUE: usize = 256;
/// How far back a room's timeline is read: calls that are still alive are within the last few events.
const TIMELINE: u32 = 50;

/// Something to be done about rooms.
#[derive(Debug)]
pub enum Errand {
    /// The bot has come into a room, or the room was encrypted: see whether its people need to be told.
    Examine(OwnedRoomId),
    /// Read the recent past of all bridged rooms.
    CatchUp,
}

/// The task that runs errands. Dropping it ends it.
#[derive(Debug)]
pub struct Errands {
    errands: mpsc::Sender<Errand>,
    _task: Task<()>,
}

impl Errands {
    /// Starts the task. The recent past of rooms, oldest event first, comes out of the returned channel.
    pub fn start(matrix: MatrixEnd) -> (Self, mpsc::Receiver<Vec<RoomEvent>>) {
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

    /// Queues an errand. What does not fit is left undone, and counted.
    pub fn add(&self, errand: Errand) {
        if self.errands.try_send(errand).is_err() {
            metrics::counter!("voice_bridge_errands_dropped_total").increment(1);
        }
    }
}

struct Runner {
    rooms: Rooms,
    matrix: MatrixEnd,
    pasts: mpsc::Sender<Vec<RoomEvent>>,
}

impl Runner {
    async fn run(self, mut todo: mpsc::Receiver<Errand>) {
        while let Some(errand) = todo.recv().await {
            let outcome = match errand {
                Errand::Examine(room) => self.examine(&room).await,
                Errand::CatchUp => self.catch_up().await,
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "a room could not be read");
            }
        }
    }

    async fn examine(&self, room: &RoomId) -> Result<(), MatrixError> {
        if self.rooms.admission(room).await? == Admission::Encrypted {
            self.rooms.notify(room, Notice::Encrypted).await;
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), MatrixError> {
        let control = self.matrix.control.room();
        for room in self.matrix.client.joined_rooms().await? {
            if Some(&room) == control.as_ref() {
                continue;
            }
            // One room that cannot be read keeps no other from being served.
            if let Err(error) = self.catch_up_room(&room).await {
                tracing::warn!(%error, "the recent past of a room could not be read");
            }
        }
        Ok(())
    }

    async fn catch_up_room(&self, room: &RoomId) -> Result<(), MatrixError> {
        if self.rooms.admission(room).await? != Admission::Bridged {
            return Ok(());
        }
        self.matrix.bring_peer(room).await?;
        let past = self.matrix.client.recent_timeline(room, TIMELINE).await?;
        // The receiver is gone only when the program ends.
        let _ = self.pasts.send(past).await;
        Ok(())
    }
}
