//! How much of a bench a run is to show, and how thoroughly.

use anyhow::{Result, ensure};
use std::time::Duration;

/// How much of a bench a run is to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Shorter and fewer measurements: to see that a bench works, not to show that a goal is reached.
    pub quick: bool,
    /// The only part that is to run, by its name; all if there is none.
    pub only: Option<String>,
}

impl Plan {
    /// Reads `BENCH` or `BENCH:PART`, as benches are named on the command line: the bench, and the plan for it.
    pub fn parse(name: &str, quick: bool) -> (&str, Self) {
        let (bench, only) = match name.split_once(':') {
            Some((bench, part)) => (bench, Some(part.to_owned())),
            None => (name, None),
        };
        (bench, Self { quick, only })
    }

    /// Those of `parts` that are to run; an error if the one that was asked for is not among them.
    pub fn choose<'a, T>(&self, parts: &'a [T], name: impl Fn(&T) -> &str) -> Result<Vec<&'a T>> {
        let wanted = |part: &&T| self.only.as_deref().is_none_or(|only| only == name(part));
        let chosen: Vec<&T> = parts.iter().filter(wanted).collect();
        let known = || parts.iter().map(&name).collect::<Vec<_>>().join(", ");
        ensure!(!chosen.is_empty(), "there is no such part; there are {}", known());
        Ok(chosen)
    }

    /// The name of the file for what a bench finds by this plan.
    pub fn file_name(&self, bench: &str) -> String {
        match &self.only {
            Some(part) => format!("{bench}-{part}"),
            None => bench.to_owned(),
        }
    }

    /// How often what is compared takes turns.
    pub fn turns(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    /// How long each is measured, once it has warmed up.
    pub fn measured(&self) -> Duration {
        Duration::from_secs(if self.quick { 10 } else { 20 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_behind_its_bench() {
        let (bench, plan) = Plan::parse("rooms:one-40", true);
        assert_eq!(
            (bench, plan.only.as_deref(), plan.quick),
            ("rooms", Some("one-40"), true)
        );
        assert_eq!(plan.file_name(bench), "rooms-one-40");
        let (bench, plan) = Plan::parse("rooms", false);
        assert_eq!((bench, plan.file_name(bench)), ("rooms", "rooms".to_owned()));
    }

    #[test]
    fn only_what_was_asked_for_runs() {
        let parts = ["one", "two"];
        let chosen = |name: &str| {
            let (_, plan) = Plan::parse(name, false);
            plan.choose(&parts, |part| part).map(|chosen| chosen.len())
        };
        assert_eq!(chosen("rooms").unwrap(), 2);
        assert_eq!(chosen("rooms:two").unwrap(), 1);
        assert!(chosen("rooms:three").is_err());
    }
}
