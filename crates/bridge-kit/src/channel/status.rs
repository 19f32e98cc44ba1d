//! Where a room's channel stands, for people and for `/status`.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ruma::OwnedRoomId;
use serde::Serialize;
use signalling::{Audience, Status};

use crate::vdp::OpenChannel;

/// A room's channel at one moment. Counts are of the open epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelStatus {
    /// The bridged room.
    pub room_id: OwnedRoomId,
    /// `requested`, `offered`, `open`, `broken`, `idle` or `ended`.
    pub state: &'static str,
    /// The highest epoch that was negotiated so far; 0 if none was.
    pub epoch: u32,
    /// The port that the peer hears on; none before an epoch is open.
    pub peer_port: Option<u16>,
    /// Voice packets sent.
    pub sent: u64,
    /// Voice packets received.
    pub received: u64,
    /// Voice packets not sent, because the peer's address had not proven itself.
    pub withheld: u64,
    /// Packets lost on the way here.
    pub lost: u64,
    /// Whether anything was heard of the peer.
    pub heard: bool,
    /// Why the last break, rejection or close came about, as its code.
    pub last_reason: Option<String>,
}

/// What a room's task shares with those who ask for its status.
#[derive(Debug)]
pub(super) struct RoomState {
    room_id: OwnedRoomId,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    status: Option<Status>,
    last_reason: Option<String>,
    channel: Option<(SocketAddr, OpenChannel)>,
}

impl RoomState {
    pub(super) fn new(room_id: OwnedRoomId) -> Self {
        Self {
            room_id,
            shared: Mutex::default(),
        }
    }

    pub(super) const fn room_id(&self) -> &OwnedRoomId {
        &self.room_id
    }

    pub(super) fn stands(&self, status: Status) {
        self.lock().status = Some(status);
    }

    pub(super) fn because(&self, code: &str) {
        self.lock().last_reason = Some(code.to_owned());
    }

    pub(super) fn connected(&self, peer: SocketAddr, channel: OpenChannel) {
        let before = self.lock().channel.replace((peer, channel));
        drop(before);
    }

    /// Takes what the peer says of those who hear us there.
    pub(super) fn heard_by(&self, audience: Audience) {
        if let Some((_, channel)) = &self.lock().channel {
            channel.set_audience(audience);
        }
    }

    pub(super) fn disconnected(&self) {
        let before = self.lock().channel.take();
        drop(before);
    }

    pub(super) fn snapshot(&self) -> ChannelStatus {
        let shared = self.lock();
        let stats = shared
            .channel
            .as_ref()
            .map(|(_, channel)| channel.stats())
            .unwrap_or_default();
        ChannelStatus {
            room_id: self.room_id.clone(),
            state: shared.status.map_or("idle", |status| status.phase.name()),
            epoch: shared.status.map_or(0, |status| status.epoch),
            peer_port: shared.channel.as_ref().map(|(peer, _)| peer.port()),
            sent: stats.sent,
            received: stats.received,
            withheld: stats.withheld,
            lost: stats.lost,
            heard: stats.last_heard.is_some(),
            last_reason: shared.last_reason.clone(),
        }
    }

    /// Nothing panics while the lock is held, so a poisoned one still guards sound data.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
