//! The goals of `goals.toml`, and how a report stands up to them.

use crate::report::Report;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// The goals of every bench, by its name and that of the figure.
#[derive(Debug, Deserialize)]
pub struct Goals(BTreeMap<String, BTreeMap<String, Goal>>);

/// The limit of a figure, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// It must not be above this.
    AtMost(f64),
    /// It must not be below this.
    AtLeast(f64),
}

/// How a figure stands up to its goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Bench and figure.
    pub name: String,
    /// What it was held against.
    pub goal: Goal,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The goal is reached.
    Reached(f64),
    /// The figure falls short of it.
    FallsShort(f64),
    /// There is no figure, for this reason: nothing is known of it, which is no success.
    NotShown(String),
    /// The bench says nothing of it at all, which is none either.
    NotTold,
}

impl Goals {
    /// The goals in the repository, compiled in.
    pub fn of_this_repository() -> Result<Self> {
        Self::parse(include_str!("../goals.toml")).context("goals.toml")
    }

    /// Reads them.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// The goal of a figure.
    pub fn get(&self, bench: &str, figure: &str) -> Option<Goal> {
        self.0.get(bench)?.get(figure).copied()
    }

    /// The benches that have goals.
    pub fn benches(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Holds what a bench found, or why it found nothing, against its goals.
    pub fn hold(&self, bench: &str, found: Result<&Report, &str>) -> Vec<Verdict> {
        let of_bench = self.0.get(bench).into_iter().flatten();
        of_bench
            .map(|(figure, &goal)| Verdict {
                name: format!("{bench} {figure}"),
                goal,
                outcome: goal.outcome(figure, found),
            })
            .collect()
    }
}

impl Goal {
    /// Whether a figure reaches it. What is no number reaches nothing.
    pub fn is_reached_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn outcome(self, figure: &str, found: Result<&Report, &str>) -> Outcome {
        match found.map(|report| (report, report.get(figure))) {
            Ok((_, Some(figure))) if self.is_reached_by(figure.value) => Outcome::Reached(figure.value),
            Ok((_, Some(figure))) => Outcome::FallsShort(figure.value),
            Ok((report, None)) => {
                let reason = report.failure(figure).map(str::to_owned);
                reason
                    .or_else(|| report.what_is_missing())
                    .map_or(Outcome::NotTold, Outcome::NotShown)
            }
            Err(reason) => Outcome::NotShown(reason.to_owned()),
        }
    }
}

impl Verdict {
    /// Whether the goal is reached.
    pub const fn is_reached(&self) -> bool {
        matches!(self.outcome, Outcome::Reached(_))
    }
}

impl Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(formatter, "at most {limit}"),
            Self::AtLeast(limit) => write!(formatter, "at least {limit}"),
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, goal, outcome } = self;
        match outcome {
            Outcome::Reached(value) => write!(formatter, "reached      {name}: {value:.3} ({goal})"),
            Outcome::FallsShort(value) => write!(formatter, "FALLS SHORT  {name}: {value:.3} ({goal})"),
            Outcome::NotShown(reason) => write!(formatter, "NOT SHOWN    {name} ({goal}): {reason}"),
            Outcome::NotTold => write!(formatter, "NOT SHOWN    {name} ({goal}): the bench does not tell it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goals() -> Goals {
        Goals::parse("[codec]\nencode = { at_most = 150 }\n[relay]\nplain = { at_least = 0.85 }\n").unwrap()
    }

    fn report(figure: &str, value: f64) -> Report {
        let mut report = Report::new();
        report.figure(figure, value, "");
        report
    }

    fn outcome(bench: &str, found: Result<&Report, &str>) -> Outcome {
        let verdicts = goals().hold(bench, found);
        assert_eq!(verdicts.len(), 1);
        verdicts[0].outcome.clone()
    }

    #[test]
    fn a_figure_is_held_against_its_goal_the_right_way() {
        let of = |figure, value| report(figure, value);
        assert_eq!(outcome("codec", Ok(&of("encode", 150.0))), Outcome::Reached(150.0));
        assert_eq!(outcome("codec", Ok(&of("encode", 151.0))), Outcome::FallsShort(151.0));
        assert_eq!(outcome("relay", Ok(&of("plain", 0.85))), Outcome::Reached(0.85));
        assert_eq!(outcome("relay", Ok(&of("plain", 0.84))), Outcome::FallsShort(0.84));
        assert!(matches!(
            outcome("relay", Ok(&of("plain", f64::NAN))),
            Outcome::FallsShort(_)
        ));
    }

    #[test]
    fn what_is_not_shown_is_no_success() {
        let mut without = Report::new();
        without.missing("valgrind", "apt-get install valgrind");
        for found in [Ok(&without), Ok(&Report::new()), Err("it broke")] {
            let verdicts = goals().hold("codec", found);
            assert!(verdicts.iter().all(|verdict| !verdict.is_reached()));
        }
        assert_eq!(
            outcome("codec", Ok(&without)),
            Outcome::NotShown("valgrind is MISSING (apt-get install valgrind)".to_owned())
        );
    }

    #[test]
    fn what_failed_costs_only_its_own_figure() {
        let goals = Goals::parse("[codec]\ndecode = { at_most = 300 }\nencode = { at_most = 150 }\n").unwrap();
        let mut report = report("encode", 100.0);
        report.failed("decode", "it broke");
        let verdicts = goals.hold("codec", Ok(&report));
        let outcomes: Vec<_> = verdicts.into_iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::NotShown("it broke".to_owned()), Outcome::Reached(100.0)]
        );
    }

    #[test]
    fn a_word_that_is_no_goal_is_refused() {
        assert!(Goals::parse("[codec]\nencode = { about = 150 }\n").is_err());
    }
}
