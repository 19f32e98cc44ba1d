//! What is remembered for a while: calls that are over, events that were dealt with, and events that came before
//! their invite.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use bridge_kit::matrix::{OwnedEventId, OwnedRoomId, OwnedUserId};

use super::task::Delivery;

/// Early events that are kept in all.
const MAX_EARLY: usize = 64;
/// How long an event waits for its invite.
const EARLY_FOR: Duration = Duration::from_secs(10);

/// What names a call: call ids are chosen by callers, so two may choose the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    pub(super) room: OwnedRoomId,
    pub(super) caller: OwnedUserId,
    pub(super) call_id: String,
}

/// The latest things of a kind, up to a number.
#[derive(Debug)]
pub(super) struct Latest<T> {
    limit: usize,
    order: VecDeque<T>,
    known: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Latest<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            order: VecDeque::new(),
            known: HashSet::new(),
        }
    }

    /// Remembers a thing; returns whether it is new.
    pub(super) fn add(&mut self, thing: T) -> bool {
        if !self.known.insert(thing.clone()) {
            return false;
        }
        self.order.push_back(thing);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    pub(super) fn contains(&self, thing: &T) -> bool {
        self.known.contains(thing)
    }
}

/// Events whose invite has not come yet. Federation may deliver them in any order.
#[derive(Debug, Default)]
pub(super) struct Early(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    came: Instant,
    key: CallKey,
    event_id: OwnedEventId,
    delivery: Delivery,
}

impl Early {
    /// Keeps an event; the oldest gives way when there are too many.
    pub(super) fn add(&mut self, now: Instant, key: CallKey, event_id: OwnedEventId, delivery: Delivery) {
        self.expire(now);
        if self.0.len() >= MAX_EARLY {
            self.0.pop_front();
        }
        self.0.push_back(Waiting {
            came: now,
            key,
            event_id,
            delivery,
        });
    }

    /// Takes the events of a call, oldest first, with their ids.
    pub(super) fn take(&mut self, now: Instant, key: &CallKey) -> Vec<(OwnedEventId, Delivery)> {
        self.expire(now);
        let (of_call, others): (VecDeque<_>, _) = self.0.drain(..).partition(|waiting| waiting.key == *key);
        self.0 = others;
        of_call
            .into_iter()
            .map(|waiting| (waiting.event_id, waiting.delivery))
            .collect()
    }

    fn expire(&mut self, now: Instant) {
        self.0
            .retain(|waiting| now.saturating_duration_since(waiting.came) < EARLY_FOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(call_id: usize) -> CallKey {
        CallKey {
            room: "!room:hs".try_into().expect("room"),
            caller: "@caller:hs".try_into().expect("user"),
            call_id: call_id.to_string(),
        }
    }

    fn event_id(n: usize) -> OwnedEventId {
        format!("${n}").try_into().expect("event id")
    }

    #[test]
    fn the_latest_are_remembered_up_to_a_number() {
        let mut latest = Latest::new(512);
        for n in 0..=512 {
            assert!(latest.add(key(n)));
            assert!(!latest.add(key(n)));
        }
        assert!(!latest.contains(&key(0)));
        assert!(latest.contains(&key(1)) && latest.contains(&key(512)));
        assert_eq!(latest.order.len(), latest.known.len());
    }

    #[test]
    fn early_events_wait_for_their_own_call_and_not_for_ever() {
        let now = Instant::now();
        let mut early = Early::default();
        early.add(now, key(1), event_id(1), Delivery::MemberLeft);
        early.add(now, key(2), event_id(2), Delivery::MemberLeft);
        let taken = early.take(now, &key(1));
        assert!(matches!(&taken[..], [(id, _)] if *id == event_id(1)));
        assert_eq!(early.take(now, &key(1)).len(), 0);
        assert_eq!(early.take(now + EARLY_FOR, &key(2)).len(), 0);
        for n in 0..1000 {
            early.add(now, key(3), event_id(n), Delivery::MemberLeft);
        }
        assert_eq!(early.take(now, &key(3)).len(), MAX_EARLY);
    }
}
