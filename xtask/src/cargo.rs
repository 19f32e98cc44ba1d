//! Calls Cargo for the parts of the other tasks.

use crate::command::{root, run, tools};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // What Cargo tells this program of itself must not reach the build scripts of others: some watch these variables,
    // and would have half of the dependencies built anew whenever Cargo is called in another way.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|own| name.to_string_lossy().starts_with(own))
        {
            command.env_remove(name);
        }
    }
    command
}

/// Unit, property and integration tests.
pub(crate) fn test() -> Result<()> {
    run(cargo(&["test", "--workspace", "--locked"]).env("VDP_TOOLS", tools()?))
}

/// Builds the programs under test, so that a scenario never waits for a compiler.
///
/// All of the workspace at once: built one by one, the packages would ask for their dependencies with other features
/// than the tests do, and Cargo would build these twice. One small test is named for the same reason: without any,
/// Cargo leaves out the features that only tests ask for.
pub(crate) fn build_programs() -> Result<()> {
    run(&mut cargo(&[
        "build",
        "--workspace",
        "--bins",
        "--test",
        "architecture",
        "--locked",
    ]))
}

/// Runs `testing/e2e` with these arguments.
pub(crate) fn end_to_end(arguments: &[String]) -> Result<()> {
    let built = std::env::current_exe()?.with_file_name("e2e");
    run(Command::new(built).args(arguments).env("VDP_TOOLS", tools()?))
}

/// Builds `testing/bench` in release mode and runs it with these arguments.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    run(&mut cargo(&["build", "--release", "--package", "bench", "--locked"]))?;
    // The release programs lie beside the folder of this one.
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    run(Command::new(target.join("release/bench"))
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
