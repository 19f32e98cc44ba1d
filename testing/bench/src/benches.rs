//! The list of benches, and how they are run.
//!
//! To add one: a module with a `run` that fills a [`Report`], a line in [`BENCHES`], its goals in `goals.toml` and its
//! section in `docs/performance.md`.

use crate::codec;
use crate::impaired;
use crate::latency;
use crate::plan::Plan;
use crate::relay;
use crate::report::Report;
use crate::rooms;
use anyhow::{Context as _, Result, bail};
use std::process::Command;

/// Something that is measured, beside what it is compared to.
#[derive(Debug)]
pub struct Bench {
    /// What it is called on the command line, in `goals.toml` and in the name of its JSON file.
    pub name: &'static str,
    /// One line for `--list`.
    pub about: &'static str,
    /// Measures. What it needs and does not find it reports by [`Report::missing`]; an error is for what broke.
    pub run: fn(&Plan) -> Result<Report>,
    /// Does what has to be done in a process of its own, as [`part`] asks for it. Most need none: [`no_part`].
    pub part: fn(&[String]) -> Result<()>,
}

/// Every bench, in the order in which `--check` runs them.
pub const BENCHES: &[Bench] = &[
    codec::BENCH,
    relay::BENCH,
    rooms::BENCH,
    latency::BENCH,
    impaired::BENCH,
];

/// The bench of this name.
pub fn find(name: &str) -> Result<&'static Bench> {
    let known = || BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
    BENCHES
        .iter()
        .find(|bench| bench.name == name)
        .with_context(|| format!("there is no bench {name}; there are {}", known()))
}

/// The benches of these names, each `BENCH` or `BENCH:PART`, and what of them is to run; all if none is named.
pub fn choose(names: &[String], quick: bool) -> Result<Vec<(&'static Bench, Plan)>> {
    if names.is_empty() {
        let whole = |bench| (bench, Plan { quick, only: None });
        return Ok(BENCHES.iter().map(whole).collect());
    }
    let chosen = names.iter().map(|name| {
        let (bench, plan) = Plan::parse(name, quick);
        Ok((find(bench)?, plan))
    });
    chosen.collect()
}

/// This program, to be started anew for a part of a bench: its [`Bench::part`] gets the arguments that are added.
pub fn part(bench: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["part", bench]);
    Ok(command)
}

/// The [`Bench::part`] of a bench without parts.
pub fn no_part(arguments: &[String]) -> Result<()> {
    bail!("this bench has no parts, and none is called {}", arguments.join(" "))
}
