//! What the operating system tells of a process: memory, processor time and sockets.

use crate::stack::Bridge;
use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The unit of processor time in `/proc`, the same on every Linux that is in use.
const TICK: Duration = Duration::from_millis(10);

/// How much a process has worked up to a moment.
pub(crate) struct ProcessorTime {
    at: Instant,
    used: Duration,
}

/// How much a process has worked between two moments.
pub(crate) struct Load {
    used: Duration,
    passed: Duration,
}

impl ProcessorTime {
    /// User and system time of a bridge up to now.
    pub(crate) fn of(bridge: &Bridge) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", bridge.process_id()?))?;
        // The name of the program, in brackets, may hold anything; the 14th and 15th field of all are the two times.
        let (_, fields) = stat.rsplit_once(')').context("a process without a name")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        let ticks: u32 = ticks.sum::<Result<_, _>>()?;
        Ok(Self {
            at: Instant::now(),
            used: TICK * ticks,
        })
    }

    /// What the same process has worked since.
    pub(crate) fn until(&self, later: &Self) -> Load {
        Load {
            used: later.used.saturating_sub(self.used),
            passed: later.at - self.at,
        }
    }
}

impl Load {
    /// Whether there was anything to measure.
    pub(crate) fn is_known(&self) -> bool {
        !self.used.is_zero()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, passed) = (self.used.as_secs_f64(), self.passed.as_secs_f64());
        let share = 100.0 * used / passed;
        write!(f, "{used:.2} s in {passed:.1} s, {share:.1} % of a core")
    }
}

/// Resident memory of a bridge: MiB.
pub(crate) fn memory_of(bridge: &Bridge) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.process_id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("the system does not tell the memory of a process")?
        .trim()
        .parse()?;
    Ok(kib / 1024)
}

/// The ports of all UDP sockets that a bridge holds.
pub(crate) fn udp_ports_of(bridge: &Bridge) -> Result<Vec<u16>> {
    let sockets = sockets_of(bridge, ["net/udp", "net/udp6"])?;
    Ok(sockets.into_iter().map(|(local, _)| local).collect())
}

/// How many TCP connections to this port a bridge holds.
pub(crate) fn connections_of(bridge: &Bridge, port: u16) -> Result<usize> {
    let sockets = sockets_of(bridge, ["net/tcp", "net/tcp6"])?;
    Ok(sockets.into_iter().filter(|(_, remote)| *remote == port).count())
}

/// Local and remote port of all sockets in these tables that a bridge holds.
fn sockets_of(bridge: &Bridge, tables: [&str; 2]) -> Result<Vec<(u16, u16)>> {
    let proc = Path::new("/proc").join(bridge.process_id()?.to_string());
    let held = inodes(&proc)?;
    let mut sockets = Vec::new();
    for table in tables {
        let table = std::fs::read_to_string(proc.join(table))?;
        for line in table.lines().skip(1) {
            // The second column is the local address, the third the remote one, the tenth the inode.
            let columns: Vec<_> = line.split_whitespace().collect();
            let (Some(local), Some(remote), Some(inode)) = (columns.get(1), columns.get(2), columns.get(9)) else {
                continue;
            };
            if held.contains(*inode) {
                sockets.push((port_of(local)?, port_of(remote)?));
            }
        }
    }
    Ok(sockets)
}

/// The numbers of all sockets that a process holds.
fn inodes(proc: &Path) -> Result<BTreeSet<String>> {
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir(proc.join("fd"))? {
        // A descriptor may be closed while the folder is read.
        let Ok(target) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inodes.extend(inode.map(str::to_owned));
    }
    Ok(inodes)
}

/// The port of an address as the system's tables have it.
fn port_of(address: &str) -> Result<u16> {
    let (_, port) = address.rsplit_once(':').context("a socket without a port")?;
    Ok(u16::from_str_radix(port, 16)?)
}
