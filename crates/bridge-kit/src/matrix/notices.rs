//! Says things to a room's people, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ruma::{OwnedRoomId, RoomId};
use tokio::time::Instant;

use super::{MatrixClient, MatrixError};

/// How long the same notice is not said again in the same room.
const QUIET: Duration = Duration::from_hours(1);

/// How many notices are remembered. With more, the room might hear one a second time.
const REMEMBERED: usize = 4096;

type Said = HashMap<(OwnedRoomId, &'static str), Instant>;

/// Posts notices, each kind at most once an hour in a room. Clones share what has been said.
#[derive(Debug, Clone)]
pub struct Notices {
    client: MatrixClient,
    said: Arc<Mutex<Said>>,
}

impl Notices {
    /// Creates it; the client's user will be the one who speaks.
    pub fn new(client: MatrixClient) -> Self {
        Self {
            client,
            said: Arc::default(),
        }
    }

    /// Posts a notice unless the room has had one of this kind lately; returns whether it did.
    ///
    /// What could not be posted does not count as said.
    pub async fn once(&self, room: &RoomId, kind: &'static str, text: &str) -> Result<bool, MatrixError> {
        let key = (room.to_owned(), kind);
        if !self.claim(key.clone()) {
            return Ok(false);
        }
        match self.client.send_notice(room, text).await {
            Ok(_) => Ok(true),
            Err(error) => {
                self.said.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
                Err(error)
            }
        }
    }

    fn claim(&self, key: (OwnedRoomId, &'static str)) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| at.elapsed() < QUIET);
        if said.contains_key(&key) {
            return false;
        }
        if said.len() >= REMEMBERED {
            said.clear();
        }
        said.insert(key, Instant::now());
        true
    }
}
