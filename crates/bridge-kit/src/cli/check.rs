//! `--check`: what works and what does not, found out without starting the bridge.

use std::error::Error;
use std::io::Write;

use super::{Exit, Program, Service};
use crate::config::Config;
use crate::health::Health;
use crate::matrix::{Appservice, Fault, MatrixClient, MatrixError};

/// Gathers what a check finds, and prints it as it comes.
#[derive(Debug, Default)]
pub struct Report {
    worst: Option<Exit>,
}

impl Report {
    /// Notes something that works.
    pub fn ok(&mut self, what: &str) {
        line("ok", what);
    }

    /// Notes a problem. Say what to do about it; the first fault chooses the exit code.
    pub fn problem(&mut self, fault: Fault, what: &str) {
        line("problem", what);
        self.worst.get_or_insert(fault.into());
    }

    fn exit(&self) -> Exit {
        self.worst.unwrap_or(Exit::Success)
    }
}

fn line(kind: &str, what: &str) {
    // A report that nobody reads any more still has its exit code.
    let _ = writeln!(std::io::stdout().lock(), "{kind}: {what}");
}

pub(super) async fn run<S: Service>(config: &Config<S::Sections>) -> Exit {
    let mut report = Report::default();
    report.ok("the configuration");
    homeserver(S::PROGRAM, config, &mut report).await;
    S::check(config, &mut report).await;
    report.exit()
}

async fn homeserver<S>(program: Program, config: &Config<S>, report: &mut Report) {
    let client = match MatrixClient::new(&config.homeserver, &config.appservice) {
        Ok(client) => client.impatient(),
        Err(error) => return report.problem(error.fault(), &advice(&error)),
    };
    match client.whoami().await {
        Ok(user) if user == config.appservice.bot => report.ok("the homeserver knows as_token"),
        Ok(user) => {
            return report.problem(Fault::Credentials, &format!("appservice.bot: the homeserver knows this as_token as {user}; is the registration another bridge's?"));
        }
        Err(error) => return report.problem(error.fault(), &advice(&error)),
    }
    // Where the address is taken, a running bridge answers the ping. Transactions find nobody who takes them here and
    // are sent again to the bridge.
    let _end = Appservice::start(&config.appservice, client.clone(), &Health::new(program))
        .await
        .map(|(end, _)| end);
    match client.ping(&config.appservice.id).await {
        Ok(_) => report.ok("the homeserver reaches the bridge"),
        Err(error) if error.fault() == Fault::NotFound => {
            report.ok("the homeserver cannot be asked whether it reaches the bridge");
        }
        Err(error) => report.problem(
            Fault::Unreachable,
            &format!(
                "appservice.url: the homeserver does not reach the bridge there, or its hs_token differs ({})",
                error.in_full()
            ),
        ),
    }
}

fn advice(error: &MatrixError) -> String {
    let what = match error.fault() {
        Fault::Credentials => {
            "appservice.as_token: the homeserver refuses it; load the registration and restart the homeserver"
        }
        Fault::Unreachable => "homeserver.url: no answer; is the homeserver up, and the address right?",
        _ => "the homeserver answers, but not as it should",
    };
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{what} ({}{cause})", error.in_full())
}
