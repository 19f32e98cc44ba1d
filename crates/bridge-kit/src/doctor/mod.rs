//! `doctor`: tries what a bridge needs, from its ports to the way to the other bridge, and says what to do about what is wrong.
//!
//! Each part asks first (`ask`), and then judges the answers without any more input (`findings`).

mod body;
mod clock;
mod finding;
mod homeserver;
mod port;
mod probe;
mod running;
mod vdp;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

pub use self::finding::{Finding, Grade};
pub use self::port::Port;
use crate::config::{Config, Program, RoomTarget};

/// What the operator wants to know.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Where the other bridge's VDP port is.
    pub peer: Option<SocketAddr>,
    /// How long the other bridge's doctor is waited for.
    pub wait: Duration,
    /// Voice channels to look at, beside those of the configuration.
    pub channels: Vec<RoomTarget>,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            peer: None,
            wait: Duration::from_secs(10),
            channels: Vec::new(),
        }
    }
}

/// What every part of the doctor may know.
#[derive(Debug)]
pub struct Visit<'a, S> {
    /// The settings.
    pub config: &'a Config<S>,
    /// What the operator wants to know.
    pub questions: &'a Questions,
    /// Whether the bridge itself runs with these settings, and has its ports.
    pub running: bool,
}

impl<'a, S> Visit<'a, S> {
    /// Finds out whether the bridge runs.
    pub async fn new(program: &Program, config: &'a Config<S>, questions: &'a Questions) -> Self {
        let running = running::is_running(program, config.telemetry.listen).await;
        Self {
            config,
            questions,
            running,
        }
    }

    /// Tries the homeserver, and the way from it to the bridge.
    pub async fn homeserver(&self) -> Vec<Finding> {
        let answers = homeserver::ask(self.config, self.running).await;
        homeserver::findings(self.config, &answers)
    }

    /// Tries the ports that both bridges have, and the way to the other bridge.
    pub async fn network(&self) -> Vec<Finding> {
        let telemetry = self.config.telemetry.listen;
        let port = Port::tried(&TcpListener::bind(telemetry).await, self.running);
        let mut answers = vdp::ask(&self.config.vdp, self.questions, self.running).await;
        if self.running {
            answers.received = running::received(telemetry).await;
        }
        let mut findings = vec![port.finding("telemetry.listen", "TCP", telemetry)];
        findings.extend(vdp::findings(&self.config.vdp, self.questions, &answers));
        findings
    }
}
