//! Finds the rooms that the bot is in, where they lead, and what is left over in them from before.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use bridge_kit::matrix::{Links, MatrixClient, MatrixError, OwnedRoomId, RoomEvent, RoomId};
use serde_json::Value;
use signalling::{Member, names};

use super::power::{self, LEVELS};
use super::shown::Shown;
use crate::links::Target;

/// Reads rooms one after the other.
pub(super) struct Reader {
    matrix: MatrixClient,
    links: Links,
    waiting: VecDeque<Chore>,
    under_way: Option<Pin<Box<dyn Future<Output = Found> + Send>>>,
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Chore {
    /// Which rooms there are.
    Rooms,
    Room(OwnedRoomId),
}

/// What was found.
pub(super) enum Found {
    /// The rooms that the bot is in.
    Rooms(Vec<OwnedRoomId>),
    Room(OwnedRoomId, RoomFacts),
    /// Nothing: the homeserver did not say.
    Nothing,
}

/// What there is to know of a room.
pub(super) struct RoomFacts {
    /// Where it leads.
    pub(super) target: Option<Target>,
    /// Whether it lets the bot show people.
    pub(super) power: bool,
    /// State keys, and what the bot has written there.
    pub(super) left_over: Vec<LeftOver>,
}

/// Somebody who was shown.
pub(super) struct LeftOver {
    pub(super) key: String,
    pub(super) shown: Shown,
    /// Where his picture is on Matrix.
    pub(super) avatar_url: Option<String>,
}

impl Reader {
    pub(super) fn new(matrix: MatrixClient, links: Links) -> Self {
        Self {
            matrix,
            links,
            waiting: VecDeque::new(),
            under_way: None,
        }
    }

    /// Has all rooms be found.
    pub(super) fn find_rooms(&mut self) {
        self.add(Chore::Rooms);
    }

    /// Has a room be read.
    pub(super) fn read(&mut self, room: &RoomId) {
        self.add(Chore::Room(room.to_owned()));
    }

    /// There are no more chores than rooms, for each waits once.
    fn add(&mut self, chore: Chore) {
        if !self.waiting.contains(&chore) {
            self.waiting.push_back(chore);
        }
    }

    /// Reads what is next, if there is anything. Cancel-safe.
    pub(super) async fn next(&mut self) -> Found {
        if self.under_way.is_none() {
            let Some(chore) = self.waiting.pop_front() else {
                return std::future::pending().await;
            };
            let reading = read(self.matrix.clone(), self.links.clone(), chore);
            self.under_way = Some(Box::pin(reading));
        }
        let found = match &mut self.under_way {
            Some(reading) => reading.await,
            None => Found::Nothing,
        };
        self.under_way = None;
        found
    }
}

async fn read(matrix: MatrixClient, links: Links, chore: Chore) -> Found {
    let found = match chore {
        Chore::Rooms => matrix.joined_rooms().await.map(Found::Rooms),
        Chore::Room(room) => facts(&matrix, &links, &room)
            .await
            .map(|facts| Found::Room(room, facts)),
    };
    found.unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot read a room, or which there are");
        Found::Nothing
    })
}

async fn facts(matrix: &MatrixClient, links: &Links, room: &RoomId) -> Result<RoomFacts, MatrixError> {
    let link = links.resolve(room).await?;
    let state = matrix.room_state(room).await?;
    let levels = state.iter().find(|event| event.kind == LEVELS);
    let levels = levels.map_or(&Value::Null, |event| &event.content);
    Ok(RoomFacts {
        target: link.and_then(|link| Target::of(&link).ok()),
        power: power::suffices(levels, matrix.bot()),
        left_over: state.iter().filter_map(|event| left_over(matrix, event)).collect(),
    })
}

/// Somebody whom the bot itself has shown, and not taken back.
fn left_over(matrix: &MatrixClient, event: &RoomEvent) -> Option<LeftOver> {
    if event.kind != names::MEMBER || event.sender != matrix.bot() {
        return None;
    }
    let (shown, avatar_url) = match Member::from_json(&event.content) {
        Ok(None) => return None,
        Ok(Some(member)) => (Shown::read(&member), member.avatar_url),
        Err(_) => (Shown::Nonsense, None),
    };
    Some(LeftOver {
        key: event.state_key.clone()?,
        shown,
        avatar_url,
    })
}
