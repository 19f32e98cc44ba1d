//! What both sides have: rooms with tasks, and a task that hands these the peer's events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use vdp_proto::sealed::Role;

use super::outbox::Outbox;
use super::port::{ControlPort, Incoming};
use super::registry::Registry;
use super::room::Ground;
use super::router::{Doorkeeper, Router};
use super::sealing::Sealing;
use super::settings::Settings;
use crate::supervise::{self, Group, Task};
use crate::vdp::Endpoint;

/// How long [`Office::close`] waits for the goodbyes to be sent and the voice channels to be left.
const GOODBYE: Duration = Duration::from_secs(2);

/// The rooms of one side and what they work with. Clones share them; the last one dropped ends the rooms' tasks.
#[derive(Debug, Clone)]
pub(super) struct Office {
    pub(super) ground: Ground,
    pub(super) settings: Settings,
    pub(super) registry: Arc<Registry>,
    /// The tasks of the rooms.
    pub(super) group: Group,
}

impl Office {
    /// An office without rooms.
    pub(super) fn open(role: Role, port: Arc<dyn ControlPort>, endpoint: Endpoint, settings: Settings) -> Self {
        let group = Group::new(name(role));
        let sealing = Sealing {
            role,
            shared_secret: settings.shared_secret.clone(),
        };
        Self {
            ground: Ground {
                port,
                endpoint,
                sealing,
                stopping: group.stopping(),
            },
            registry: Registry::new(settings.max_rooms),
            settings,
            group,
        }
    }

    /// Hands what the peer says to the rooms, for as long as the returned task lives.
    pub(super) fn receive(&self, incoming: mpsc::Receiver<Incoming>, doorkeeper: impl Doorkeeper) -> Task<()> {
        let router = Router {
            port: Arc::clone(&self.ground.port),
            incoming,
            outbox: Outbox::new(Arc::clone(&self.ground.port)),
            registry: Arc::clone(&self.registry),
            timing: self.settings.timing,
            doorkeeper,
        };
        supervise::spawn("channel.route", name(self.ground.sealing.role), router.run())
    }

    /// Closes all channels because the bridge is being shut down, and waits, briefly, until that has been said.
    pub(super) async fn close(&self) {
        self.group.stop(GOODBYE).await;
    }
}

/// What a side is called in logs.
const fn name(role: Role) -> &'static str {
    match role {
        Role::Asking => "asker",
        Role::Answering => "answerer",
    }
}
