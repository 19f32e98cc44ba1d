//! Which ports a room must not use again yet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a room keeps off a port that it used. Longer than any packet is under way, so that the packets of one
/// epoch never arrive in the next: the plain form has nothing else to tell them apart.
pub(super) const KEEP_OFF: Duration = Duration::from_mins(1);

/// Ports that rooms used lately.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    rooms: BTreeMap<Box<str>, BTreeMap<u16, Instant>>,
}

impl Quarantine {
    /// Keeps `room` off `port` from `now` on.
    pub(super) fn put(&mut self, room: &str, port: u16, now: Instant) {
        self.forget_expired(now);
        self.rooms.entry(room.into()).or_default().insert(port, now + KEEP_OFF);
    }

    /// Whether `room` may use `port` at `now`.
    pub(super) fn allows(&self, room: &str, port: u16, now: Instant) -> bool {
        let until = self.rooms.get(room).and_then(|ports| ports.get(&port));
        until.is_none_or(|until| *until <= now)
    }

    fn forget_expired(&mut self, now: Instant) {
        self.rooms.retain(|_, ports| {
            ports.retain(|_, until| *until > now);
            !ports.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_keeps_off_its_port_for_a_while_and_no_other_does() {
        let mut quarantine = Quarantine::default();
        let now = Instant::now();
        quarantine.put("!a:x", 7, now);
        assert!(!quarantine.allows("!a:x", 7, now + KEEP_OFF / 2));
        assert!(quarantine.allows("!a:x", 8, now));
        assert!(quarantine.allows("!b:x", 7, now));
        assert!(quarantine.allows("!a:x", 7, now + KEEP_OFF));
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let mut quarantine = Quarantine::default();
        let now = Instant::now();
        quarantine.put("!a:x", 7, now);
        quarantine.put("!b:x", 7, now + KEEP_OFF);
        assert_eq!(quarantine.rooms.len(), 1);
    }
}
