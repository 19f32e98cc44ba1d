//! Flags, and what `--help` says.

use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use crate::program::Program;

// No doc comment: clap would take it for the program's description.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// Configuration file in TOML; without it only the environment is read
    #[arg(long, value_name = "PATH")]
    pub(super) config: Option<PathBuf>,
    /// Print an annotated example configuration and exit
    #[arg(long, conflicts_with_all = ["generate_registration", "check"])]
    pub(super) generate_config: bool,
    /// Print the appservice registration for the homeserver (YAML) and exit
    #[arg(long, conflicts_with = "check")]
    pub(super) generate_registration: bool,
    /// Check the configuration, the credentials and the connections, report, and exit
    #[arg(long)]
    pub(super) check: bool,
}

impl Flags {
    /// Parses the command line of this process.
    pub(super) fn parse(program: &Program) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command(program).try_get_matches()?)
    }
}

fn command(program: &Program) -> Command {
    let Program {
        name, version, about, ..
    } = *program;
    Flags::augment_args(Command::new(name).version(version).about(about)).after_help(format!(
        "\
First start:
  {name} --generate-config > {name}.toml            and edit it
  {name} --config {name}.toml --generate-registration > {name}.yaml
      uses the tokens of the configuration; a token file that it names and that does not exist is written;
      without either, random tokens are printed, which then belong into the configuration.
      Give the YAML to the homeserver (Synapse: app_service_config_files) and restart that.
  {name} --config {name}.toml --check
  {name} --config {name}.toml

Environment: {prefix}SECTION__KEY sets `key` of [section] and wins over the file.
Signals: SIGTERM or SIGINT stops within 5 seconds, a second one at once.
Exit codes: 0 success, 1 other failures, 2 wrong flags, 11 configuration, 12 credentials, 13 unreachable.",
        prefix = program.env_prefix(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::test_program;

    fn parse(line: &[&str]) -> Result<Flags, clap::Error> {
        let line = std::iter::once("test-bridge").chain(line.iter().copied());
        Flags::from_arg_matches(&command(&test_program()).try_get_matches_from(line)?)
    }

    #[test]
    fn flags_are_consistent_and_the_two_generators_exclude_each_other() {
        command(&test_program()).debug_assert();
        let flags = parse(&["--config", "a.toml", "--check"]).expect("valid flags");
        assert_eq!(flags.config, Some(PathBuf::from("a.toml")));
        assert!(flags.check);
        assert!(parse(&["--generate-config", "--generate-registration"]).is_err());
        assert!(parse(&["--nonsense"]).is_err());
    }

    #[test]
    fn help_names_every_exit_code() {
        let help = command(&test_program()).render_long_help().to_string();
        assert!(help.starts_with(test_program().about), "{help}");
        for code in [
            "11 configuration",
            "12 credentials",
            "13 unreachable",
            "--generate-registration",
            "TEST_BRIDGE_SECTION__KEY",
        ] {
            assert!(help.contains(code), "{code} is not in:\n{help}");
        }
    }
}
