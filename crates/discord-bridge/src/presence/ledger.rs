//! What is wished for against what is written: the last wish for each thing is what gets written, one thing at a time and no
//! faster than the far end bears.
//!
//! The owner says what he wishes for, and looks at [`Ledger::due`] after each call. When the time has come he takes
//! [`Ledger::next`], writes it, and says how that went with [`Ledger::finish`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::pace::Pace;

/// How long nothing is written after a failure, at first and at most.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_mins(1);

/// What a ledger keeps to.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// How fast it writes.
    pub(crate) pace: Pace,
    /// How long a change waits for others to the same thing.
    pub(crate) hold: Duration,
    /// How many things it knows at most.
    pub(crate) most: usize,
}

/// Wishes for things named `K`, each of which is a `V` or not there.
#[derive(Debug)]
pub(crate) struct Ledger<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    /// Those that are to be written, by their turns.
    queue: BTreeMap<u64, K>,
    turns: u64,
    writing: Option<Write<K, V>>,
    terms: Terms,
    /// Nothing is written before this.
    rest: Option<(Instant, Why)>,
    failures: u32,
}

#[derive(Debug)]
struct Entry<V> {
    wished: Option<V>,
    /// What was written last.
    written: Option<V>,
    /// Whether that is what is there: a failure may have come after the deed.
    certain: bool,
    /// The wish was refused; only another one is worth a try.
    refused: bool,
    waiting: Option<Waiting>,
}

impl<V> Entry<V> {
    fn new(wished: Option<V>, written: Option<V>) -> Self {
        Self {
            wished,
            written,
            certain: true,
            refused: false,
            waiting: None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    turn: u64,
    since: Instant,
}

/// One thing to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write<K, V> {
    pub(crate) key: K,
    /// What was written there last.
    pub(crate) from: Option<V>,
    /// What is to be there; nothing, where it is to be taken back.
    pub(crate) to: Option<V>,
}

/// What came of writing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there.
    Written,
    /// The far end has had too much, and asks for this much patience.
    Limited(Duration),
    /// It failed for a reason that may pass.
    Failed,
    /// It may not be.
    Refused,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wished {
    /// It is the same as before.
    Same,
    /// It is a new one.
    Changed,
    /// It is one thing too many, and forgotten.
    Full,
}

/// What the next write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Other changes to the same thing.
    Hold,
    /// Its own pace.
    Pace,
    /// The far end, which has had too much.
    Limited,
    /// A failure that may pass.
    Failed,
}

impl<K: Ord + Clone, V: PartialEq + Clone> Ledger<K, V> {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            entries: BTreeMap::new(),
            queue: BTreeMap::new(),
            turns: 0,
            writing: None,
            terms,
            rest: None,
            failures: 0,
        }
    }

    /// Wishes for something to be there, or for nothing. Only the last wish counts.
    pub(crate) fn wish(&mut self, now: Instant, key: K, wished: Option<V>) -> Wished {
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.wished == wished {
                return Wished::Same;
            }
            entry.wished = wished;
            entry.refused = false;
        } else if wished.is_none() {
            return Wished::Same;
        } else if self.entries.len() >= self.terms.most {
            return Wished::Full;
        } else {
            self.entries.insert(key.clone(), Entry::new(wished, None));
        }
        self.place(now, key);
        Wished::Changed
    }

    /// Something is there already. Unless something else is wished for, it stays.
    pub(crate) fn found(&mut self, now: Instant, key: K, there: V) {
        if self.writing.as_ref().is_some_and(|write| write.key == key) {
            // What is under way is newer.
            return;
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            (entry.written, entry.certain, entry.refused) = (Some(there), true, false);
        } else if self.entries.len() < self.terms.most {
            let entry = Entry::new(Some(there.clone()), Some(there));
            self.entries.insert(key.clone(), entry);
        }
        self.place(now, key);
    }

    /// What was refused may be worth another try.
    pub(crate) fn retry(&mut self, now: Instant, key: K) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.refused = false;
            self.place(now, key);
        }
    }

    /// Forgets a thing, with what is written there.
    pub(crate) fn forget(&mut self, key: &K) {
        if let Some(waiting) = self.entries.remove(key).and_then(|entry| entry.waiting) {
            self.queue.remove(&waiting.turn);
        }
    }

    /// Whether there is anything to know of a thing: it is there, or to be.
    pub(crate) fn knows(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// What is wished for.
    pub(crate) fn wished(&self, key: &K) -> Option<&V> {
        self.entries.get(key)?.wished.as_ref()
    }

    /// The things from `first` on, in their order.
    pub(crate) fn keys_from(&self, first: K) -> impl Iterator<Item = &K> {
        self.entries.range(first..).map(|(key, _)| key)
    }

    /// How many things are wished for to be there.
    pub(crate) fn len(&self) -> usize {
        self.entries.values().filter(|entry| entry.wished.is_some()).count()
    }

    /// How many wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When the next thing is to be written, and what it waits for until then; none while one is being written, and where
    /// all is as wished.
    pub(crate) fn due(&self) -> Option<(Instant, Why)> {
        let (_, key) = self.queue.first_key_value().filter(|_| self.writing.is_none())?;
        let since = self.entries.get(key)?.waiting?.since;
        let hold = (since + self.terms.hold, Why::Hold);
        let pace = self.terms.pace.ready().map(|ready| (ready, Why::Pace));
        let latest = |a: (Instant, Why), b: (Instant, Why)| if b.0 > a.0 { b } else { a };
        Some(pace.into_iter().chain(self.rest).fold(hold, latest))
    }

    /// The next thing to write, if it is time. [`Self::finish`] must follow.
    #[must_use]
    pub(crate) fn next(&mut self, now: Instant) -> Option<Write<K, V>> {
        self.due().filter(|(due, _)| *due <= now)?;
        let (_, key) = self.queue.pop_first()?;
        let entry = self.entries.get_mut(&key)?;
        entry.waiting = None;
        let write = Write {
            key,
            from: entry.written.clone(),
            to: entry.wished.clone(),
        };
        self.terms.pace.take(now);
        self.rest = None;
        self.writing = Some(write.clone());
        Some(write)
    }

    /// Says what came of the thing that [`Self::next`] gave.
    pub(crate) fn finish(&mut self, now: Instant, outcome: Outcome) {
        let Some(write) = self.writing.take() else {
            return;
        };
        self.failures = if outcome == Outcome::Failed {
            self.failures + 1
        } else {
            0
        };
        match outcome {
            Outcome::Limited(patience) => self.rest = Some((now + patience.max(FIRST_REST), Why::Limited)),
            Outcome::Failed => {
                let doubled = FIRST_REST.saturating_mul(1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
                self.rest = Some((now + doubled.min(LONGEST_REST), Why::Failed));
            }
            Outcome::Written | Outcome::Refused => {}
        }
        if let Some(entry) = self.entries.get_mut(&write.key) {
            match outcome {
                Outcome::Written => (entry.written, entry.certain) = (write.to, true),
                Outcome::Failed => entry.certain = false,
                Outcome::Refused => entry.refused = entry.wished == write.to,
                Outcome::Limited(_) => {}
            }
        }
        self.place(now, write.key);
    }

    /// Gives a thing its turn if it has to be written, takes it away if not, and forgets what is not there and not to be.
    fn place(&mut self, now: Instant, key: K) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if self.writing.as_ref().is_some_and(|write| write.key == key) {
            return;
        }
        let differs = !entry.certain || entry.written != entry.wished;
        let over = !differs && entry.wished.is_none();
        match entry.waiting {
            None if differs && !entry.refused => {
                entry.waiting = Some(Waiting {
                    turn: self.turns,
                    since: now,
                });
                self.queue.insert(self.turns, key);
                self.turns += 1;
            }
            Some(waiting) if !differs => {
                entry.waiting = None;
                self.queue.remove(&waiting.turn);
                if over {
                    self.entries.remove(&key);
                }
            }
            None if over => {
                self.entries.remove(&key);
            }
            None | Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
