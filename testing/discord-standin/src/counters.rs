//! What happened, counted by name.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Named counters that a test reads through `GET /counters`.
///
/// Everything that a strict server would complain about is counted here; names are fixed in the source, so the
/// number of counters is bounded.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<BTreeMap<&'static str, u64>>);

impl Counters {
    /// Adds one to `name`.
    pub(crate) fn count(&self, name: &'static str) {
        *self.0.lock().entry(name).or_default() += 1;
    }

    /// All counters above zero.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, u64> {
        let counters = self.0.lock();
        counters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    }
}
