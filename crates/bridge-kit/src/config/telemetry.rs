//! `[telemetry]`

use std::net::SocketAddr;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::{ConfigError, Program, Reader};

/// Logs, metrics and health.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Where `/live`, `/ready`, `/metrics` and `/status` are served.
    pub listen: SocketAddr,
    /// What is logged, as in `RUST_LOG`.
    pub log: String,
    /// How it is logged.
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: Option<SocketAddr>,
    log: Option<String>,
    #[serde(default)]
    format: LogFormat,
}

impl Telemetry {
    pub(super) fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let Raw { listen, log, format } = reader.section("telemetry")?;
        let log = log.unwrap_or_else(|| default_log(reader.program()));
        EnvFilter::try_new(&log).map_err(|error| {
            ConfigError::invalid(
                "telemetry.log",
                format!("`{log}` is no filter ({error}); write \"info\" or \"warn,bridge_kit=debug\""),
            )
        })?;
        let listen = listen.unwrap_or_else(|| Program::loopback(reader.program().telemetry_port));
        Ok(Self { listen, log, format })
    }
}

/// What our own code has to say, and of the libraries only what somebody should look at: what is routine to them (each
/// session, each codec that is probed) fills a log in which nobody finds what the bridge did.
pub(super) fn default_log(program: &Program) -> String {
    format!("warn,bridge_kit=info,{}=info", program.name.replace('-', "_"))
}
