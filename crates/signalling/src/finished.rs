//! What is remembered of transactions that are over.

use std::collections::VecDeque;

use crate::event::{Event, TransactionId};

/// How many transactions of a room are remembered after their end.
///
/// Enough for whatever a room may still deliver late; without a limit a peer could fill the memory.
const REMEMBERED: usize = 16;

/// The last transactions of a room that are over, each with the event that ended it.
///
/// A late or repeated request of one of them is told from a new one, and gets the same answer again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Finished(VecDeque<Event>);

impl Finished {
    /// Remembers the event that ended its transaction; the oldest memory makes room.
    pub(crate) fn remember(&mut self, ending: Event) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(ending);
    }

    /// Forgets this transaction.
    pub(crate) fn forget(&mut self, transaction_id: &TransactionId) {
        self.0.retain(|ending| ending.header.transaction_id != *transaction_id);
    }

    /// The event that ended this transaction, if it is remembered.
    pub(crate) fn find(&self, transaction_id: &TransactionId) -> Option<&Event> {
        self.0
            .iter()
            .find(|ending| ending.header.transaction_id == *transaction_id)
    }
}
