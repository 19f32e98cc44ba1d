//! The rooms that the bot is in: whether their calls are taken, and what they have to be told.

mod errands;

use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::{Links, MatrixClient, MatrixEnd, MatrixError, Notices, RoomId, UserId};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Semaphore;

pub use self::errands::{Errands, Past};
use crate::matrixrtc::{Reader, Snapshot};
use crate::notice::Notice;
use crate::ports::{Admission, Homeserver, SendFailed};

/// How long a device is tried to be told of something that is soon old.
const MOMENT: Duration = Duration::from_secs(2);
/// Rooms whose calls are read at a time.
const READINGS: usize = 8;

/// The homeserver's rooms, for calls.
#[derive(Debug, Clone)]
pub struct Rooms {
    client: MatrixClient,
    links: Links,
    notices: Notices,
    readings: Arc<Semaphore>,
}

impl Rooms {
    /// The rooms of this Matrix end.
    pub fn new(matrix: &MatrixEnd) -> Self {
        Self {
            client: matrix.client.clone(),
            links: matrix.links.clone(),
            notices: matrix.notices.clone(),
            readings: Arc::new(Semaphore::new(READINGS)),
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

    /// Shows the bot in a room under the name of what it stands for.
    async fn show_name(&self, room: &RoomId) -> Result<(), MatrixError> {
        let Some(link) = self.links.resolve(room).await? else {
            return Ok(());
        };
        let name = self.links.channel_name(room).await?;
        self.client
            .set_name_in(room, &shown_name(&link.protocol, name.as_deref()))
            .await
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

    fn send_to_device(
        &self,
        user: &str,
        device: &str,
        kind: &'static str,
        content: Value,
    ) -> BoxFuture<'static, Result<(), SendFailed>> {
        let client = self.client.with_patience(MOMENT);
        let (user, device) = (UserId::parse(user), device.to_owned());
        Box::pin(async move {
            let Ok(user) = user else { return Err(SendFailed) };
            let sent = client.send_to_device(&user, &device, kind, &content).await;
            sent.map_err(|error| {
                tracing::debug!(%error, kind, "a device could not be told");
                SendFailed
            })
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
            // It is never closed.
            let _permit = rooms.readings.acquire().await;
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

/// What the bot is called in a room: the network and the channel that it stands for.
fn shown_name(protocol: &str, channel: Option<&str>) -> String {
    let mut letters = protocol.chars();
    let initial = letters.next().map(char::to_uppercase).into_iter().flatten();
    let network: String = initial.chain(letters).collect();
    match channel {
        Some(channel) => format!("{network}: {channel}"),
        None => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_the_bot_is_called_by_what_it_stands_for() {
        assert_eq!(shown_name("discord", Some("General")), "Discord: General");
        assert_eq!(shown_name("discord", None), "Discord");
    }
}
