//! What is remembered of calls that do not run: those that are over, and events that came before their invite.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use bridge_kit::matrix::{OwnedRoomId, OwnedUserId};

use super::task::Delivery;

/// Calls that are remembered as over.
const MAX_OVER: usize = 512;
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

/// The latest calls that are over; a repeated invite does not bring them back.
#[derive(Debug, Default)]
pub(super) struct Over {
    order: VecDeque<CallKey>,
    keys: HashSet<CallKey>,
}

impl Over {
    pub(super) fn add(&mut self, key: CallKey) {
        if !self.keys.insert(key.clone()) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_OVER
            && let Some(oldest) = self.order.pop_front()
        {
            self.keys.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, key: &CallKey) -> bool {
        self.keys.contains(key)
    }
}

/// Events whose invite has not come yet. Federation may deliver them in any order.
#[derive(Debug, Default)]
pub(super) struct Early(VecDeque<(Instant, CallKey, Delivery)>);

impl Early {
    /// Keeps an event; the oldest gives way when there are too many.
    pub(super) fn add(&mut self, now: Instant, key: CallKey, delivery: Delivery) {
        self.expire(now);
        if self.0.len() >= MAX_EARLY {
            self.0.pop_front();
        }
        self.0.push_back((now, key, delivery));
    }

    /// Takes the events of a call, oldest first.
    pub(super) fn take(&mut self, now: Instant, key: &CallKey) -> Vec<Delivery> {
        self.expire(now);
        let (of_call, others) = self.0.drain(..).partition(|(_, other, _)| other == key);
        self.0 = others;
        let of_call: VecDeque<(Instant, CallKey, Delivery)> = of_call;
        of_call.into_iter().map(|(_, _, delivery)| delivery).collect()
    }

    fn expire(&mut self, now: Instant) {
        self.0
            .retain(|(came, _, _)| now.saturating_duration_since(*came) < EARLY_FOR);
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

    #[test]
    fn calls_that_are_over_are_remembered_up_to_a_number() {
        let mut over = Over::default();
        for n in 0..=MAX_OVER {
            over.add(key(n));
            over.add(key(n));
        }
        assert!(!over.contains(&key(0)));
        assert!(over.contains(&key(1)) && over.contains(&key(MAX_OVER)));
        assert_eq!(over.order.len(), over.keys.len());
    }

    #[test]
    fn early_events_wait_for_their_own_call_and_not_for_ever() {
        let now = Instant::now();
        let mut early = Early::default();
        early.add(now, key(1), Delivery::MemberLeft);
        early.add(now, key(2), Delivery::MemberLeft);
        assert_eq!(early.take(now, &key(1)).len(), 1);
        assert_eq!(early.take(now, &key(1)).len(), 0);
        assert_eq!(early.take(now + EARLY_FOR, &key(2)).len(), 0);
        for _ in 0..1000 {
            early.add(now, key(3), Delivery::MemberLeft);
        }
        assert_eq!(early.take(now, &key(3)).len(), MAX_EARLY);
    }
}
