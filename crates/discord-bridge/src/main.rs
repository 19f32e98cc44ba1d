//! The program `discord-bridge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Two TLS stacks are linked (serenity's and songbird's), and rustls does not choose between their providers by itself.
    // It fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    bridge_kit::cli::main::<discord_bridge::DiscordBridge>()
}
