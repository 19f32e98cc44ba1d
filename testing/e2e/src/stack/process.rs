//! Programs that the stack starts, each with a log of its own and an end that is ours.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a program may take to end by itself after it was asked to.
const END_WITHIN: Duration = Duration::from_secs(8);

/// How long a program may take until it answers.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);

/// A running program. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log this run of the program begins.
    log_start: u64,
}

impl Process {
    /// Starts `command`, everything that it writes appended to `<folder>/<name>.log`.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let (log, file, log_start) = open_log(name, folder)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            log_start,
        })
    }

    /// Starts `command` and gives the first line of its standard output too, by which it says that it is ready.
    pub async fn start_with_line(name: &str, mut command: Command, folder: &Path) -> Result<(Self, String)> {
        let (log, file, log_start) = open_log(name, folder)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        let stdout = child.stdout.take().context("its standard output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let process = Self {
            name: name.to_owned(),
            child,
            log,
            log_start,
        };
        match tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await {
            Ok(Ok(Some(line))) => Ok((process, line)),
            _ => bail!(
                "{name} did not say that it is ready; its log ends with:\n{}",
                process.log_tail()
            ),
        }
    }

    /// The operating system's id of the process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Fails with the end of its log if the program has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended ({status}); its log ends with:\n{}",
                self.name,
                self.log_tail()
            ),
        }
    }

    /// Asks the program to end (SIGTERM) and waits for it; kills it if it does not.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
            if asked.success()
                && let Ok(status) = tokio::time::timeout(END_WITHIN, self.child.wait()).await
            {
                return Ok(status?);
            }
            self.child.kill().await?;
        }
        Ok(self.child.wait().await?)
    }

    /// Kills the program (SIGKILL) and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// The last lines that the program wrote.
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines = text.lines().collect::<Vec<_>>();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// All that the program wrote in this run.
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or_default().min(text.len());
        String::from_utf8_lossy(&text[start..]).into_owned()
    }
}

/// Waits until a program answers at `url` with success; fails when it does not run any more.
pub(super) async fn answers(name: &str, url: &str, still_runs: impl Fn() -> Result<()>) -> Result<()> {
    let client = reqwest::Client::new();
    wait_for(&format!("{name} to answer at {url}"), ANSWER_WITHIN, || {
        let ended = still_runs();
        let request = client.get(url).send();
        async move {
            ended?;
            let answer = request.await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(()))
        }
    })
    .await
}

/// The log of a program, to be written on from where it ends.
fn open_log(name: &str, folder: &Path) -> Result<(PathBuf, std::fs::File, u64)> {
    let log = folder.join(format!("{name}.log"));
    let file = std::fs::File::options().create(true).append(true).open(&log)?;
    let start = file.metadata()?.len();
    Ok((log, file, start))
}

/// Asks `probe` again and again until it gives a value, at most for `limit`.
pub async fn wait_for<T, F>(what: &str, limit: Duration, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = tokio::time::Instant::now() + limit;
    let mut last_error = None;
    while tokio::time::Instant::now() < deadline {
        match probe().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last_error = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    match last_error {
        Some(error) => Err(error.context(format!("waited {limit:?} for {what}"))),
        None => bail!("waited {limit:?} for {what}, in vain"),
    }
}
