//! Docker on this machine: its engine, the stack of `docker-compose.yml` in it, and the images that both start from.

mod base_images;
mod compose;
mod engine;

pub use base_images::make as make_base_images;
pub(crate) use compose::{Compose, SERVICES, SERVICES_OF_OTHERS};
pub(crate) use engine::{Engine, MISSING};

use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a program to its end and gives what it printed; what it complained of is the error.
async fn output(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .await
        .with_context(|| format!("{program} could not be started"))?;
    let complaint = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{program}: {}: {}", output.status, complaint());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program to its end, with its output shown.
async fn shown(command: &mut Command) -> Result<()> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .await
        .with_context(|| format!("{program} could not be started"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
