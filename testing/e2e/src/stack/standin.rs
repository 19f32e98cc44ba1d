//! The local Discord.

use super::process::Process;
use anyhow::{Context as _, Result};
use discord_standin::{ControlClient, Info};
use std::path::Path;
use tokio::process::Command;

/// The local Discord as a process, and its control interface.
#[derive(Debug)]
pub struct Standin {
    /// Nothing where somebody else has started it.
    process: Option<Process>,
    /// Addresses and ids.
    pub info: Info,
    /// By which a test makes things happen.
    pub control: ControlClient,
}

impl Standin {
    /// Starts it alone.
    pub async fn start(folder: &Path) -> Result<Self> {
        let mut command = Command::new(super::bridge::program("discord-standin")?);
        command.arg("--ca-out").arg(folder.join("discord-ca.pem"));
        let (process, line) = Process::start_with_line("discord-standin", command, folder).await?;
        let info: Info = serde_json::from_str(&line).with_context(|| format!("its ready line is: {line}"))?;
        let control = ControlClient::new(info.control.clone());
        Ok(Self {
            process: Some(process),
            info,
            control,
        })
    }

    /// Ends it, unless it is somebody else's.
    pub async fn stop(self) -> Result<()> {
        match self.process {
            Some(process) => process.stop().await.map(drop),
            None => Ok(()),
        }
    }

    /// One that somebody else has started.
    pub(super) async fn attached(control: String) -> Result<Self> {
        let answer = reqwest::get(format!("{control}/info")).await?.error_for_status()?;
        let info: Info = answer.json().await?;
        Ok(Self {
            process: None,
            info,
            control: ControlClient::new(control),
        })
    }
}
