//! The line to the Node.js program that holds the browser.

use super::BrowserError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The driver bounds what it does itself; this is for a driver that does not answer at all.
const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// How long Chromium may take to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// A running driver, which serves one question after the other.
#[derive(Debug)]
pub(super) struct Driver {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Driver {
    /// Starts the program of `testing/web`.
    pub(super) fn start(web: &Path) -> Result<Self, BrowserError> {
        let path = web.join("driver.mjs");
        let mut process = Command::new("node")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| BrowserError::Start { path, source })?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(BrowserError::Driver("has no standard input or output".to_owned()));
        };
        Ok(Self {
            process,
            questions,
            answers: BufReader::new(answers).lines(),
            asked: 0,
        })
    }

    /// Asks for something of which the answer has a shape. `what` completes "the browser could not …".
    pub(super) async fn ask_for<T: DeserializeOwned>(
        &mut self,
        what: &str,
        command: &str,
        arguments: Value,
    ) -> Result<T, BrowserError> {
        let answer = self.ask(what, command, arguments).await?;
        serde_json::from_value(answer)
            .map_err(|error| BrowserError::Driver(format!("answered {command} wrongly: {error}")))
    }

    /// Asks for something.
    pub(super) async fn ask(&mut self, what: &str, command: &str, arguments: Value) -> Result<Value, BrowserError> {
        self.asked += 1;
        let question = json!({ "id": self.asked, "command": command, "arguments": arguments });
        let exchange = timeout(ANSWER_WITHIN, self.exchange(&question)).await;
        let answer =
            exchange.map_err(|_| BrowserError::Driver(format!("did not answer {command} in {ANSWER_WITHIN:?}")))??;
        match answer.error {
            None => Ok(answer.value),
            Some(reason) => Err(BrowserError::Refused {
                what: what.to_owned(),
                reason,
            }),
        }
    }

    async fn exchange(&mut self, question: &Value) -> Result<Answer, BrowserError> {
        let gone = |error: std::io::Error| BrowserError::Driver(format!("is gone: {error}"));
        self.questions
            .write_all(format!("{question}\n").as_bytes())
            .await
            .map_err(gone)?;
        // An answer that nobody waited for any more may still come before the one that is due.
        while let Some(line) = self.answers.next_line().await.map_err(gone)? {
            let answer: Answer = serde_json::from_str(&line)
                .map_err(|error| BrowserError::Driver(format!("said what is no answer: {line} ({error})")))?;
            if answer.id == self.asked {
                return Ok(answer);
            }
        }
        Err(BrowserError::Driver("has ended".to_owned()))
    }

    /// Closes its standard input, on which it ends Chromium and itself, and waits for it.
    pub(super) async fn close(self) -> Result<(), BrowserError> {
        let Self {
            mut process, questions, ..
        } = self;
        drop(questions);
        match timeout(CLOSE_WITHIN, process.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(BrowserError::Driver(format!("ended with {status}"))),
            Ok(Err(error)) => Err(BrowserError::Driver(format!("cannot be waited for: {error}"))),
            Err(_) => Err(BrowserError::Driver(format!("did not end in {CLOSE_WITHIN:?}"))),
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
