//! A Synapse of one's own, on loopback and without federation.

use super::matrix::Person;
use super::restartable::Restartable;
use super::secret::random_secret;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The name of the homeserver in user ids and aliases.
pub const SERVER_NAME: &str = "localhost";

/// A running Synapse.
#[derive(Debug)]
pub struct Synapse {
    program: Restartable,
    folder: PathBuf,
    /// Where clients and bridges reach it.
    pub url: String,
    /// The passwords of its people; nothing where anybody may register.
    passwords: Option<BTreeMap<String, String>>,
}

impl Synapse {
    /// Starts a Synapse that keeps its data in `folder`, knows these appservices and tells its people of a focus for their
    /// calls, and waits until it answers.
    pub async fn start(folder: &Path, port: u16, registrations: &[PathBuf], focus: Option<&str>) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let key = folder.join("signing.key");
        if !key.exists() {
            std::fs::write(&key, format!("ed25519 a_test {}\n", random_secret()?))?;
        }
        let configuration = serde_json::to_vec_pretty(&configuration(folder, port, registrations, focus))?;
        // JSON is YAML.
        std::fs::write(folder.join("homeserver.yaml"), configuration)?;
        let synapse = Self {
            program: Restartable::new("synapse"),
            folder: folder.to_owned(),
            url: format!("http://127.0.0.1:{port}"),
            passwords: None,
        };
        synapse.resume().await?;
        Ok(synapse)
    }

    /// One that somebody else has started, with these people.
    pub(super) fn attached(url: String, passwords: BTreeMap<String, String>) -> Self {
        Self {
            program: Restartable::new("synapse"),
            folder: PathBuf::new(),
            url,
            passwords: Some(passwords),
        }
    }

    /// One of its people, on a new device.
    pub async fn person(&self, name: &str) -> Result<Person> {
        let Some(passwords) = &self.passwords else {
            return Person::register(&self.url, name).await;
        };
        let password = passwords
            .get(name)
            .with_context(|| format!("nobody is called {name}"))?;
        Person::log_in(&self.url, name, password).await
    }

    /// Starts it again after [`Synapse::stop`], with the data that it had.
    pub async fn resume(&self) -> Result<()> {
        let python = tools()?.join("venv/bin/python");
        ensure!(
            python.exists(),
            "{} is missing: run cargo xtask setup",
            python.display()
        );
        let mut command = Command::new(python);
        command
            .args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"])
            .current_dir(&self.folder);
        self.program.start(command, &self.folder)?;
        self.program
            .answers(&format!("{}/_matrix/client/versions", self.url))
            .await
    }

    /// Ends it; its data stay.
    pub async fn stop(&self) -> Result<()> {
        self.program.stop().await.map(drop)
    }
}

/// Where `cargo xtask setup` installed the tools.
pub fn tools() -> Result<PathBuf> {
    if let Some(tools) = std::env::var_os("VDP_TOOLS") {
        return Ok(tools.into());
    }
    let home = std::env::var_os("HOME").context("neither VDP_TOOLS nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/vdp/tools"))
}

fn configuration(folder: &Path, port: u16, registrations: &[PathBuf], focus: Option<&str>) -> Value {
    // The defaults are made for people; tests make calls faster than people do.
    let unlimited = json!({ "per_second": 1000, "burst_count": 1000 });
    let transports = focus.map(|url| json!({ "type": "livekit", "livekit_service_url": url }));
    json!({
        "server_name": SERVER_NAME,
        "public_baseurl": format!("http://127.0.0.1:{port}/"),
        "pid_file": folder.join("synapse.pid"),
        "listeners": [{
            "port": port, "type": "http", "bind_addresses": ["127.0.0.1"],
            "resources": [{ "names": ["client", "openid"], "compress": false }],
        }],
        "database": { "name": "sqlite3", "args": { "database": folder.join("homeserver.db") } },
        "media_store_path": folder.join("media"),
        "signing_key_path": folder.join("signing.key"),
        "macaroon_secret_key": "only for tests on this machine",
        "form_secret": "only for tests on this machine",
        "report_stats": false,
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "enable_registration": true,
        "enable_registration_without_verification": true,
        "app_service_config_files": registrations,
        "experimental_features": { "msc4143_enabled": true, "msc4354_enabled": true },
        "matrix_rtc": { "transports": Vec::from_iter(transports) },
        "max_event_delay_duration": "24h",
        "rc_message": unlimited,
        "rc_delayed_event_mgmt": unlimited,
        "rc_registration": unlimited,
        "rc_login": { "address": unlimited, "account": unlimited, "failed_attempts": unlimited },
        "rc_joins": { "local": unlimited, "remote": unlimited },
        "rc_joins_per_room": unlimited,
        "rc_invites": { "per_room": unlimited, "per_user": unlimited, "per_issuer": unlimited },
        "rc_room_creation": unlimited,
    })
}
