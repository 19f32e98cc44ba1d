//! What a program tells the kit about itself.

use std::net::{Ipv4Addr, SocketAddr};

/// Which half of the signalling a program plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It asks for channels, and owns the control room.
    Asks,
    /// It answers, and joins the control room when its peer invites it.
    Answers,
}

/// A program's identity and the defaults that differ between the bridges.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Name of the binary, such as `voice-bridge`; the prefix of its environment variables follows from it.
    pub name: &'static str,
    /// Its version, for `--version` and `/status`.
    pub version: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Its half of the signalling.
    pub role: Role,
    /// Default localpart of its bot.
    pub bot: &'static str,
    /// Default prefix of the localparts of its ghosts.
    pub ghost_prefix: &'static str,
    /// Default TCP port for the homeserver's transactions.
    pub appservice_port: u16,
    /// Default TCP port for health and metrics.
    pub telemetry_port: u16,
    /// Default UDP port for VDP.
    pub vdp_port: u16,
}

impl Program {
    /// The prefix of its environment variables: `VOICE_BRIDGE_` for `voice-bridge`.
    pub fn env_prefix(&self) -> String {
        format!("{}_", self.name.replace('-', "_").to_uppercase())
    }

    /// The loopback address with one of the default ports.
    pub(crate) fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

/// A program for tests.
#[cfg(test)]
pub(crate) fn test_program() -> Program {
    Program {
        name: "test-bridge",
        version: "0.0.0",
        about: "Tests the kit",
        role: Role::Asks,
        bot: "testbridge",
        ghost_prefix: "_test_",
        appservice_port: 29331,
        telemetry_port: 29332,
        vdp_port: 29400,
    }
}
