//! Who the bridge is in calls.

use bridge_kit::matrix::OwnedUserId;

/// Who this bridge is in calls.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The bot that calls are placed to.
    pub user_id: OwnedUserId,
    /// The other bridge's bot, which places none.
    pub peer: OwnedUserId,
    /// The party id in our events. The same over restarts, so that a restarted bridge is the same party.
    pub party_id: String,
}
