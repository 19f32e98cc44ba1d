//! The rooms that the bot is in: whether their calls are taken, and what they have to be told.

mod errands;

use bridge_kit::matrix::{Links, MatrixClient, MatrixEnd, MatrixError, Notices, RoomId};
use futures_util::future::BoxFuture;
use serde_json::Value;

pub use self::errands::Errands;
use crate::matrixrtc::{Reader, Snapshot};
use crate::notice::Notice;
use crate::ports::{Admission, Homeserver, SendFailed};

/// The homeserver's rooms, for calls.
#[derive(Debug, Clone)]
pub struct Rooms {
    client: MatrixClient,
    links: Links,
    notices: Notices,
}

impl Rooms {
    /// The rooms of this Matrix end.
    pub fn new(matrix: &MatrixEnd) -> Self {
        Self {
            client: matrix.client.clone(),
            links: matrix.links.clone(),
            notices: matrix.notices.clone(),
        }
    }

    async fn admission(&self, room: &RoomId) -> Result<Admission, MatrixError> {
        if self.links.is_encrypted(room).await? {
            return Ok(Admission::Encrypted);
        }
        Ok(match self.links.resolve(room).await? {
            Some(_) => Admission::Bridged,
            None => Admission::NotBridged,
        })
    }

    async fn say(&self, room: &RoomId, notice: &Notice) -> Result<(), MatrixError> {
        let text = notice.text();
        match notice.standing() {
            Some(kind) => drop(self.notices.once(room, kind, &text).await?),
            None => drop(self.client.send_notice(room, &text).await?),
        }
        Ok(())
    }
}

impl Homeserver for Rooms {
    fn send(&self, room: &RoomId, kind: &'static str, content: Value) -> BoxFuture<'static, Result<(), SendFailed>> {
        let (client, room) = (self.client.clone(), room.to_owned());
        Box::pin(async move {
            match client.send_event(&room, kind, &content).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, kind, "a call event could not be sent");
                    Err(SendFailed)
                }
            }
        })
    }

    fn notify(&self, room: &RoomId, notice: Notice) -> BoxFuture<'static, ()> {
        let (rooms, room) = (self.clone(), room.to_owned());
        Box::pin(async move {
            if let Err(error) = rooms.say(&room, &notice).await {
                tracing::warn!(%error, "a notice could not be posted");
            }
        })
    }

    fn admit(&self, room: &RoomId) -> BoxFuture<'static, Admission> {
        let (rooms, room) = (self.clone(), room.to_owned());
        Box::pin(async move {
            rooms.admission(&room).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the state of a room could not be read");
                Admission::Unknown
            })
        })
    }
}

impl Reader for Rooms {
    fn read(&self, room: &RoomId) -> BoxFuture<'static, Option<Snapshot>> {
        let (rooms, room) = (self.clone(), room.to_owned());
        Box::pin(async move {
            match rooms.admit(&room).await {
                // People of an encrypted room are told why nobody comes.
                Admission::Bridged | Admission::Encrypted => {}
                Admission::NotBridged | Admission::Unknown => return None,
            }
            match Snapshot::read(&rooms.client, &room).await {
                Ok(snapshot) => Some(snapshot),
                Err(error) => {
                    tracing::warn!(%error, "the call of a room could not be read");
                    None
                }
            }
        })
    }
}
