//! Sets of sources.

/// Position of a source in its engine, below [`MAX_SOURCES`].
pub(super) type Slot = usize;

/// Most sources of an engine, each a bit of a [`Mask`]: more than a Discord voice channel holds people.
pub(super) const MAX_SOURCES: usize = 128;

/// A set of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mask(u128);

impl Mask {
    pub(super) fn insert(&mut self, slot: Slot) {
        self.0 |= bit(slot);
    }

    pub(super) fn without(self, slot: Slot) -> Self {
        Self(self.0 & !bit(slot))
    }

    pub(super) fn contains(self, slot: Slot) -> bool {
        self.0 & bit(slot) != 0
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members.
    pub(super) fn slots(self) -> impl Iterator<Item = Slot> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let slot = Self(rest).first()?;
            rest &= rest - 1;
            Some(slot)
        })
    }

    fn first(self) -> Option<Slot> {
        (!self.is_empty()).then(|| usize::try_from(self.0.trailing_zeros()).unwrap_or(MAX_SOURCES))
    }

    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The only member, if there is one only.
    pub(super) fn only(self) -> Option<Slot> {
        if self.len() == 1 { self.first() } else { None }
    }
}

impl FromIterator<Slot> for Mask {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut mask = Self::default();
        for slot in slots {
            mask.insert(slot);
        }
        mask
    }
}

fn bit(slot: Slot) -> u128 {
    u32::try_from(slot)
        .ok()
        .and_then(|slot| 1_u128.checked_shl(slot))
        .unwrap_or(0)
}
