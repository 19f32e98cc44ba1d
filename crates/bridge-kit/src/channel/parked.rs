//! Machines of rooms that have no channel at the moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ruma::{OwnedRoomId, RoomId};
use signalling::Answerer;

/// How long a machine is kept: longer than anything late is on its way.
const KEPT: Duration = Duration::from_mins(10);

/// Machines that remember which transactions are over, so that a late request is told from a new one, without a
/// task for each.
#[derive(Debug)]
pub(super) struct Parked {
    rooms: Mutex<BTreeMap<OwnedRoomId, (Instant, Answerer)>>,
    most: usize,
}

impl Parked {
    pub(super) fn new(most: usize) -> Self {
        Self {
            rooms: Mutex::default(),
            most,
        }
    }

    /// Keeps a machine; where there are too many, the one that was kept longest goes.
    pub(super) fn put(&self, room_id: OwnedRoomId, machine: Answerer, now: Instant) {
        let mut rooms = self.lock();
        rooms.retain(|_, (since, _)| now.saturating_duration_since(*since) < KEPT);
        if rooms.len() >= self.most {
            let oldest = rooms.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(room_id, _)| room_id.clone()) {
                rooms.remove(&oldest);
            }
        }
        rooms.insert(room_id, (now, machine));
    }

    /// Takes a room's machine back.
    pub(super) fn take(&self, room_id: &RoomId) -> Option<Answerer> {
        self.lock().remove(room_id).map(|(_, machine)| machine)
    }

    /// Nothing panics while the lock is held, so a poisoned one still guards sound data.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<OwnedRoomId, (Instant, Answerer)>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use ruma::room_id;
    use signalling::{Format, Timing};

    use super::*;

    fn machine(room_id: &RoomId) -> Answerer {
        Answerer::new(room_id.as_str(), vec![Format::SealedOpusChaCha], Timing::default(), 0)
    }

    #[test]
    fn what_is_kept_has_a_limit_in_number_and_time() {
        let parked = Parked::new(2);
        let [a, b, c] = [room_id!("!a:h"), room_id!("!b:h"), room_id!("!c:h")];
        let now = Instant::now();
        parked.put(b.to_owned(), machine(b), now);
        parked.put(a.to_owned(), machine(a), now + KEPT / 2);
        parked.put(c.to_owned(), machine(c), now + KEPT / 2);
        assert_eq!(parked.take(b), None, "the oldest made room");
        assert_eq!(parked.take(a), Some(machine(a)));
        assert_eq!(parked.take(a), None, "taken");
        parked.put(b.to_owned(), machine(b), now + KEPT * 2);
        assert_eq!(parked.take(c), None, "expired");
    }
}
