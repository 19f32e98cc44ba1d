//! Programs in other languages that answer questions: JSON lines on standard input and output.
//!
//! Question: `{"id": 1, "command": "open", "arguments": {…}}`; answer: `{"id": 1, "value": …}` or
//! `{"id": 1, "error": "…"}`. Each of them lets go of everything and ends when its standard input is closed, which also
//! happens when this process dies.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Programs bound what they do themselves; this is for one that does not answer at all.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// How long a program may take to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// Why a program did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("{name} could not be started: {source} (`cargo xtask setup` installs what it needs)")]
    Start {
        /// Which program.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended, or said something that is no answer.
    #[error("{name} {what}")]
    Broken {
        /// Which program.
        name: String,
        /// What it did, to follow its name.
        what: String,
    },
    /// It refused.
    #[error("{name} could not {what}: {reason}")]
    Refused {
        /// Which program.
        name: String,
        /// What was asked.
        what: String,
        /// What it said.
        reason: String,
    },
}

/// A running program, which serves one question after the other.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Program {
    /// Starts a program. `name` says in errors who it is.
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self, ProgramError> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| ProgramError::Start {
                name: name.to_owned(),
                source,
            })?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(ProgramError::Broken {
                name: name.to_owned(),
                what: "has no standard input or output".to_owned(),
            });
        };
        Ok(Self {
            name: name.to_owned(),
            process,
            questions,
            answers: BufReader::new(answers).lines(),
            asked: 0,
        })
    }

    /// Asks for something of which the answer has a shape. `what` completes "it could not …".
    pub(crate) async fn ask_for<T: DeserializeOwned>(
        &mut self,
        what: &str,
        command: &str,
        arguments: Value,
    ) -> Result<T, ProgramError> {
        let answer = self.ask(what, command, arguments).await?;
        serde_json::from_value(answer).map_err(|error| self.broken(format!("answered {command} wrongly: {error}")))
    }

    /// Asks for something.
    pub(crate) async fn ask(&mut self, what: &str, command: &str, arguments: Value) -> Result<Value, ProgramError> {
        self.asked += 1;
        let question = json!({ "id": self.asked, "command": command, "arguments": arguments });
        let exchange = timeout(ANSWER_WITHIN, self.exchange(&question)).await;
        let answer = exchange.map_err(|_| self.broken(format!("did not answer {command} in {ANSWER_WITHIN:?}")))??;
        match answer.error {
            None => Ok(answer.value),
            Some(reason) => Err(ProgramError::Refused {
                name: self.name.clone(),
                what: what.to_owned(),
                reason,
            }),
        }
    }

    async fn exchange(&mut self, question: &Value) -> Result<Answer, ProgramError> {
        let written = self.questions.write_all(format!("{question}\n").as_bytes()).await;
        written.map_err(|error| self.broken(format!("is gone: {error}")))?;
        loop {
            let line = self.answers.next_line().await;
            let line = line
                .map_err(|error| self.broken(format!("is gone: {error}")))?
                .ok_or_else(|| self.broken("has ended".to_owned()))?;
            let answer: Answer = serde_json::from_str(&line)
                .map_err(|error| self.broken(format!("said what is no answer: {line} ({error})")))?;
            // An answer that nobody waited for any more may still come before the one that is due.
            if answer.id == self.asked {
                return Ok(answer);
            }
        }
    }

    /// Closes its standard input, on which it ends, and waits for it.
    pub(crate) async fn close(self) -> Result<(), ProgramError> {
        let Self {
            name,
            mut process,
            questions,
            ..
        } = self;
        drop(questions);
        let what = match timeout(CLOSE_WITHIN, process.wait()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => format!("ended with {status}"),
            Ok(Err(error)) => format!("cannot be waited for: {error}"),
            Err(_) => format!("did not end in {CLOSE_WITHIN:?}"),
        };
        Err(ProgramError::Broken { name, what })
    }

    fn broken(&self, what: String) -> ProgramError {
        ProgramError::Broken {
            name: self.name.clone(),
            what,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    #[serde(default)]
    value: Value,
    error: Option<String>,
}
