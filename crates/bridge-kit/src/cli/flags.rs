//! Flags, and what `--help` says.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command, FromArgMatches, Subcommand};

use crate::config::RoomTarget;
use crate::doctor::Questions;
use crate::program::{Program, Role};

// No doc comment: clap would take it for the program's description.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Flags {
    /// Configuration file in TOML; without it only the environment is read
    #[arg(long, value_name = "PATH", global = true)]
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
    #[command(subcommand)]
    pub(super) task: Option<Task>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Try everything that the bridge needs, and say what to do about what is wrong
    Doctor(Doctor),
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Where the other bridge's VDP port is, as this machine reaches it; its doctor has to run at the same time
    #[arg(long, value_name = "ADDRESS:PORT")]
    peer: Option<SocketAddr>,
    /// How many seconds to wait for the other bridge's doctor
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// A voice channel to look at, beside those of [links.rooms]; may be given several times
    #[arg(long = "channel", value_name = "discord/GUILD/CHANNEL", value_parser = channel)]
    channels: Vec<RoomTarget>,
}

fn channel(text: &str) -> Result<RoomTarget, &'static str> {
    RoomTarget::parse(text).ok_or("write discord/GUILD/CHANNEL")
}

impl From<Doctor> for Questions {
    fn from(doctor: Doctor) -> Self {
        Self {
            peer: doctor.peer,
            wait: Duration::from_secs(doctor.wait),
            channels: doctor.channels,
        }
    }
}

impl Flags {
    /// Parses the command line of this process.
    pub(super) fn parse(program: &Program) -> Result<Self, clap::Error> {
        Self::parse_from(program, std::env::args_os())
    }

    fn parse_from(
        program: &Program,
        line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut command = command(program);
        let flags = Self::from_arg_matches(&command.try_get_matches_from_mut(line)?)?;
        let others = [flags.check, flags.generate_config, flags.generate_registration];
        if flags.task.is_some() && others.contains(&true) {
            let text = "the doctor is asked by itself, beside --config";
            return Err(command.error(ErrorKind::ArgumentConflict, text));
        }
        Ok(flags)
    }
}

fn command(program: &Program) -> Command {
    let Program {
        name, version, about, ..
    } = *program;
    let command = Flags::augment_args(Command::new(name).version(version).about(about))
        .disable_help_subcommand(true)
        .mut_subcommand("doctor", |doctor| doctor_help(doctor, program));
    command.after_help(format!(
        "\
First start:
  {name} --generate-config > {name}.toml            and edit it
  {name} --config {name}.toml --generate-registration > {name}.yaml
      uses the tokens of the configuration; a token file that it names and that does not exist is written;
      without either, random tokens are printed, which then belong into the configuration.
      Give the YAML to the homeserver (Synapse: app_service_config_files) and restart that.
  {name} doctor --config {name}.toml             tells what is wrong, and what to do about it
  {name} --config {name}.toml

Environment: {prefix}SECTION__KEY sets `key` of [section] and wins over the file.
Signals: SIGTERM or SIGINT stops within 5 seconds, a second one at once.
Exit codes: 0 success, 1 other failures, 2 wrong flags, 11 configuration, 12 credentials, 13 unreachable.",
        prefix = program.env_prefix(),
    ))
}

/// What the doctor's own `--help` teaches. Only one side knows of voice channels.
fn doctor_help(doctor: Command, program: &Program) -> Command {
    let name = program.name;
    let asks = program.role == Role::Asks;
    let channels = if asks {
        "MatrixRTC      that there is an SFU, that its authorisation service lets the bridge in, that it answers"
    } else {
        "Discord        the token, the intents, the bot's membership of each guild, its permissions in each channel"
    };
    doctor
        .mut_arg("channels", |channels| channels.hide(asks))
        .after_help(format!(
            "\
It tries, in this order:
  homeserver     that it answers, that its clock agrees, that it knows as_token as the bridge's bot,
                 and that it reaches the bridge (a ping, Matrix 1.7)
  {channels}
  ports          that the bridge can listen where it is told to; if the bridge runs, that it does
  other bridge   that UDP gets to its VDP port and back. Both bridges answer nobody whom they do not know, so
                 stop both, and start both doctors within --wait of each other, on each machine with the
                 address of the other:
                   {name} doctor --config {name}.toml --peer 192.0.2.7:PORT

Each finding is a line: `ok: WHAT`, `note: WHAT; WHAT TO DO` or `fault: WHAT; WHAT TO DO`.
Exit codes: 0 no fault, 1 a fault, 2 wrong flags, 11 the configuration cannot be read."
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::test_program;

    fn parse(line: &[&str]) -> Result<Flags, clap::Error> {
        let line = std::iter::once("test-bridge").chain(line.iter().copied());
        Flags::parse_from(&test_program(), line)
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
    fn the_doctor_is_asked_with_flags_of_its_own() {
        let line = [
            "doctor",
            "--config",
            "a.toml",
            "--peer",
            "192.0.2.1:1",
            "--channel",
            "discord/1/2",
        ];
        let flags = parse(&line).expect("valid flags");
        assert_eq!(flags.config, Some(PathBuf::from("a.toml")));
        let Some(Task::Doctor(doctor)) = flags.task else {
            panic!("no doctor");
        };
        let questions = Questions::from(doctor);
        assert_eq!(questions.peer, Some("192.0.2.1:1".parse().expect("an address")));
        assert_eq!(questions.wait, Questions::default().wait);
        assert_eq!(questions.channels[0].channel_id, "2");
        assert!(parse(&["--config", "a.toml", "doctor"]).is_ok());
        for wrong in [
            &["doctor", "--peer", "nowhere"][..],
            &["doctor", "--channel", "1/2"],
            &["doctor", "--wait", "0"],
            &["--check", "doctor"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_doctor_teaches_what_it_does() {
        let mut command = command(&test_program());
        let doctor = command.find_subcommand_mut("doctor").expect("a doctor");
        let help = doctor.render_long_help().to_string();
        for taught in [
            "--peer",
            "fault: WHAT; WHAT TO DO",
            "MatrixRTC",
            "stop both",
            "1 a fault",
        ] {
            assert!(help.contains(taught), "{taught} is not in:\n{help}");
        }
        assert!(!help.contains("--channel"), "{help}");
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
