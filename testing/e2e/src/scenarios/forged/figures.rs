//! What a bridge spends on strangers and makes of them, from the operating system and its own metrics.

use crate::scenarios::signalling::ControlRoom;
use crate::stack::{Bridge, Stack, wait_for};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Ticks a second in which Linux counts the time of processes, whatever its own are.
const USER_HZ: f64 = 100.0;
/// How long a bridge may take until it has read all that is queued for it.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);

/// All reasons for which packets are dropped.
const ALL_REASONS: [&str; 10] = [
    "garbage",
    "oversized",
    "unknown_sender",
    "wrong_room",
    "not_open",
    "duplicate",
    "outside",
    "unknown_channel",
    "forged",
    "replayed",
];

/// What a bridge has dropped, by reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped(BTreeMap<&'static str, u64>);

impl Dropped {
    /// Since it was started.
    pub(super) async fn by(bridge: &Bridge) -> Result<Self> {
        let metrics = bridge.metrics().await?;
        let count = |reason: &str| {
            let sum = metrics.sum("vdp_packets_dropped_total", &[&format!("reason=\"{reason}\"")]);
            format!("{sum:.0}").parse()
        };
        let counts = ALL_REASONS.iter().map(|&reason| Ok((reason, count(reason)?)));
        Ok(Self(counts.collect::<Result<_>>()?))
    }

    /// Since an earlier count.
    pub(super) fn since(&self, before: &Self) -> Self {
        let counts = self.0.iter();
        Self(
            counts
                .map(|(reason, count)| (*reason, count - before.of(reason)))
                .collect(),
        )
    }

    pub(super) fn of(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or_default()
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The same once nothing is queued any more: two counts in a row that are equal.
    pub(super) async fn by_at_rest(bridge: &Bridge) -> Result<Self> {
        let last = std::cell::RefCell::new(None);
        wait_for("the bridge to read what is queued", DRAINED_WITHIN, || async {
            let now = Self::by(bridge).await?;
            let before = last.replace(Some(now.clone()));
            Ok((before.as_ref() == Some(&now)).then_some(now))
        })
        .await
    }
}

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.0.iter().filter(|(_, count)| **count > 0);
        let counts = counts.map(|(reason, count)| format!("{count} {reason}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        f.write_str(if counts.is_empty() { "nothing" } else { &counts })
    }
}

/// Measures how much of one core a bridge uses from now on.
pub(super) struct CpuMeter {
    process: u32,
    spent: f64,
    since: Instant,
}

impl CpuMeter {
    pub(super) fn start(bridge: &Bridge) -> Result<Self> {
        let process = bridge.process_id()?;
        Ok(Self {
            process,
            spent: cpu_seconds(process)?,
            since: Instant::now(),
        })
    }

    /// In percent of one core.
    pub(super) fn percent(&self) -> Result<f64> {
        let spent = cpu_seconds(self.process)? - self.spent;
        Ok(100.0 * spent / self.since.elapsed().as_secs_f64())
    }
}

/// User and system time of a process.
fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field is the program's name, which may hold anything; the times are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has another form")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / USER_HZ)
}

/// How many datagrams the system has thrown away because a bridge's queue was full.
pub(super) fn overrun(bridge: &Bridge) -> Result<u64> {
    let table = std::fs::read_to_string("/proc/net/udp")?;
    let port = format!(":{:04X}", bridge.vdp.port());
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut own = rows.filter(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&port))
            && row.get(2).is_some_and(|remote| remote.ends_with(":0000"))
    });
    let row = own.next().context("the system does not know the bridge's socket")?;
    Ok(row.last().context("the table of sockets has another form")?.parse()?)
}

/// The record of the room's open channel.
pub(super) async fn record(stack: &Stack, room: &str) -> Result<serde_json::Value> {
    let mut open = ControlRoom::of(stack).await?.open_channels().await?;
    open.remove(room).context("the control room records no open channel")
}

/// The id of a recorded channel, as sealed packets carry it.
pub(super) fn channel_id(record: &serde_json::Value) -> Result<u64> {
    let id = record["channel_id"].as_str().context("the record has no channel id")?;
    Ok(u64::from_str_radix(id, 16)?)
}
