//! Tells of guilds in which something has changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::facts::GuildId;

/// Guilds in which something has changed since somebody looked. Unlike a queue it is never full, and the last change is never
/// lost: it holds each guild once. Clones share it; one of them waits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    changes: Mutex<Changes>,
    rung: Notify,
}

/// Where to look again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Everywhere.
    pub(crate) all: bool,
    /// In these guilds.
    pub(crate) guilds: BTreeSet<GuildId>,
}

impl Bell {
    /// Something has changed in a guild.
    pub(super) fn ring(&self, guild: GuildId) {
        self.changes().guilds.insert(guild);
        self.0.rung.notify_one();
    }

    /// Anything may have changed.
    pub(super) fn ring_everywhere(&self) {
        self.changes().all = true;
        self.0.rung.notify_one();
    }

    /// Waits until something has changed, and gives what did since the last time. Cancel-safe.
    pub(crate) async fn changed(&self) -> Changes {
        loop {
            let changes = std::mem::take(&mut *self.changes());
            if changes != Changes::default() {
                return changes;
            }
            self.0.rung.notified().await;
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[tokio::test]
    async fn many_changes_are_one_look_and_none_is_lost() {
        let bell = Bell::default();
        let guild = |id| GuildId(NonZeroU64::new(id).unwrap());
        for _ in 0..1_000 {
            bell.ring(guild(1));
            bell.ring(guild(2));
        }
        let changes = bell.changed().await;
        assert_eq!(changes.guilds, [guild(1), guild(2)].into());
        assert!(!changes.all);
        bell.ring_everywhere();
        assert!(bell.changed().await.all);
    }
}
