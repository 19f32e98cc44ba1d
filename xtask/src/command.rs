//! Runs other programs and says so.

use anyhow::{Context, Result, ensure};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Writes a line of progress to standard error, where it does not mix with what the programs print.
pub(crate) fn say(line: &str) {
    // Progress that nobody reads any more is not worth failing for.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in a folder of the workspace")
}

/// Where the tools that are no Debian packages are installed: `$VDP_TOOLS`, else `~/.cache/vdp/tools`.
pub(crate) fn tools() -> Result<PathBuf> {
    if let Some(tools) = std::env::var_os("VDP_TOOLS") {
        return Ok(tools.into());
    }
    let home = std::env::var_os("HOME").context("HOME is not set; set VDP_TOOLS to a folder for the tools")?;
    Ok(Path::new(&home).join(".cache/vdp/tools"))
}

/// Runs a program to its end, its output shown; fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("{shown} could not be started"))?;
    ensure!(status.success(), "{shown} failed ({status})");
    Ok(())
}

/// Runs a program silently and gives what it printed, or nothing if it is missing or failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
