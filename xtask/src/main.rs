//! Development tasks of the workspace: `cargo xtask help` lists them.
//!
//! This program stays small so that it is built in seconds: what needs a runtime lives in `testing/e2e` and
//! `testing/bench`, which it builds and calls.

mod cargo;
mod command;
mod setup;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Development tasks of the Matrix–Discord voice bridge.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests and the demonstration need; does nothing where it is there already.
    ///
    /// Debian packages (as root), Python environments with Synapse and with Discord clients, the npm packages of the web
    /// page and of discord.js, and where there is Go (or one on PATH) LiveKit, each in its pinned version. Everything but
    /// the Debian packages goes below `$VDP_TOOLS` (default: `~/.cache/vdp/tools`), `testing/web` and `testing/clients`.
    Setup {
        /// Install what the benches need instead: Valgrind, and Janus, which they are compared to.
        #[arg(long)]
        bench: bool,
        /// Install what docker-compose.yml needs instead: Docker and Compose as in Debian, and its base images, made here of
        /// packages where they are not there. The scenario `compose` runs with them, or with a Docker that is there already.
        #[arg(long, conflicts_with = "bench")]
        docker: bool,
    },
    /// Start everything on this machine and print the address of a page to call from. Ctrl-C ends it all.
    ///
    /// A Synapse, a LiveKit where there is one, a local Discord with a person who talks, and both bridges, on 127.0.0.1 and
    /// without any account. The page calls the bridged room by VoIP v1, or has Element Call itself do it, which needs LiveKit.
    Dev(DevArguments),
    /// Run every test: unit, property, integration and end-to-end. This is what CI runs.
    Test {
        /// Run one end-to-end scenario of each area instead of all.
        #[arg(long)]
        quick: bool,
    },
    /// Run end-to-end scenarios by name; all of them if none is named.
    E2e {
        /// Print the scenarios, a line each, and run none.
        #[arg(long)]
        list: bool,
        /// Names of the scenarios to run.
        names: Vec<String>,
    },
    /// Run benches by name (BENCH, or BENCH:PART where it has parts), all of them if none is named; print tables and write
    /// JSON to Cargo's target directory.
    ///
    /// What they need beside this workspace `cargo xtask setup --bench` installs.
    Bench {
        /// Print the benches, a line each, and run none.
        #[arg(long)]
        list: bool,
        /// Hold the figures against `testing/bench/goals.toml`; fail with a line for each that falls short.
        #[arg(long, conflicts_with = "list")]
        check: bool,
        /// Measure shorter and less often, to see that a bench works.
        #[arg(long, conflicts_with_all = ["list", "check"])]
        quick: bool,
        /// Names of the benches to run.
        names: Vec<String>,
    },
    /// Check formatting, lints and documentation, then run every test.
    Ci,
}

#[derive(clap::Args)]
struct DevArguments {
    /// Use the real Discord instead of the local one; needs --token-file, --guild and --channel.
    #[arg(long, requires_all = ["token_file", "guild", "channel"])]
    real_discord: bool,
    /// File that holds the token of your Discord bot.
    #[arg(long, value_name = "FILE", requires = "real_discord")]
    token_file: Option<String>,
    /// Id of the Discord guild (server) that the bot is a member of.
    #[arg(long, value_name = "ID", requires = "real_discord")]
    guild: Option<String>,
    /// Id of the voice channel to bridge.
    #[arg(long, value_name = "ID", requires = "real_discord")]
    channel: Option<String>,
    /// Port of the page on 127.0.0.1.
    #[arg(long, default_value_t = 8420)]
    port: u16,
}

impl DevArguments {
    /// The same arguments, as `testing/e2e` takes them.
    fn forwarded(&self) -> Vec<String> {
        let mut arguments = vec!["dev".to_owned(), format!("--port={}", self.port)];
        for (name, value) in [
            ("token-file", &self.token_file),
            ("guild", &self.guild),
            ("channel", &self.channel),
        ] {
            arguments.extend(value.as_ref().map(|value| format!("--{name}={value}")));
        }
        arguments
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    match task {
        Task::Setup { bench: true, .. } => setup::run_for_benches(),
        Task::Setup { docker: true, .. } => {
            setup::run_for_docker()?;
            cargo::build_programs()?;
            cargo::end_to_end(&["base-images".to_owned()])
        }
        Task::Setup { .. } => setup::run(),
        Task::Dev(arguments) => {
            setup::run()?;
            cargo::build_programs()?;
            cargo::end_to_end(&arguments.forwarded())
        }
        Task::Test { quick } => {
            setup::run()?;
            cargo::test()?;
            cargo::build_programs()?;
            cargo::end_to_end(
                &["run".to_owned()]
                    .into_iter()
                    .chain(quick.then(|| "--quick".to_owned()))
                    .collect::<Vec<_>>(),
            )
        }
        Task::E2e { list: true, .. } => {
            cargo::build_programs()?;
            cargo::end_to_end(&["list".to_owned()])
        }
        Task::E2e { names, .. } => {
            setup::run()?;
            cargo::build_programs()?;
            cargo::end_to_end(
                &["run".to_owned()]
                    .into_iter()
                    .chain(names.iter().cloned())
                    .collect::<Vec<_>>(),
            )
        }
        Task::Bench { list: true, .. } => cargo::bench(&["list".to_owned()]),
        Task::Bench {
            check, quick, names, ..
        } => {
            let command = if *check { "check" } else { "run" };
            let quick = quick.then_some("--quick");
            let words = std::iter::once(command).chain(quick).map(str::to_owned);
            let arguments = words.chain(names.iter().cloned());
            cargo::bench(&arguments.collect::<Vec<_>>())
        }
        Task::Ci => {
            cargo::lint()?;
            run(&Task::Test { quick: false })
        }
    }
}
