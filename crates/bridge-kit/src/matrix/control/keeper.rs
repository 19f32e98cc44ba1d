//! Keeps the control room found, joined and in order.

use std::sync::Arc;
use std::time::Duration;

use ruma::OwnedRoomId;
use tokio::sync::watch;

use super::{Shared, missed};
use crate::config::Role;
use crate::health::{Component, State};
use crate::matrix::MatrixError;
use crate::matrix::appservice::Connection;
use crate::matrix::backoff::Backoff;

/// The waits between tries.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How much of the timeline is read after a start. It holds a minute of signalling of many rooms.
const TIMELINE: u32 = 200;

/// How the control room is doing after a look at it.
pub(super) enum Findings {
    /// It is fit for use, and the peer is in it.
    Complete(OwnedRoomId),
    /// It is fit for use; the peer is still to come, and will find what is said.
    PeerAbsent(OwnedRoomId),
    /// It cannot be used yet, for a reason in words.
    Waiting(&'static str),
}

/// Runs until the connection's other end is gone.
pub(super) async fn keep(shared: Arc<Shared>, mut connection: watch::Receiver<Connection>, component: Component) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut report = Report { component, last: "" };
    report.component.set(State::Connecting, "waits for the homeserver");
    loop {
        let connected = connection
            .wait_for(|state| matches!(state, Connection::Connected { .. }))
            .await
            .is_ok();
        if !connected {
            return;
        }
        let findings = shared.look().await;
        let settled = matches!(findings, Ok(Findings::Complete(_)));
        shared.apply(&findings).await;
        report.tell(&findings);
        let pause = async {
            if settled {
                backoff.reset();
                std::future::pending::<()>().await;
            }
            let wait = backoff.wait(&mut rand::rng());
            tokio::time::sleep(wait).await;
        };
        tokio::select! {
            () = shared.recheck.notified() => {}
            _ = connection.changed() => {}
            () = pause => {}
        }
    }
}

impl Shared {
    async fn look(&self) -> Result<Findings, MatrixError> {
        match self.role {
            Role::Asks => self.look_as_owner().await,
            Role::Answers => self.look_as_guest().await,
        }
    }

    /// From now on events of this room are kept for us, though it is not yet sure to be the one.
    pub(super) fn consider(&self, room: &OwnedRoomId) {
        let mut place = self.place();
        if place.room.as_ref() != Some(room) {
            place.room = Some(room.clone());
            place.inbox.hold();
        }
    }

    async fn apply(&self, findings: &Result<Findings, MatrixError>) {
        match findings {
            Ok(Findings::Complete(room) | Findings::PeerAbsent(room)) => self.open(room).await,
            // A homeserver that is away says nothing about the room.
            Err(error) if error.is_transient() => {}
            Ok(Findings::Waiting(_)) | Err(_) => self.close(),
        }
    }

    /// Reads what the peer has said lately, then lets the room be used.
    async fn open(&self, room: &OwnedRoomId) {
        if self.ready.borrow().as_ref() == Some(room) {
            return;
        }
        let timeline = self
            .client
            .recent_timeline(room, TIMELINE)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read the control room's timeline; the peer will repeat what matters");
                Vec::new()
            });
        let (own, peer) = (self.client.bot(), &self.peer.user_id);
        self.place().inbox.replay(missed::by_peer(timeline, own, peer));
        self.ready.send_replace(Some(room.clone()));
    }

    /// Nothing is sent any more; what comes is held back until the room is in order again.
    fn close(&self) {
        self.place().inbox.hold();
        self.ready.send_replace(None);
    }
}

/// Tells health and log how the control room is doing; the log only when that changes.
struct Report {
    component: Component,
    last: &'static str,
}

impl Report {
    fn tell(&mut self, findings: &Result<Findings, MatrixError>) {
        let (state, text) = match findings {
            Ok(Findings::Complete(_)) => (State::Ready, "the control room is in order"),
            Ok(Findings::PeerAbsent(_)) => (State::Connecting, "waits for the peer to join the control room"),
            Ok(Findings::Waiting(text)) => (State::Connecting, *text),
            Err(error) if error.is_transient() => (State::Connecting, "the homeserver fails"),
            Err(_) => (State::Connecting, "the homeserver refuses what the control room needs"),
        };
        self.component.set(state, text);
        if self.last != text {
            self.last = text;
            match findings {
                Ok(_) => tracing::info!("{text}"),
                Err(error) => tracing::warn!(%error, "{text}; trying on"),
            }
        }
    }
}
