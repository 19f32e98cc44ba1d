//! What happened, in order, as far back as there is room.

use std::collections::VecDeque;

/// Entries that keep the number they were given; the oldest give way.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    entries: VecDeque<T>,
    first: u64,
    most: usize,
}

impl<T: Clone> Journal<T> {
    /// A journal of at most `most` entries.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            most,
        }
    }

    /// Adds the entry that `make` makes of its number.
    pub(crate) fn push(&mut self, make: impl FnOnce(u64) -> T) {
        if self.entries.len() == self.most {
            self.entries.pop_front();
            self.first += 1;
        }
        let number = self.first + self.entries.len() as u64;
        self.entries.push_back(make(number));
    }

    /// At most `most` entries from number `since` on, and the number to read on with.
    pub(crate) fn since(&self, since: u64, most: usize) -> (Vec<T>, u64) {
        let from = since.max(self.first);
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let entries: Vec<_> = self.entries.iter().skip(skipped).take(most).cloned().collect();
        let next = from.min(self.first + self.entries.len() as u64) + entries.len() as u64;
        (entries, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_where_it_stopped_and_the_oldest_give_way() {
        let mut journal = Journal::new(3);
        assert_eq!(journal.since(0, 10), (vec![], 0));
        for _ in 0..5 {
            journal.push(|number| number);
        }
        assert_eq!(journal.since(0, 2), (vec![2, 3], 4));
        assert_eq!(journal.since(4, 2), (vec![4], 5));
        assert_eq!(journal.since(5, 2), (vec![], 5));
        assert_eq!(journal.since(99, 2), (vec![], 5));
    }
}
