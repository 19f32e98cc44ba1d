//! The engine: the one that runs, or one that is started for as long as it is needed.

use super::output;
use crate::stack::{Process, wait_for};
use anyhow::Result;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Why what needs an engine cannot be done, where it cannot.
pub(crate) const MISSING: &str = "there is no Docker engine with Compose: cargo xtask setup --docker installs both on Debian, and one that runs is used as well";

/// How long an engine may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// An engine that answers.
pub(crate) struct Engine {
    /// The daemon, where none ran.
    daemon: Option<Process>,
}

impl Engine {
    /// Whether there is one, or one can be started, and Compose with it.
    pub(crate) fn is_installed() -> bool {
        let succeeds = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        // Only root may start it.
        let is_root = || std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        (succeeds("docker-compose", &["version"]) || succeeds("docker", &["compose", "version"]))
            && (succeeds("docker", &["info"]) || (is_root() && succeeds("dockerd", &["--version"])))
    }

    /// Starts one if none runs; its log is in `folder`.
    pub(crate) async fn start(folder: &Path) -> Result<Self> {
        if answers().await {
            return Ok(Self { daemon: None });
        }
        let mut daemon = Process::start("dockerd", Command::new("dockerd"), folder)?;
        let started = wait_for("dockerd to answer", STARTS_WITHIN, || {
            let ended = daemon.still_runs();
            async move {
                ended?;
                Ok(answers().await.then_some(()))
            }
        });
        if let Err(error) = started.await {
            return Err(error.context(daemon.log_tail()));
        }
        Ok(Self { daemon: Some(daemon) })
    }

    /// Ends it, if it was started here.
    pub(crate) async fn stop(self) -> Result<()> {
        match self.daemon {
            Some(daemon) => daemon.stop().await.map(drop),
            None => Ok(()),
        }
    }
}

async fn answers() -> bool {
    output(Command::new("docker").args(["info", "--format", "{{.ServerVersion}}"]))
        .await
        .is_ok()
}
