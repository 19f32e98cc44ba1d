//! The stack of `docker-compose.yml`, as a project of its own.

use super::{output, root};
use crate::container::FirstStart;
use crate::stack::{BridgePlace, Places};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// What this machine sets apart from the same stack of a person.
const PROJECT: &str = "vdp-e2e";
/// What is changed for the tests.
const OVERRIDE: &str = "testing/docker/docker-compose.e2e.yml";
/// Services of the demonstration that say whether they are well.
pub(crate) const SERVICES: [&str; 5] = ["synapse", "voice-bridge", "discord-bridge", "discord-standin", "page"];
/// Services of it that are images of others, without a health check.
pub(crate) const SERVICES_OF_OTHERS: [&str; 2] = ["livekit", "authorisation"];
/// Images that are built here.
const IMAGES: [&str; 3] = ["vdp/voice-bridge", "vdp/discord-bridge", "vdp/demo"];

/// The project, whether it runs or not.
pub(crate) struct Compose {
    /// Compose 1 is a program of its own.
    is_own_program: bool,
    /// Where the local Discord finds what people are to say, under the same path as here.
    speech: PathBuf,
    log: PathBuf,
}

impl Compose {
    /// The project, with its log in a file.
    pub(crate) async fn new(speech: PathBuf, log: PathBuf) -> Self {
        let own = output(Command::new("docker-compose").arg("version")).await;
        Self {
            is_own_program: own.is_ok(),
            speech,
            log,
        }
    }

    /// Which Compose it is.
    pub(crate) async fn version(&self) -> Result<String> {
        output(self.command().args(["version", "--short"])).await
    }

    /// Builds the images.
    pub(crate) async fn build(&self) -> Result<()> {
        self.run("build", &["build"]).await
    }

    /// Starts everything; returns when it is started, not when it is ready.
    pub(crate) async fn up(&self) -> Result<()> {
        self.run("up", &["up", "--detach"]).await
    }

    /// Ends everything; the volumes stay.
    pub(crate) async fn down(&self) -> Result<()> {
        self.run("down", &["down"]).await
    }

    /// Ends everything and forgets it.
    pub(crate) async fn forget(&self) -> Result<()> {
        self.run("down", &["down", "--volumes", "--remove-orphans"]).await
    }

    /// What the services have said.
    pub(crate) async fn logs(&self) -> Result<String> {
        output(self.command().args(["logs", "--no-color"])).await
    }

    /// What Docker knows of the container of a service, by a template of its own.
    pub(crate) async fn inspect(&self, service: &str, template: &str) -> Result<String> {
        let container = output(self.command().args(["ps", "--quiet", service])).await?;
        output(Command::new("docker").args(["inspect", "--format", template, &container])).await
    }

    /// The size of each image in MB, as Docker counts it.
    pub(crate) async fn image_sizes(&self) -> Result<String> {
        let mut sizes = Vec::new();
        for image in IMAGES {
            let size =
                output(Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", image])).await?;
            sizes.push(format!("{image} {} MB", size.parse::<u64>()? / 1_000_000));
        }
        Ok(sizes.join(", "))
    }

    /// Where everything is to be reached from outside. Files that a stack has to have are put into `folder`.
    pub(crate) async fn places(&self, folder: &Path) -> Result<Places> {
        let noted = self.file("page", "/vdp/people/people.json").await?;
        let FirstStart { passwords, .. } = serde_json::from_str(&noted)?;
        for bridge in ["voice-bridge", "discord-bridge"] {
            std::fs::create_dir_all(folder.join(bridge))?;
            let token = self.file(bridge, "/vdp/secrets/as_token").await?;
            std::fs::write(folder.join(bridge).join("as_token"), token)?;
        }
        Ok(Places {
            homeserver: "http://127.0.0.1:8008".to_owned(),
            passwords,
            voice_bridge: self.bridge("voice-bridge", 29332).await?,
            discord_bridge: self.bridge("discord-bridge", 29334).await?,
            standin: Some("http://127.0.0.1:8421".to_owned()),
            rtc_missing: None,
        })
    }

    async fn bridge(&self, service: &str, port: u16) -> Result<BridgePlace> {
        let process = self.inspect(service, "{{.State.Pid}}").await?;
        Ok(BridgePlace {
            telemetry: format!("http://127.0.0.1:{port}"),
            process: Some(process.parse()?),
        })
    }

    async fn file(&self, service: &str, path: &str) -> Result<String> {
        output(self.command().args(["exec", "-T", service, "cat", path])).await
    }

    async fn run(&self, what: &str, arguments: &[&str]) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let status = command.status().await?;
        if status.success() {
            return Ok(());
        }
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().collect::<Vec<_>>();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        Err(anyhow::anyhow!("{tail}")).with_context(|| format!("Compose could not {what}: {status}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(if self.is_own_program {
            "docker-compose"
        } else {
            "docker"
        });
        if !self.is_own_program {
            command.arg("compose");
        }
        command
            .args([
                "--file",
                "docker-compose.yml",
                "--file",
                OVERRIDE,
                "--project-name",
                PROJECT,
            ])
            .current_dir(root())
            .env("VDP_TEST_SPEECH", &self.speech)
            // What a person has in his .env is not for this.
            .env("COMPOSE_PROFILES", "demo")
            .env("LISTEN_ADDRESS", "127.0.0.1")
            .env("HOST_ADDRESS", "127.0.0.1")
            .env("SERVER_NAME", "localhost")
            .env("LIVEKIT_SERVICE_URL", "http://rtc.localhost:8080");
        // These have their defaults where they are empty.
        for name in [
            "DISCORD_TOKEN",
            "DISCORD_GUILD",
            "DISCORD_CHANNEL",
            "HOMESERVER_URL",
            "LIVEKIT_URL",
            "PEOPLE",
        ] {
            command.env(name, "");
        }
        command
    }
}
