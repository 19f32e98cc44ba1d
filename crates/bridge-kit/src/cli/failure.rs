//! Exit codes, and the one line that explains a failure.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::matrix::{Fault, MatrixError, StartError};

/// A failure that a service sorts by itself, such as a token that somebody other than the homeserver refuses.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct ServiceFailure {
    fault: Fault,
    text: String,
}

impl ServiceFailure {
    /// Creates a failure; `text` is one line for the operator that says what to do.
    pub fn new(fault: Fault, text: impl Into<String>) -> Self {
        Self {
            fault,
            text: text.into(),
        }
    }

    /// Whose fault it is; chooses the exit code.
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

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
    error.chain().find_map(exit_of_cause).unwrap_or(Exit::Failure)
}

fn exit_of_cause(cause: &(dyn Error + 'static)) -> Option<Exit> {
    if cause.is::<ConfigError>() {
        return Some(Exit::Configuration);
    }
    let fault = None
        .or_else(|| cause.downcast_ref().map(MatrixError::fault))
        .or_else(|| cause.downcast_ref().map(StartError::fault))
        .or_else(|| cause.downcast_ref().map(ServiceFailure::fault));
    fault.map(Exit::from)
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
        let error = anyhow::Error::new(StartError::Credentials).context("cannot start");
        assert_eq!(exit_of(&error), Exit::Credentials);
        let error = anyhow::Error::new(ServiceFailure::new(Fault::Unreachable, "nobody there"));
        assert_eq!(exit_of(&error), Exit::Unreachable);
    }
}
