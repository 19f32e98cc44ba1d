//! The two sides.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Asker,
    Answerer,
}

impl Who {
    pub(super) const BOTH: [Self; 2] = [Self::Asker, Self::Answerer];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Asker => Self::Answerer,
            Self::Answerer => Self::Asker,
        }
    }
}
