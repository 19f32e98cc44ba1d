//! Which further keys packets may have.

/// The extension keys of packets that a side can do; in use are those that both list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Extensions {
    /// `s`: who speaks.
    pub speakers: bool,
    /// `v`: how loud it is.
    pub level: bool,
}

impl Extensions {
    /// None of them: the base packet alone.
    pub const NONE: Self = Self {
        speakers: false,
        level: false,
    };

    /// All of them.
    pub const ALL: Self = Self {
        speakers: true,
        level: true,
    };

    /// What both sides can do.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            speakers: self.speakers && other.speakers,
            level: self.level && other.level,
        }
    }

    /// Reads the list of keys; those that are not known are left out.
    pub(super) fn of(keys: &[String]) -> Self {
        let has = |key: &str| keys.iter().any(|listed| listed == key);
        Self {
            speakers: has("s"),
            level: has("v"),
        }
    }

    /// The keys, as they are listed.
    pub(super) fn keys(self) -> Vec<&'static str> {
        let keys = [(self.speakers, "s"), (self.level, "v")];
        keys.into_iter()
            .filter_map(|(listed, key)| listed.then_some(key))
            .collect()
    }
}
