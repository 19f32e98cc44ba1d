//! The answering side: joins when its peer invites it, and checks what it has joined.

use ruma::RoomId;
use signalling::{Mark, names};

use super::keeper::Findings;
use super::{Shared, ignored};
use crate::matrix::{Fault, MatrixError};

impl Shared {
    pub(super) async fn look_as_guest(&self) -> Result<Findings, MatrixError> {
        let Some(room) = self.client.resolve_alias(&self.peer.control_alias).await? else {
            return Ok(Findings::Waiting("waits for the peer to make the control room"));
        };
        if self.is_lure(&room) {
            ignored("lure");
            return Ok(Findings::Waiting(
                "somebody who is not the peer invites to the control room's alias",
            ));
        }
        match self.client.join(&room).await {
            Ok(()) => {}
            Err(error) if matches!(error.fault(), Fault::Forbidden | Fault::NotFound) => {
                return Ok(Findings::Waiting("waits for the peer's invitation to the control room"));
            }
            Err(error) => return Err(error),
        }
        if !self.made_by_peer(&room).await? {
            ignored("forged_room");
            self.client.leave(&room).await?;
            return Ok(Findings::Waiting(
                "the room under the control room's alias was not made by the peer",
            ));
        }
        if self.is_closed(&room).await? {
            return Ok(Findings::Waiting(
                "a tombstone closes the control room; waits for the peer to make another",
            ));
        }
        self.consider(&room);
        if self.is_marked(&room).await? {
            Ok(Findings::Complete(room))
        } else {
            Ok(Findings::Waiting("waits for the peer to mark the control room"))
        }
    }

    async fn made_by_peer(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let create = self.client.state_event(room, "m.room.create", "").await?;
        Ok(create.is_some_and(|event| event.sender == self.peer.user_id))
    }

    async fn is_marked(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let Some(event) = self.client.state_event(room, names::CONTROL, "").await? else {
            return Ok(false);
        };
        let agrees = Mark::from_json(&event.content).is_ok_and(|mark| mark == self.mark());
        Ok(agrees && event.sender == self.peer.user_id)
    }
}
