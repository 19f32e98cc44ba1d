//! What is measured, and what it is compared to: each a process of its own that carries the voice of rooms.

pub mod bridge;
pub mod forwarder;
pub mod janus;

use crate::ground::Reach;
use crate::wire::Wire;
use anyhow::{Context as _, Result, ensure};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fmt::Debug;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// Something that carries the voice of rooms.
pub trait System: Debug {
    /// What tables call it.
    fn name(&self) -> String;

    /// Starts it for so many rooms whose parties are at these addresses, a socket for each party of all rooms.
    fn start(&self, rooms: usize, parties: &[SocketAddr]) -> Result<Running>;
}

/// A system that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    child: Child,
    /// How to reach it.
    pub reach: Reach,
    /// Where its configuration is, if it has one.
    pub folder: Option<tempfile::TempDir>,
}

impl Running {
    /// A part of a bench that speaks VDP and said where it hears each party of all rooms.
    pub(crate) fn of(child: Child, line: &str, rooms: usize) -> Result<Self> {
        Ok(Self {
            child,
            reach: Reach {
                wire: Wire::Vdp,
                to: shared_by_rooms(&addresses(line)?, rooms),
            },
            folder: None,
        })
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Has its process stand still, and returns once it does.
    pub fn pause(&self) -> Result<()> {
        self.signal("-STOP")?;
        let process = Pid::from_raw(i32::try_from(self.process())?);
        let status = waitpid(process, Some(WaitPidFlag::WUNTRACED))?;
        ensure!(matches!(status, WaitStatus::Stopped(..)), "it ended: {status:?}");
        Ok(())
    }

    /// Ends [`Running::pause`].
    pub fn go_on(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let mut kill = Command::new("kill");
        let status = kill.args([name, &self.process().to_string()]).status()?;
        ensure!(status.success(), "kill {name}: {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is no error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a part of a bench, which says in its first line what the others have to know of it. It lives as long as its
/// standard input is open, so that it does not outlive this process.
pub(crate) fn start_part(command: &mut Command) -> Result<(Child, String)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("its output is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(!line.is_empty(), "a part of the bench did not start");
    Ok((child, line))
}

/// Waits in a part of a bench until the bench is over.
pub(crate) fn wait_for_the_end() -> Result<()> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// The addresses that a part of a bench said.
fn addresses(line: &str) -> Result<Vec<SocketAddr>> {
    let addresses = line.split_whitespace().map(str::parse);
    Ok(addresses.collect::<Result<_, _>>()?)
}

/// Says the addresses where a part of a bench listens.
pub(crate) fn say_addresses(addresses: &[SocketAddr]) -> Result<()> {
    use std::io::Write as _;
    let line: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", line.join(" "))?;
    Ok(stdout.flush()?)
}

/// The same address for each room, for each party.
fn shared_by_rooms(addresses: &[SocketAddr], rooms: usize) -> Vec<Vec<SocketAddr>> {
    addresses.iter().map(|&address| vec![address; rooms]).collect()
}
