//! The calls that are followed, as a status page shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bridge_kit::matrix::{OwnedRoomId, RoomId};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::session::Picture;

/// A list of pictures. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<OwnedRoomId, watch::Receiver<Picture>>>>);

impl Board {
    pub(super) fn put_up(&self, room: &RoomId, picture: watch::Receiver<Picture>) {
        self.pictures().insert(room.to_owned(), picture);
    }

    pub(super) fn take_down(&self, room: &RoomId) {
        self.pictures().remove(room);
    }

    /// The calls. It tells no names.
    pub fn status(&self) -> Value {
        let pictures = self.pictures();
        pictures
            .iter()
            .map(|(room, picture)| {
                let picture = picture.borrow();
                let sfus = picture.connections.as_ref().map_or(0, |sfus| 1 + sfus.others.len());
                json!({
                    "room_id": room.as_str(), "phase": picture.phase, "callers": picture.callers, "sfus": sfus,
                })
            })
            .collect()
    }

    fn pictures(&self) -> MutexGuard<'_, BTreeMap<OwnedRoomId, watch::Receiver<Picture>>> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
