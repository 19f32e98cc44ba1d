//! The program `voice-bridge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bridge_kit::cli::main::<voice_bridge::VoiceBridge>()
}
