//! A program that is ended and started again while others hold on to it.

use super::process::{Process, answers};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::Command;

/// A program, and its process while it runs.
#[derive(Debug)]
pub(super) struct Restartable {
    name: &'static str,
    process: Mutex<Option<Process>>,
}

impl Restartable {
    /// A program that does not run yet.
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            process: Mutex::new(None),
        }
    }

    /// What it is called.
    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// Starts it; its log is in `folder`.
    pub(super) fn start(&self, command: Command, folder: &Path) -> Result<()> {
        let process = Process::start(self.name, command, folder)?;
        *self.lock() = Some(process);
        Ok(())
    }

    /// Waits until it answers at `url` with success.
    pub(super) async fn answers(&self, url: &str) -> Result<()> {
        answers(self.name, url, || self.still_runs()).await
    }

    /// Asks it to end and waits for it; `None` if it did not run.
    pub(super) async fn stop(&self) -> Result<Option<ExitStatus>> {
        let process = self.lock().take();
        match process {
            Some(process) => process.stop().await.map(Some),
            None => Ok(None),
        }
    }

    /// Kills it, so that it can neither say goodbye nor save anything, and waits until it is gone.
    pub(super) async fn kill(&self) -> Result<()> {
        let process = self.lock().take();
        process.with_context(|| self.absence())?.kill().await
    }

    /// Fails, with the end of its log, if it has ended.
    pub(super) fn still_runs(&self) -> Result<()> {
        self.lock().as_mut().with_context(|| self.absence())?.still_runs()
    }

    /// The operating system's id of its process.
    pub(super) fn id(&self) -> Result<u32> {
        let id = self.lock().as_ref().and_then(Process::id);
        id.with_context(|| self.absence())
    }

    /// The last lines of its log.
    pub(super) fn log_tail(&self) -> String {
        self.lock().as_ref().map(Process::log_tail).unwrap_or_default()
    }

    /// All that it has logged since it was started last.
    pub(super) fn log(&self) -> String {
        self.lock().as_ref().map(Process::log).unwrap_or_default()
    }

    fn absence(&self) -> String {
        format!("{} does not run", self.name)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        // What a panic left behind is still the process.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
