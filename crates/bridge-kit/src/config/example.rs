//! The annotated example that `--generate-config` prints.

use super::telemetry::default_log;
use super::{Program, Sections};

const SHARED: &str = include_str!("example.toml");

/// Returns every key of a program as annotated TOML that the program itself accepts.
pub fn example<S: Sections>(program: &Program) -> String {
    let shared = SHARED
        .replace("{name}", program.name)
        .replace("{PREFIX}", &program.env_prefix())
        .replace("{log}", &default_log(program))
        .replace("{bot}", program.bot)
        .replace("{ghost_prefix}", program.ghost_prefix)
        .replace("{appservice_port}", &program.appservice_port.to_string())
        .replace("{telemetry_port}", &program.telemetry_port.to_string())
        .replace("{vdp_port}", &program.vdp_port.to_string());
    match S::EXAMPLE.trim() {
        "" => shared,
        own => format!("{shared}\n{own}\n"),
    }
}
