//! Exit codes, and the one line that explains a failure.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::matrix::{Fault, MatrixError};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// All went well.
    Success,
    /// Something that none of the others names.
    Failure,
    /// The configuration is wrong: code 11.
    Configuration,
    /// Credentials are refused: code 12.
    Credentials,
    /// Somebody who is needed cannot be reached: code 13.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Configuration => 11,
            Exit::Credentials => 12,
            Exit::Unreachable => 13,
        })
    }
}

impl From<Fault> for Exit {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Credentials => Self::Credentials,
            Fault::Unreachable => Self::Unreachable,
            _ => Self::Failure,
        }
    }
}

/// Explains an error on standard error and chooses the exit code by its cause.
pub(super) fn explain(error: &anyhow::Error) -> Exit {
    say(&format!("{error:#}"));
    exit_of(error)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .chain()
        .find_map(|cause| {
            let configuration = cause.downcast_ref::<ConfigError>().map(|_| Exit::Configuration);
            configuration.or_else(|| Some(cause.downcast_ref::<MatrixError>()?.fault().into()))
        })
        .unwrap_or(Exit::Failure)
}

/// Prints what clap has to say; help and version are no failures.
pub(super) fn wrong_flags(error: &clap::Error) -> ExitCode {
    // Nothing can be done where even standard error is gone.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// One line for the operator, for programs that end before logs exist.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_cause_chooses_the_exit_code() {
        let configuration: Result<(), _> = Err(ConfigError::invalid("a.b", "wrong"));
        let error = configuration.context("cannot start").expect_err("an error");
        assert_eq!(exit_of(&error), Exit::Configuration);
        assert_eq!(exit_of(&anyhow::anyhow!("something else")), Exit::Failure);
    }
}
