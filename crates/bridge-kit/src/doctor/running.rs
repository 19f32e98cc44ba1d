//! The bridge itself, if it runs: it has the ports then, and knows more than a doctor finds out.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use super::body;
use crate::config::Program;
use crate::instruments;

/// It is on this machine, and answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether it is this program that serves `/status` there.
pub(super) async fn is_running(program: &Program, telemetry: SocketAddr) -> bool {
    let Some(text) = get(telemetry, "/status").await else {
        return false;
    };
    let status: Value = serde_json::from_str(&text).unwrap_or_default();
    status.get("program").and_then(Value::as_str) == Some(program.name)
}

/// How many packets of the other bridge it has received.
pub(super) async fn received(telemetry: SocketAddr) -> Option<u64> {
    let text = get(telemetry, "/metrics").await?;
    let name = instruments::PACKETS_RECEIVED.instrument().name;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value?.trim().parse().ok()
}

async fn get(telemetry: SocketAddr, path: &str) -> Option<String> {
    let mut address = telemetry;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().ok()?;
    let response = client.get(format!("http://{address}{path}")).send().await.ok()?;
    String::from_utf8(body::read(response.error_for_status().ok()?).await?).ok()
}
