//! Tells a caller's device who speaks on the other side.

use std::sync::Arc;

use bridge_kit::matrix::OwnedRoomId;
use bridge_kit::supervise::{self, Task};

use super::machine::Parties;
use crate::ports::Homeserver;
use crate::speaking::{Speaking, event};

/// Tells for as long as it lives; nothing where the caller names no device.
///
/// The device is the call's party: clients use the id of their device as such. One event is on its way at a time.
pub(super) fn tell(
    homeserver: Arc<dyn Homeserver>,
    room: OwnedRoomId,
    parties: &Parties,
    mut speaking: Speaking,
) -> Option<Task<()>> {
    let device = parties.party_id.clone()?;
    let (caller, call_id) = (parties.caller.clone(), parties.call_id.clone());
    Some(supervise::spawn("voip.speaking", room.clone(), async move {
        loop {
            let speakers = speaking.next().await;
            let content = event::content(room.as_str(), &call_id, &speakers);
            let sent = homeserver.send_to_device(&caller, &device, event::NAME, content);
            if sent.await.is_err() {
                speaking.not_told();
            }
        }
    }))
}
