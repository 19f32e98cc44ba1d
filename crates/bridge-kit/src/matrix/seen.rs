//! Remembers what has been dealt with, within bounds.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// The last ids that were seen. The oldest is forgotten for each new one above the limit.
#[derive(Debug)]
pub(crate) struct Seen<T> {
    ids: HashSet<T>,
    order: VecDeque<T>,
    limit: usize,
}

impl<T: Clone + Eq + Hash> Seen<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            ids: HashSet::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    pub(crate) fn contains(&self, id: &T) -> bool {
        self.ids.contains(id)
    }

    /// Remembers an id; returns whether it is new.
    pub(crate) fn insert(&mut self, id: T) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_the_oldest_is_forgotten() {
        let mut seen = Seen::new(2);
        assert!(seen.insert("a"));
        assert!(!seen.insert("a"));
        assert!(seen.insert("b"));
        assert!(seen.insert("c"));
        assert!(!seen.contains(&"a"));
        assert!(seen.contains(&"b") && seen.contains(&"c"));
        assert_eq!(seen.order.len(), 2);
    }
}
