//! One of the two bridges, as the process that an operator would run.

use super::process::Process;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A bridge: its configuration, and its process while it runs.
#[derive(Debug)]
pub struct Bridge {
    name: &'static str,
    folder: PathBuf,
    telemetry: String,
    environment: Vec<(&'static str, PathBuf)>,
    process: Option<Process>,
}

impl Bridge {
    /// Writes the bridge's configuration file; starts nothing yet. `telemetry` is the port of its HTTP end.
    pub fn configure(name: &'static str, folder: &Path, telemetry: u16, configuration: &toml::Table) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("config.toml"), toml::to_string_pretty(configuration)?)?;
        Ok(Self {
            name,
            folder: folder.to_owned(),
            telemetry: format!("http://127.0.0.1:{telemetry}"),
            environment: Vec::new(),
            process: None,
        })
    }

    /// Gives the bridge an environment variable that names a file.
    #[must_use]
    pub fn with_environment(mut self, name: &'static str, file: &Path) -> Self {
        self.environment.push((name, file.to_owned()));
        self
    }

    /// Has the bridge write its appservice registration, which creates the token files too.
    pub async fn generate_registration(&self) -> Result<PathBuf> {
        let output = self
            .command()?
            .arg("--generate-registration")
            .stderr(Stdio::inherit())
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{} --generate-registration: {}",
            self.name,
            output.status
        );
        let file = self.folder.join("registration.yaml");
        std::fs::write(&file, output.stdout)?;
        Ok(file)
    }

    /// Starts the process; [`Bridge::ready`] waits for it.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// The same with environment variables that count for this run of it only.
    pub fn start_with(&mut self, variables: &[(&str, &str)]) -> Result<()> {
        let mut command = self.command()?;
        command.envs(variables.iter().copied());
        self.process = Some(Process::start(self.name, command, &self.folder)?);
        Ok(())
    }

    /// Waits until the bridge says that it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("{}/ready", self.telemetry);
        let process = self.process.as_mut().context("the bridge was not started")?;
        let outcome = process.answers(&url).await;
        let name = self.name;
        outcome.with_context(|| format!("{name} is not ready; its log ends with:\n{}", self.log_tail()))
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("{}/ready", self.telemetry)).await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    /// Fails, with the end of its log, if its process has ended.
    pub fn still_runs(&mut self) -> Result<()> {
        self.process
            .as_mut()
            .context("the bridge was not started")?
            .still_runs()
    }

    /// The name of its program.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the bridge says at `/status`.
    pub async fn status(&self) -> Result<Value> {
        Ok(reqwest::get(format!("{}/status", self.telemetry))
            .await?
            .error_for_status()?
            .json()
            .await?)
    }

    /// What the bridge says at `/metrics`.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics(
            reqwest::get(format!("{}/metrics", self.telemetry))
                .await?
                .error_for_status()?
                .text()
                .await?,
        ))
    }

    /// Asks the process to end and waits for it.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            let status = process.stop().await?;
            ensure!(status.success(), "{} ended with {status}", self.name);
        }
        Ok(())
    }

    /// The operating system's id of its process.
    pub fn process_id(&self) -> Result<u32> {
        self.process
            .as_ref()
            .and_then(Process::id)
            .with_context(|| format!("{} does not run", self.name))
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.process.as_ref().map(Process::log_tail).unwrap_or_default()
    }

    /// All that it has logged since it was started last.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(program(self.name)?);
        command.arg("--config").arg("config.toml").current_dir(&self.folder);
        command.envs(self.environment.iter().map(|(name, file)| (name, file)));
        Ok(command)
    }
}

/// The metrics of a bridge in Prometheus' text form.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// The sum of the samples of a metric whose labels hold all of `labels` (such as `kind="vdp.receive"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let samples = self.0.lines().filter_map(|line| {
            let (key, value) = line.rsplit_once(' ')?;
            let (metric, rest) = key.split_once('{').unwrap_or((key, ""));
            let wanted = metric == name && labels.iter().all(|label| rest.contains(label));
            wanted.then(|| value.parse::<f64>().ok())?
        });
        samples.sum()
    }
}

/// A program of this workspace, which `cargo xtask` has built beside this one.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().context("a program lies in a folder")?;
    // Test programs lie one folder deeper.
    let candidates = [folder.join(name), folder.join("..").join(name)];
    let found = candidates.into_iter().find(|candidate| candidate.exists());
    found.with_context(|| format!("{name} is not built: start this through cargo xtask"))
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn sums_the_samples_with_the_labels_asked_for() {
        let metrics = Metrics("# TYPE a gauge\na{kind=\"x\"} 2\na{kind=\"y\"} 3\nab 7\na 1\n".to_owned());
        assert!((metrics.sum("a", &[]) - 6.0).abs() < f64::EPSILON);
        assert!((metrics.sum("a", &["kind=\"y\""]) - 3.0).abs() < f64::EPSILON);
        assert!(metrics.sum("b", &[]).abs() < f64::EPSILON);
    }
}
