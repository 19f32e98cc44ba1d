//! The voice side: makes the control room and mends it.

use ruma::api::client::room::create_room;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, RoomId};
use serde_json::{Value, json};
use signalling::{Mark, names};

use super::Shared;
use super::keeper::Findings;
use super::power::{POWER, mended, power_levels};
use crate::matrix::{Fault, MatrixError, RoomEvent};

impl Shared {
    pub(super) async fn look_as_owner(&self) -> Result<Findings, MatrixError> {
        let alias = &self.peer.control_alias;
        let room = match self.client.resolve_alias(alias).await? {
            None => self.create().await?,
            Some(room) => match self.defect(&room).await? {
                None => room,
                Some(defect) => {
                    tracing::warn!("{defect}; making a new control room");
                    self.client.delete_alias(alias).await?;
                    self.create().await?
                }
            },
        };
        self.consider(&room);
        self.mend_mark(&room).await?;
        self.mend_power(&room).await?;
        if self.peer_is_here(&room).await? {
            Ok(Findings::Complete(room))
        } else {
            Ok(Findings::PeerAbsent(room))
        }
    }

    /// Why the room under the alias is of no use and cannot be mended.
    async fn defect(&self, room: &RoomId) -> Result<Option<&'static str>, MatrixError> {
        if !self.is_ours(room).await? {
            // Only this bridge can have set the alias, so the room is one that it has lost its place in.
            return Ok(Some("the control room's alias leads nowhere"));
        }
        let closed = self.is_closed(room).await?;
        Ok(closed.then_some("a tombstone closes the control room"))
    }

    /// Whether we can be in the room, and made it: a room of somebody else cannot be mended, and its creator stands
    /// above all power levels from room version 12 on.
    async fn is_ours(&self, room: &RoomId) -> Result<bool, MatrixError> {
        match self.client.join(room).await {
            Ok(()) => {}
            Err(error) if matches!(error.fault(), Fault::Forbidden | Fault::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        }
        let create = self.client.state_event(room, "m.room.create", "").await?;
        Ok(create.is_some_and(|event| event.sender == self.client.bot()))
    }

    /// The alias is the mutex: of two who create at once, one is told that it is taken.
    async fn create(&self) -> Result<OwnedRoomId, MatrixError> {
        let mut request = create_room::v3::Request::new();
        request.room_alias_name = Some(self.peer.control_alias.alias().to_owned());
        request.preset = Some(create_room::v3::RoomPreset::PrivateChat);
        request.name = Some("VDP control".to_owned());
        request.topic =
            Some("The two bridges of calls agree on channels here. Nothing else is listened to.".to_owned());
        let mark = json!({ "type": names::CONTROL, "state_key": "", "content": self.mark().to_json() });
        request.initial_state = vec![raw(&mark)?.cast_unchecked()];
        request.power_level_content_override = Some(raw(&power_levels())?.cast_unchecked());
        tracing::info!("making the control room");
        self.client.create_room(request).await
    }

    async fn mend_mark(&self, room: &RoomId) -> Result<(), MatrixError> {
        let expected = self.mark();
        let mark = self.client.state_event(room, names::CONTROL, "").await?;
        let intact = |event: RoomEvent| {
            event.sender == self.client.bot() && Mark::from_json(&event.content).is_ok_and(|mark| mark == expected)
        };
        if mark.is_some_and(intact) {
            return Ok(());
        }
        tracing::warn!("setting the control room's mark again");
        self.client
            .send_state(room, names::CONTROL, "", &expected.to_json())
            .await
            .map(drop)
    }

    async fn mend_power(&self, room: &RoomId) -> Result<(), MatrixError> {
        let levels = self
            .client
            .state_event(room, POWER, "")
            .await?
            .map(|event| event.content);
        let Some(mended) = mended(&levels.unwrap_or_default(), &self.peer.user_id) else {
            return Ok(());
        };
        tracing::warn!("giving the peer its power in the control room again");
        self.client.send_state(room, POWER, "", &mended).await.map(drop)
    }

    async fn peer_is_here(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let peer = &self.peer.user_id;
        let member = self.client.state_event(room, "m.room.member", peer.as_str()).await?;
        match member.as_ref().and_then(RoomEvent::membership) {
            Some((_, "join")) => return Ok(true),
            Some((_, "invite")) => {}
            _ => self.client.invite(room, peer).await?,
        }
        Ok(false)
    }
}

fn raw(json: &Value) -> Result<Raw<Value>, MatrixError> {
    Raw::new(json).map_err(|error| MatrixError::Request(error.to_string()))
}
