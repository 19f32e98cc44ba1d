//! What a user does in rooms.

use ruma::api::Direction;
use ruma::api::client::alias::{delete_alias, get_alias};
use ruma::api::client::filter::RoomEventFilter;
use ruma::api::client::membership::{invite_user, join_room_by_id, joined_members, joined_rooms, leave_room};
use ruma::api::client::message::{get_message_events, send_message_event};
use ruma::api::client::room::create_room;
use ruma::api::client::state::{get_state_event_for_key, get_state_events, send_state_event};
use ruma::serde::Raw;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, TransactionId, UInt, UserId};
use serde::Serialize;
use serde_json::{Value, json};

use super::MatrixClient;
use crate::matrix::{Fault, MatrixError, RoomEvent};

impl MatrixClient {
    /// Sends an event of any type into a room. However often it is repeated, it happens once.
    pub async fn send_event(
        &self,
        room: &RoomId,
        kind: &str,
        content: &impl Serialize,
    ) -> Result<OwnedEventId, MatrixError> {
        let request = send_message_event::v3::Request::new_raw(
            room.to_owned(),
            TransactionId::new(),
            kind.into(),
            raw(content)?.cast_unchecked(),
        );
        Ok(self.request(request).await?.event_id)
    }

    /// Sends a notice: a message for people that no bot answers.
    pub async fn send_notice(&self, room: &RoomId, text: &str) -> Result<OwnedEventId, MatrixError> {
        self.send_event(room, "m.room.message", &json!({ "msgtype": "m.notice", "body": text }))
            .await
    }

    /// Sets a piece of a room's state.
    pub async fn send_state(
        &self,
        room: &RoomId,
        kind: &str,
        state_key: &str,
        content: &impl Serialize,
    ) -> Result<OwnedEventId, MatrixError> {
        let content = raw(content)?.cast_unchecked();
        let request =
            send_state_event::v3::Request::new_raw(room.to_owned(), kind.into(), state_key.to_owned(), content);
        Ok(self.request(request).await?.event_id)
    }

    /// Reads a piece of a room's state, with its sender; `None` where it is not set.
    pub async fn state_event(
        &self,
        room: &RoomId,
        kind: &str,
        state_key: &str,
    ) -> Result<Option<RoomEvent>, MatrixError> {
        use get_state_event_for_key::v3::{Request, StateEventFormat};
        let mut request = Request::new(room.to_owned(), kind.into(), state_key.to_owned());
        request.format = StateEventFormat::Event;
        match self.request(request).await {
            Ok(response) => event(response.event_or_content.get(), room).map(Some),
            Err(error) if error.fault() == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the whole state of a room. Events that make no sense are left out.
    pub async fn room_state(&self, room: &RoomId) -> Result<Vec<RoomEvent>, MatrixError> {
        let response = self
            .request(get_state_events::v3::Request::new(room.to_owned()))
            .await?;
        Ok(response
            .room_state
            .iter()
            .filter_map(|raw| event(raw.json().get(), room).ok())
            .collect())
    }

    /// Reads the last events of a room, the oldest first. Events that make no sense are left out.
    pub async fn recent_timeline(&self, room: &RoomId, limit: u32) -> Result<Vec<RoomEvent>, MatrixError> {
        self.timeline(room, limit, RoomEventFilter::default()).await
    }

    /// Reads the last events of certain types, the oldest first; `*` in a type stands for anything.
    pub async fn recent_events(
        &self,
        room: &RoomId,
        kinds: &[&str],
        limit: u32,
    ) -> Result<Vec<RoomEvent>, MatrixError> {
        let mut filter = RoomEventFilter::default();
        filter.types = Some(kinds.iter().map(ToString::to_string).collect());
        self.timeline(room, limit, filter).await
    }

    async fn timeline(
        &self,
        room: &RoomId,
        limit: u32,
        filter: RoomEventFilter,
    ) -> Result<Vec<RoomEvent>, MatrixError> {
        let mut request = get_message_events::v3::Request::new(room.to_owned(), Direction::Backward);
        request.limit = UInt::from(limit);
        request.filter = filter;
        let response = self.request(request).await?;
        Ok(response
            .chunk
            .iter()
            .rev()
            .filter_map(|raw| event(raw.json().get(), room).ok())
            .collect())
    }

    /// Has the user be shown under this name in one room, with what else is shown of him there as it is.
    pub async fn set_name_in(&self, room: &RoomId, name: &str) -> Result<(), MatrixError> {
        let user = self.user().as_str();
        let member = self.state_event(room, "m.room.member", user).await?;
        let Some(Value::Object(mut content)) = member.map(|event| event.content) else {
            return Ok(());
        };
        let says = |key: &str, value: &str| content.get(key).and_then(Value::as_str) == Some(value);
        if says("membership", "join") && !says("displayname", name) {
            content.insert("displayname".to_owned(), name.into());
            self.send_state(room, "m.room.member", user, &content).await?;
        }
        Ok(())
    }

    /// Joins a room; being in it already is fine.
    pub async fn join(&self, room: &RoomId) -> Result<(), MatrixError> {
        self.request(join_room_by_id::v3::Request::new(room.to_owned()))
            .await
            .map(drop)
    }

    /// Leaves a room, or declines the invitation to it.
    pub async fn leave(&self, room: &RoomId) -> Result<(), MatrixError> {
        self.request(leave_room::v3::Request::new(room.to_owned()))
            .await
            .map(drop)
    }

    /// Invites somebody.
    pub async fn invite(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        use invite_user::v3::{InvitationRecipient, InviteUserId, Request};
        let recipient = InvitationRecipient::UserId(InviteUserId::new(user.to_owned()));
        self.request(Request::new(room.to_owned(), recipient)).await.map(drop)
    }

    /// Creates a room. Where an alias is asked for, two attempts never make two rooms under it.
    pub async fn create_room(&self, request: create_room::v3::Request) -> Result<OwnedRoomId, MatrixError> {
        Ok(self.request(request).await?.room_id)
    }

    /// Looks up the room that an alias points to; `None` where there is no such alias.
    pub async fn resolve_alias(&self, alias: &RoomAliasId) -> Result<Option<OwnedRoomId>, MatrixError> {
        match self.request(get_alias::v3::Request::new(alias.to_owned())).await {
            Ok(response) => Ok(Some(response.room_id)),
            Err(error) if error.fault() == Fault::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes an alias away from its room.
    pub async fn delete_alias(&self, alias: &RoomAliasId) -> Result<(), MatrixError> {
        self.request(delete_alias::v3::Request::new(alias.to_owned()))
            .await
            .map(drop)
    }

    /// Lists who is in a room.
    pub async fn joined_members(&self, room: &RoomId) -> Result<Vec<OwnedUserId>, MatrixError> {
        let response = self.request(joined_members::v3::Request::new(room.to_owned())).await?;
        Ok(response.joined.into_keys().collect())
    }

    /// Lists the rooms that the user is in.
    pub async fn joined_rooms(&self) -> Result<Vec<OwnedRoomId>, MatrixError> {
        Ok(self.request(joined_rooms::v3::Request::new()).await?.joined_rooms)
    }
}

pub(super) fn raw(content: &impl Serialize) -> Result<Raw<Value>, MatrixError> {
    let content = serde_json::to_value(content).and_then(|value| Raw::new(&value));
    content.map_err(|error| MatrixError::Request(error.to_string()))
}

fn event(json: &str, room: &RoomId) -> Result<RoomEvent, MatrixError> {
    serde_json::from_str(json)
        .and_then(|json| RoomEvent::from_json(json, Some(room)))
        .map_err(|error| MatrixError::Nonsense(error.to_string()))
}
