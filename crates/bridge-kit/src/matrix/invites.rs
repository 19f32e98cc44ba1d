//! Which invitations the bot accepts, and how the other bot gets into a room.

use ruma::{OwnedUserId, RoomId, UserId};

use super::{Fault, MatrixClient, MatrixError, Notices, RoomEvent};
use crate::config::Pattern;
use crate::instruments;

/// Accepts invitations by the configured policy.
#[derive(Debug, Clone)]
pub struct Invites {
    client: MatrixClient,
    invite_from: Vec<Pattern>,
    peer: OwnedUserId,
}

impl Invites {
    /// Creates the policy: invitations of the peer and of those in `invite_from` are accepted.
    pub fn new(client: MatrixClient, invite_from: Vec<Pattern>, peer: OwnedUserId) -> Self {
        Self {
            client,
            invite_from,
            peer,
        }
    }

    /// Whether an event invites the bot.
    pub fn concerns(&self, event: &RoomEvent) -> bool {
        matches!(event.membership(), Some((user, "invite")) if user == self.client.bot().as_str())
    }

    /// Accepts or declines an invitation.
    pub async fn answer(&self, invitation: &RoomEvent) {
        let accepted = self.accepts(&invitation.sender);
        let outcome = if accepted {
            self.client.join(&invitation.room_id).await
        } else {
            self.client.leave(&invitation.room_id).await
        };
        let answer = if accepted { "accepted" } else { "declined" };
        instruments::MATRIX_INVITATIONS.with([answer]).increment(1);
        match outcome {
            Ok(()) => tracing::info!(answer, "answered an invitation"),
            Err(error) => tracing::warn!(answer, %error, "could not answer an invitation"),
        }
    }

    fn accepts(&self, inviter: &UserId) -> bool {
        inviter == self.peer || self.invite_from.iter().any(|pattern| pattern.matches(inviter))
    }
}

/// Brings the other bridge's bot into rooms.
#[derive(Debug, Clone)]
pub struct PeerInviter {
    client: MatrixClient,
    notices: Notices,
    peer: OwnedUserId,
}

impl PeerInviter {
    /// Creates it.
    pub fn new(client: MatrixClient, notices: Notices, peer: OwnedUserId) -> Self {
        Self { client, notices, peer }
    }

    /// Invites the peer unless it is there or invited already; returns whether it is now.
    ///
    /// Where the bot may not invite, the room is told once which command does it.
    pub async fn bring(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let member = self
            .client
            .state_event(room, "m.room.member", self.peer.as_str())
            .await?;
        if matches!(
            member.as_ref().and_then(RoomEvent::membership),
            Some((_, "join" | "invite"))
        ) {
            return Ok(true);
        }
        match self.client.invite(room, &self.peer).await {
            Ok(()) => Ok(true),
            Err(error) if error.fault() == Fault::Forbidden => {
                let text = format!(
                    "To bridge calls of this room, invite the other bridge too: /invite {}",
                    self.peer
                );
                self.notices.once(room, "invite-peer", &text).await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
