//! What the control room remembers of open channels, read when a side starts.

use std::collections::BTreeMap;
use std::time::Duration;

use ruma::{OwnedRoomId, RoomId};
use signalling::{ChannelRecord, names};

use super::port::{ControlPort, StateEntry};

/// The records of open channels by their rooms.
pub(super) type Records = BTreeMap<OwnedRoomId, ChannelRecord>;

/// The waits between tries.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// Reads the records; tries again until it can, since nothing of use can be said before.
pub(super) async fn read(port: &dyn ControlPort) -> Records {
    let mut wait = FIRST_WAIT;
    loop {
        match port.state(names::CHANNEL).await {
            Ok(entries) => return entries.into_iter().filter_map(open).collect(),
            Err(error) => tracing::debug!(%error, "the records of open channels cannot be read yet"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// One record, if it is of an open channel and makes sense.
fn open((state_key, content): StateEntry) -> Option<(OwnedRoomId, ChannelRecord)> {
    let record = ChannelRecord::from_json(&content).unwrap_or_else(|error| {
        tracing::warn!(%error, "a record of a channel makes no sense");
        None
    })?;
    let room_id = RoomId::parse(state_key).ok()?;
    (record.header.room_id == room_id.as_str()).then_some((room_id, record))
}
