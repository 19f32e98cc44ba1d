//! The rules that a test may break, to see that the model checker notices.

/// A rule without which the two sides would misunderstand each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    /// The answering side takes an accept only for the very channel that it offered.
    AcceptOfTheOffer,
    /// The asking side takes an offer only above its known epoch.
    OfferAboveKnownEpoch,
}

/// The rules that a machine keeps: all of them, and nothing that takes room, outside of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    #[cfg(test)]
    pub(crate) broken: Option<Rule>,
}

impl Rules {
    /// Whether the rule counts.
    #[cfg(not(test))]
    pub(crate) const fn keep(self, _: Rule) -> bool {
        let Self {} = self;
        true
    }

    #[cfg(test)]
    pub(crate) fn keep(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }
}
