//! Calls Cargo for the parts of the other tasks.

use crate::command::{root, run, tools};
use anyhow::Result;
use std::process::Command;

/// The programs that the end-to-end scenarios start as processes of their own.
const PROGRAMS: [&str; 4] = ["voice-bridge", "discord-bridge", "discord-standin", "e2e"];

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Unit, property and integration tests.
pub(crate) fn test() -> Result<()> {
    // The library's own examples need no browser and no homeserver; scenarios come after this.
    run(cargo(&["test", "--workspace", "--locked"]).env("VDP_TOOLS", tools()?))
}

/// Builds the programs under test, so that a scenario never waits for a compiler.
pub(crate) fn build_programs() -> Result<()> {
    let packages = PROGRAMS.iter().flat_map(|program| ["--package", program]);
    run(cargo(&["build", "--locked", "--bins"]).args(packages))
}

/// Runs `testing/e2e` with these arguments.
pub(crate) fn end_to_end(arguments: &[String]) -> Result<()> {
    run(cargo(&["run", "--quiet", "--locked", "--package", "e2e", "--"])
        .args(arguments)
        .env("VDP_TOOLS", tools()?))
}

/// Formatting, lints and documentation, with every warning an error.
pub(crate) fn lint() -> Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))
}
