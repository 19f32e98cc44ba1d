//! A change that all members prepare before it takes effect.

use std::collections::BTreeSet;

use crate::snowflake::Snowflake;

/// Members have this long to prepare.
const PATIENCE_NS: u64 = 2_000_000_000;

/// A change under way.
#[derive(Debug)]
pub(crate) struct Transition {
    pub(crate) id: u16,
    /// The protocol version that it leads to.
    pub(crate) version: u16,
    pub(crate) deadline_ns: u64,
    /// Who is told to execute it.
    members: BTreeSet<Snowflake>,
    /// Who has not said that he is ready.
    waiting: BTreeSet<Snowflake>,
}

impl Transition {
    pub(crate) fn new(id: u16, version: u16, members: BTreeSet<Snowflake>, now_ns: u64) -> Self {
        Self {
            id,
            version,
            deadline_ns: now_ns + PATIENCE_NS,
            waiting: members.clone(),
            members,
        }
    }

    /// Notes that a member is ready; false when nobody waited for that.
    pub(crate) fn ready(&mut self, user: Snowflake) -> bool {
        self.waiting.remove(&user)
    }

    /// Takes a member out.
    pub(crate) fn forget(&mut self, user: Snowflake) {
        self.members.remove(&user);
        self.waiting.remove(&user);
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) const fn members(&self) -> &BTreeSet<Snowflake> {
        &self.members
    }

    pub(crate) const fn waiting(&self) -> &BTreeSet<Snowflake> {
        &self.waiting
    }
}
