//! Runs benches. `cargo xtask bench` calls it after it has built it in release mode.

use anyhow::{Result, bail, ensure};
use bench::benches::{self, BENCHES, Bench};
use bench::goals::{Goals, Outcome, Verdict};
use bench::machine::Machine;
use bench::plan::Plan;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

/// Benches of the bridges.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the benches.
    List,
    /// Run benches (BENCH or BENCH:PART) and print what they find; all if none is named.
    Run {
        /// Measure shorter and less often.
        #[arg(long)]
        quick: bool,
        names: Vec<String>,
    },
    /// Run benches and fail if any goal is not reached; all if none is named.
    Check { names: Vec<String> },
    /// Do what a bench does in a process of its own.
    #[command(hide = true)]
    Part {
        bench: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::List => {
            let width = BENCHES.iter().map(|bench| bench.name.len()).max().unwrap_or(0);
            for Bench { name, about, .. } in BENCHES {
                say(&format!("{name:<width$}  {about}"));
            }
            Ok(())
        }
        Command::Run { quick, names } => {
            let (_, broken) = measure(&benches::choose(&names, quick)?)?;
            ensure!(broken.is_empty(), "broken: {}", broken.join(", "));
            Ok(())
        }
        Command::Check { names } => check(&names),
        Command::Part { bench, arguments } => (benches::find(&bench)?.part)(&arguments),
    }
}

/// Runs benches one after the other. Gives back how they stand up to their goals, and the names of what broke: of benches,
/// and of single figures.
fn measure(chosen: &[(&Bench, Plan)]) -> Result<(Vec<Verdict>, Vec<String>)> {
    let goals = Goals::of_this_repository()?;
    let machine = Machine::this();
    say(&format!("{machine}\n"));
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for (bench, plan) in chosen {
        let verdicts = match (bench.run)(plan) {
            Ok(report) => {
                say(&report.to_string());
                say(&format!(
                    "written to {}",
                    report.write(&plan.file_name(bench.name), &machine)?.display()
                ));
                let mut verdicts = goals.hold(bench.name, Ok(&report));
                // What other parts show is not missed in this one.
                verdicts.retain(|verdict| plan.only.is_none() || verdict.outcome != Outcome::NotTold);
                broken.extend(report.failures().map(|figure| format!("{} {figure}", bench.name)));
                verdicts
            }
            Err(error) => {
                let reason = format!("the bench broke: {error:#}");
                say(&format!("{}: {reason}", bench.name));
                broken.push(bench.name.to_owned());
                goals.hold(bench.name, Err(&reason))
            }
        };
        for verdict in &verdicts {
            say(&verdict.to_string());
        }
        say("");
        all.extend(verdicts);
    }
    Ok((all, broken))
}

/// Fails, with a line for each goal that is not reached, unless all are.
fn check(names: &[String]) -> Result<()> {
    let (mut verdicts, broken) = measure(&benches::choose(names, false)?)?;
    if names.is_empty() {
        let goals = Goals::of_this_repository()?;
        for orphan in goals.benches().filter(|name| benches::find(name).is_err()) {
            verdicts.extend(goals.hold(orphan, Err("there is no such bench")));
        }
    }
    let short: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.is_reached()).collect();
    for verdict in &short {
        say(&verdict.to_string());
    }
    if !short.is_empty() || !broken.is_empty() {
        bail!(
            "{} of {} goals are not reached; broken: {}",
            short.len(),
            verdicts.len(),
            if broken.is_empty() {
                "nothing".to_owned()
            } else {
                broken.join(", ")
            }
        );
    }
    say(&format!("all {} goals are reached", verdicts.len()));
    Ok(())
}

fn say(line: &str) {
    // What nobody reads any more is not worth failing for.
    drop(writeln!(std::io::stdout(), "{line}"));
}
