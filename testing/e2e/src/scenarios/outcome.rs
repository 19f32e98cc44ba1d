//! How scenarios end, and how many in which way.

use anyhow::{Result, bail};
use std::fmt;

/// How a scenario ended. The checks tell of each whether it passed.
pub(super) enum Outcome {
    Passed(Vec<bool>),
    Failed(Vec<bool>),
    /// It was not run, since this is missing.
    Skipped(&'static str),
}

impl Outcome {
    /// The end of a scenario that came to its end. One that has checked nothing has not passed.
    pub(super) fn of(checks: Vec<bool>) -> Self {
        if checks.is_empty() || checks.contains(&false) {
            Self::Failed(checks)
        } else {
            Self::Passed(checks)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(checks) => write!(f, "passed, {} checks", checks.len()),
            Self::Failed(checks) => {
                let failed = checks.iter().filter(|passed| !**passed).count();
                write!(f, "FAILED, {failed} of {} checks", checks.len())
            }
            Self::Skipped(missing) => write!(f, "SKIPPED: {missing}"),
        }
    }
}

/// How many scenarios ended in which way.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    pub(super) failed: usize,
    skipped: usize,
    /// What the skipped ones would have needed, each once.
    missing: Vec<&'static str>,
}

impl Tally {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed(_) => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(missing) => {
                self.skipped += 1;
                if !self.missing.contains(missing) {
                    self.missing.push(missing);
                }
            }
        }
    }

    /// Fails if a scenario did, or if none was run at all: nothing is proved then.
    pub(super) fn verdict(&self) -> Result<()> {
        if self.failed > 0 {
            bail!("{} of {} scenarios failed", self.failed, self.passed + self.failed);
        }
        if self.passed == 0 {
            bail!("no scenario was run");
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped ({})", self.skipped, self.missing.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(outcomes: &[Outcome]) -> Tally {
        let mut tally = Tally::default();
        for outcome in outcomes {
            tally.count(outcome);
        }
        tally
    }

    #[test]
    fn only_what_has_checked_something_and_found_it_right_has_passed() {
        assert!(matches!(Outcome::of(vec![true, true]), Outcome::Passed(_)));
        assert!(matches!(Outcome::of(vec![true, false]), Outcome::Failed(_)));
        assert!(matches!(Outcome::of(Vec::new()), Outcome::Failed(_)));
    }

    #[test]
    fn what_was_skipped_is_counted_by_itself_and_the_reason_given_once() {
        let passed = || Outcome::of(vec![true]);
        let all = tally(&[passed(), passed()]);
        assert_eq!(all.to_string(), "2 passed, 0 failed");
        all.verdict().unwrap();

        let some = tally(&[passed(), Outcome::Skipped("no SFU"), Outcome::Skipped("no SFU")]);
        assert_eq!(some.to_string(), "1 passed, 0 failed, 2 skipped (no SFU)");
        some.verdict().unwrap();
    }

    #[test]
    fn a_run_that_failed_or_ran_nothing_fails() {
        let failed = tally(&[Outcome::of(vec![true]), Outcome::of(vec![false])]);
        assert_eq!(failed.to_string(), "1 passed, 1 failed");
        assert!(failed.verdict().unwrap_err().to_string().contains("1 of 2"));
        assert!(tally(&[Outcome::Skipped("no SFU")]).verdict().is_err());
    }
}
