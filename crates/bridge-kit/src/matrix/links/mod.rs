//! Which rooms are bridged, to what, and whose word that is.
//!
//! A room's voice channel is named, in this order, by
//! 1. the room's own link, the state event `vdp.link` with an empty state key:
//!    `{"protocol": "…", "network_id": "…", "channel_id": "…"}`;
//! 2. the extra key `vdp.link` (the same object; protocol and network may be left out) in a bridge event,
//!    `uk.half-shot.bridge` or `m.bridge` (MSC2346);
//! 3. the configuration, `[links.rooms]`;
//! 4. the `channel.id` of a bridge event, which may name a text channel: only its network can tell.
//!
//! State counts only when its sender is listed in `links.trusted_bridges`, since anybody may set state in a room of
//! his own. Empty content takes a link back.

mod facts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ruma::{OwnedRoomId, OwnedUserId, RoomId};
use tokio::sync::Mutex as AsyncMutex;

use self::facts::Facts;
use super::{MatrixClient, MatrixError, RoomEvent};
use crate::config;

/// Where a link was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkSource {
    /// The room's own `vdp.link`.
    LinkEvent,
    /// The extra key in a bridge event.
    BridgeEventExtra,
    /// `[links.rooms]`
    Configuration,
    /// The `channel.id` of a bridge event: perhaps a text channel.
    BridgeEvent,
}

/// The voice channel that a room is bridged to. The ids are opaque here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The protocol, such as `discord`.
    pub protocol: String,
    /// The network within it; empty where the link names none.
    pub network_id: String,
    /// The channel.
    pub channel_id: String,
    /// Where the link was found.
    pub source: LinkSource,
    /// Who set it; nobody, where the configuration did.
    pub sender: Option<OwnedUserId>,
}

/// A room's link has become another one, or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkChange {
    /// The room.
    pub room_id: OwnedRoomId,
    /// What it is linked to now.
    pub link: Option<Link>,
}

/// What is known of the rooms that the bot is in, as far as bridging depends on it. Clones share it.
///
/// A room is read once and then followed by its events. Only rooms that the bot is in can be read, and leaving one
/// forgets it, so memory is bounded by the bot's rooms.
#[derive(Debug, Clone)]
pub struct Links {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: MatrixClient,
    settings: config::Links,
    rooms: Mutex<HashMap<OwnedRoomId, Entry>>,
    /// One room is read at a time.
    reading: AsyncMutex<()>,
}

#[derive(Debug)]
enum Entry {
    /// It is being read; these events came meanwhile.
    Reading(Vec<RoomEvent>),
    Known(Facts),
}

impl Links {
    /// Creates the registry; nothing is read yet.
    pub fn new(client: MatrixClient, settings: config::Links) -> Self {
        let inner = Inner {
            client,
            settings,
            rooms: Mutex::default(),
            reading: AsyncMutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Finds out what a room is bridged to, if it is.
    pub async fn resolve(&self, room: &RoomId) -> Result<Option<Link>, MatrixError> {
        self.read(room, |facts| self.link_of(room, facts)).await
    }

    /// What people call the channel that the room is linked to, where a trusted bridge event tells.
    pub async fn channel_name(&self, room: &RoomId) -> Result<Option<String>, MatrixError> {
        self.read(room, |facts| {
            let link = self.link_of(room, facts)?;
            facts.channel_name(&self.inner.settings.trusted_bridges, &link)
        })
        .await
    }

    /// Lists who has linked the room without being trusted: for a person who wonders why it is not bridged.
    pub async fn untrusted(&self, room: &RoomId) -> Result<Vec<OwnedUserId>, MatrixError> {
        self.read(room, |facts| facts.untrusted(&self.inner.settings.trusted_bridges))
            .await
    }

    /// Whether messages and calls of the room are encrypted (`m.room.encryption`). That cannot be undone in a room.
    pub async fn is_encrypted(&self, room: &RoomId) -> Result<bool, MatrixError> {
        self.read(room, Facts::is_encrypted).await
    }

    /// Takes note of an event; tells when it changed the link of a room that has been asked about.
    pub fn observe(&self, event: &RoomEvent) -> Option<LinkChange> {
        let room_id = event.room_id.clone();
        let mut rooms = self.rooms();
        if self.has_left(event) {
            let left = rooms.remove(&room_id)?;
            let Entry::Known(facts) = left else { return None };
            return self
                .link_of(&room_id, &facts)
                .map(|_| LinkChange { room_id, link: None });
        }
        match rooms.get_mut(&room_id)? {
            Entry::Reading(meanwhile) => {
                if facts::matters(event) {
                    meanwhile.push(event.clone());
                }
                None
            }
            Entry::Known(facts) => {
                let before = self.link_of(&room_id, facts);
                facts.apply(event);
                let link = self.link_of(&room_id, facts);
                (before != link).then_some(LinkChange { room_id, link })
            }
        }
    }

    fn has_left(&self, event: &RoomEvent) -> bool {
        let bot = self.inner.client.bot().as_str();
        matches!(event.membership(), Some((user, "leave" | "ban")) if user == bot)
    }

    fn link_of(&self, room: &RoomId, facts: &Facts) -> Option<Link> {
        facts.link(
            &self.inner.settings.trusted_bridges,
            self.inner.settings.rooms.get(room),
        )
    }

    async fn read<T>(&self, room: &RoomId, look: impl Fn(&Facts) -> T) -> Result<T, MatrixError> {
        let known = || match self.rooms().get(room) {
            Some(Entry::Known(facts)) => Some(look(facts)),
            _ => None,
        };
        if let Some(answer) = known() {
            return Ok(answer);
        }
        let _one_at_a_time = self.inner.reading.lock().await;
        // Another caller may have read it while this one waited.
        if let Some(answer) = known() {
            return Ok(answer);
        }
        let facts = self.read_state(room).await?;
        let answer = look(&facts);
        self.rooms().insert(room.to_owned(), Entry::Known(facts));
        Ok(answer)
    }

    /// Events that come while the state is read may be missing in it, so they are applied to it afterwards.
    async fn read_state(&self, room: &RoomId) -> Result<Facts, MatrixError> {
        let reading = ReadingGuard { links: self, room };
        self.rooms().insert(room.to_owned(), Entry::Reading(Vec::new()));
        let state = self.inner.client.room_state(room).await?;
        let mut facts = Facts::default();
        for event in state.iter().chain(&reading.finish()) {
            facts.apply(event);
        }
        Ok(facts)
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<OwnedRoomId, Entry>> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.inner.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the mark of a reading away again, also where the reading fails or is given up.
struct ReadingGuard<'a> {
    links: &'a Links,
    room: &'a RoomId,
}

impl ReadingGuard<'_> {
    fn finish(&self) -> Vec<RoomEvent> {
        match self.links.rooms().remove(self.room) {
            Some(Entry::Reading(meanwhile)) => meanwhile,
            _ => Vec::new(),
        }
    }
}

impl Drop for ReadingGuard<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}
