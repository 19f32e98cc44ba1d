//! People who are in a call and on the other side of it at once.

use std::collections::{BTreeMap, HashSet};

use bridge_kit::channel::PersonId;
use bridge_kit::matrix::OwnedUserId;
use serde::{Deserialize, Deserializer, de};

/// `[people]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// Who somebody is on the other side, by his user id here.
    #[serde(default)]
    pub on_both_sides: BTreeMap<OwnedUserId, OtherSelf>,
}

/// What somebody is called on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherSelf(PersonId);

impl OtherSelf {
    /// Takes an id; none where it cannot be one.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        PersonId::new(id).map(Self)
    }

    /// His id there.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether he is among those who are there.
    pub(super) fn is_among(&self, there: &HashSet<PersonId>) -> bool {
        there.contains(&self.0)
    }
}

impl People {
    /// Who somebody is on the other side, if he is known to be anybody there.
    pub(super) fn other_self(&self, user: &str) -> Option<OtherSelf> {
        let mut entries = self.on_both_sides.iter();
        entries.find_map(|(id, other)| (id.as_str() == user).then(|| other.clone()))
    }
}

impl<'de> Deserialize<'de> for OtherSelf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Self::new(id).ok_or_else(|| de::Error::custom("an id has 1 to 64 visible characters"))
    }
}
