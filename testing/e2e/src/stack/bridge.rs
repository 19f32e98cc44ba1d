//! One of the two bridges, as the process that an operator would run.

use super::BridgePorts;
use super::attached::BridgePlace;
use super::restartable::Restartable;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A bridge: its configuration, and its process while it runs.
#[derive(Debug)]
pub struct Bridge {
    program: Restartable,
    folder: PathBuf,
    telemetry: String,
    /// Where the homeserver reaches it.
    appservice: String,
    /// Where it listens for VDP.
    pub vdp: SocketAddr,
    environment: Vec<(&'static str, PathBuf)>,
    /// Its process, where somebody else has started it.
    elsewhere: Option<u32>,
}

impl Bridge {
    /// Writes the bridge's configuration file; starts nothing yet.
    pub(super) fn configure(
        name: &'static str,
        folder: &Path,
        ports: &BridgePorts,
        configuration: &toml::Table,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("config.toml"), toml::to_string_pretty(configuration)?)?;
        Ok(Self {
            program: Restartable::new(name),
            folder: folder.to_owned(),
            telemetry: format!("http://127.0.0.1:{}", ports.telemetry),
            appservice: format!("http://127.0.0.1:{}", ports.appservice),
            vdp: SocketAddr::from(([127, 0, 0, 1], ports.vdp)),
            environment: Vec::new(),
            elsewhere: None,
        })
    }

    /// One that somebody else has started. What has to be known of it as a file is in `folder`.
    pub(super) fn attached(name: &'static str, folder: PathBuf, place: &BridgePlace) -> Self {
        Self {
            program: Restartable::new(name),
            folder,
            telemetry: place.telemetry.clone(),
            appservice: String::new(),
            vdp: SocketAddr::from(([0, 0, 0, 0], 0)),
            environment: Vec::new(),
            elsewhere: place.process,
        }
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
            self.name(),
            output.status
        );
        let file = self.folder.join("registration.yaml");
        std::fs::write(&file, output.stdout)?;
        Ok(file)
    }

    /// Starts the process; [`Bridge::ready`] waits for it.
    pub fn start(&self) -> Result<()> {
        self.start_with(&[])
    }

    /// The same with environment variables that count for this run of it only.
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Result<()> {
        let mut command = self.command()?;
        command.envs(variables.iter().copied());
        self.program.start(command, &self.folder)
    }

    /// Waits until the bridge says that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let outcome = self.program.answers(&format!("{}/ready", self.telemetry)).await;
        outcome.with_context(|| format!("{} is not ready; its log ends with:\n{}", self.name(), self.log_tail()))
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("{}/ready", self.telemetry)).await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    /// Fails, with the end of its log, if its process has ended.
    pub fn still_runs(&self) -> Result<()> {
        self.program.still_runs()
    }

    /// The name of its program.
    pub fn name(&self) -> &'static str {
        self.program.name()
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

    /// Sends the bridge a transaction as its homeserver does, with the homeserver's token.
    pub async fn transact(&self, id: &str, events: &[Value]) -> Result<()> {
        let token = std::fs::read_to_string(self.folder.join("hs_token"))?;
        let answer = reqwest::Client::new()
            .put(format!("{}/_matrix/app/v1/transactions/{id}", self.appservice))
            .bearer_auth(token.trim())
            .json(&json!({ "events": events }))
            .send()
            .await?;
        ensure!(answer.status().is_success(), "transaction {id}: {}", answer.status());
        Ok(())
    }

    /// Asks the process to end and waits for it.
    pub async fn stop(&self) -> Result<()> {
        if let Some(status) = self.program.stop().await? {
            ensure!(status.success(), "{} ended with {status}", self.name());
        }
        Ok(())
    }

    /// Kills the process (SIGKILL), as a crash would end it, and waits until it is gone; [`Bridge::start`] starts it again.
    pub async fn kill(&self) -> Result<()> {
        self.program.kill().await
    }

    /// Ends the process in order and starts it again, with environment variables for this run; waits until it is ready.
    pub async fn restart_with(&self, variables: &[(&str, &str)]) -> Result<()> {
        self.stop().await?;
        self.start_with(variables)?;
        self.ready().await
    }

    /// The operating system's id of its process.
    pub fn process_id(&self) -> Result<u32> {
        self.elsewhere.map_or_else(|| self.program.id(), Ok)
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        self.program.log_tail()
    }

    /// All that it has logged since it was started last.
    pub fn log(&self) -> String {
        self.program.log()
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(program(self.name())?);
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
