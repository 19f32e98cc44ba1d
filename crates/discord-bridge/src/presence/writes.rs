//! What is written of people, and how: a piece of a room's state, or a notice.

use bridge_kit::matrix::{MatrixClient, OwnedRoomId};
use signalling::{Member, names};

use super::ghosts::Ghosts;
use super::ledger::{Outcome, Write};
use super::shown::{Shown, Spot, member};
use super::wording::{self, Crowd};
use super::writer::Writing;

/// Writes a piece of state, after what it takes for it.
pub(super) fn show(matrix: &MatrixClient, ghosts: &Ghosts, write: Write<Spot, Shown>) -> Writing {
    let (matrix, ghosts) = (matrix.clone(), ghosts.clone());
    Box::pin(async move {
        let Spot { room, key } = write.key;
        let content = match write.to {
            None | Some(Shown::Nonsense) => Member::none(),
            Some(Shown::Person { person, since }) => {
                let dressed = ghosts.dress(&person).await;
                let address = match Outcome::of(&dressed) {
                    // A ghost that cannot be had does not keep somebody from being shown.
                    Outcome::Written | Outcome::Refused => dressed.unwrap_or_default(),
                    outcome @ (Outcome::Limited(_) | Outcome::Failed) => return outcome,
                };
                let ghost = matrix.ghost_id(&person.id.to_string()).ok();
                let member = ghost.and_then(|ghost| member(&person, since, &ghost, address));
                member.map_or_else(Member::none, |member| member.to_json())
            }
        };
        let written = matrix.send_state(&room, names::MEMBER, &key, &content).await;
        if let Err(error) = &written {
            tracing::debug!(%error, "a room does not show somebody as he is yet");
        }
        Outcome::of(&written)
    })
}

/// Says in a room who has come and who has left.
pub(super) fn tell(matrix: &MatrixClient, write: Write<OwnedRoomId, Crowd>) -> Writing {
    let matrix = matrix.clone();
    Box::pin(async move {
        let (before, now) = (write.from.unwrap_or_default(), write.to.unwrap_or_default());
        match wording::changes(&before, &now) {
            None => Outcome::Written,
            Some(text) => Outcome::of(&matrix.send_notice(&write.key, &text).await),
        }
    })
}
