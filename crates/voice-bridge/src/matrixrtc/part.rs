//! The bridge's part in the calls over SFUs of all rooms: what the program holds of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::{MatrixClient, OwnedUserId, RoomEvent, RoomId};
use bridge_kit::supervise::Group;

use super::board::Board;
use super::conference::{self, Means};
use super::config::MatrixRtc;
use super::hub::{Hub, Identity, Reader};
use super::outbox::Surroundings;
use super::transport::{TransportError, Transports};
use crate::call::Calls;
use crate::ports::Homeserver;
use crate::webrtc::WebRtc;

/// How long after a refusal a channel is asked for again, the first time.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Memberships and media of all rooms. Dropping it ends them.
pub struct Part {
    hub: Hub,
    means: Means,
    conferences: Group,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// What it is made of.
#[derive(Debug)]
pub struct Setting<R> {
    /// The section of the configuration.
    pub config: MatrixRtc,
    /// The homeserver, as the bridge's bot.
    pub client: MatrixClient,
    /// The other bridge's bot.
    pub peer: OwnedUserId,
    /// The homeserver's rooms.
    pub rooms: Arc<R>,
    /// The calls of rooms.
    pub calls: Calls,
    /// Where media comes in.
    pub webrtc: WebRtc,
}

impl Part {
    /// Prepares for calls.
    pub fn new<R: Homeserver + Reader>(setting: Setting<R>) -> Result<Self, TransportError> {
        let Setting {
            config,
            client,
            peer,
            rooms,
            calls,
            webrtc,
        } = setting;
        // The settings were checked when they were read.
        let configured = config.foci().unwrap_or_default();
        let transports = Transports::new(client.clone(), config.mode, configured, config.strangers())?;
        let transports = Arc::new(transports);
        let surroundings = Surroundings {
            desk: Arc::new(client.clone()),
            foci: Arc::new(transports.clone()),
            homeserver: rooms.clone(),
        };
        let identity = Identity {
            config,
            user: client.bot().to_owned(),
            peer,
            member_id: member_id(),
        };
        Ok(Self {
            hub: Hub::new(surroundings, rooms.clone(), identity),
            means: Means {
                calls,
                homeserver: rooms,
                tokens: Arc::new(transports),
                webrtc,
                retry_after: RETRY_AFTER,
            },
            conferences: Group::new("matrixrtc"),
        })
    }

    /// Takes a room's event; those that do not concern its call are passed over.
    pub fn handle(&mut self, event: &RoomEvent) {
        self.hub.handle(event);
    }

    /// Looks whether somebody is in the call of a room: at start, and after it was linked.
    pub fn examine(&mut self, room: &RoomId) {
        self.hub.examine(room);
    }

    /// The room is not bridged any more.
    pub fn unbridged(&mut self, room: &RoomId) {
        self.hub.unbridged(room);
    }

    /// Starts the media of calls as they begin; never returns. Cancel-safe.
    pub async fn attend(&mut self) {
        loop {
            let started = self.hub.next().await;
            let conference = conference::run(self.means.clone(), started);
            self.conferences.spawn("matrixrtc.conference", conference);
        }
    }

    /// The calls that are followed, for a status page.
    pub fn board(&self) -> Board {
        self.hub.board()
    }

    /// Leaves all calls, for at most `limit`.
    pub async fn stop(self, limit: Duration) {
        self.hub.stop(limit).await;
        self.conferences.stop(limit).await;
    }
}

/// Names the memberships of this run.
fn member_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
