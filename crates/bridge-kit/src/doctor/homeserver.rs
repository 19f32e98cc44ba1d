//! The homeserver: whether it is there, whom it takes the bridge for, and whether it reaches the bridge.

use std::time::{Duration, SystemTime};

use reqwest::header::DATE;
use ruma::OwnedUserId;
use serde_json::Value;
use tokio::time::timeout;

use super::port::Port;
use super::{Finding, body, clock};
use crate::config::{Appservice, Config};
use crate::matrix::{Fault, MatrixClient, MatrixError, Receiving};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the homeserver answered. What was not asked, because something before it failed, is `None`.
pub(super) struct Answers {
    /// To the question that anybody may ask.
    pub(super) greeting: Result<Greeting, reqwest::Error>,
    /// Whom it takes the bridge for.
    pub(super) whoami: Option<Result<OwnedUserId, MatrixError>>,
    /// Whether the doctor could listen in the bridge's place.
    pub(super) port: Port,
    /// Whether it reached the bridge.
    pub(super) ping: Option<Result<(), Unreached>>,
}

/// The answer to `/_matrix/client/versions`.
pub(super) struct Greeting {
    pub(super) status: u16,
    /// Whether it is that of a homeserver.
    pub(super) sensible: bool,
    /// How far the clocks are apart, as [`clock::skew`] has it.
    pub(super) skew: Option<i64>,
}

/// Why the homeserver did not reach the bridge.
pub(super) enum Unreached {
    /// It did not say in time.
    Silent,
    /// This.
    Answered(MatrixError),
}

/// Asks the homeserver. `running` is whether the bridge itself runs, and takes the homeserver's ping.
pub(super) async fn ask<S>(config: &Config<S>, running: bool) -> Answers {
    let mut answers = Answers {
        greeting: greet(config).await,
        whoami: None,
        port: Port::Free,
        ping: None,
    };
    let receiving = Receiving::start(&config.appservice).await;
    answers.port = Port::tried(&receiving, running);
    if !answers.greeting.as_ref().is_ok_and(|greeting| greeting.sensible) {
        return answers;
    }
    let whoami = whoami(config).await;
    let known = whoami.as_ref().is_ok_and(|user| *user == config.appservice.bot);
    answers.whoami = Some(whoami);
    if known && !matches!(answers.port, Port::Refused(_)) {
        answers.ping = Some(ping(config).await);
    }
    answers
}

async fn greet<S>(config: &Config<S>) -> Result<Greeting, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let base = config.homeserver.url.as_str().trim_end_matches('/');
    let asked = SystemTime::now();
    let response = client.get(format!("{base}/_matrix/client/versions")).send().await?;
    let answered = SystemTime::now();
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let skew = date.and_then(|date| clock::skew(asked, answered, date));
    let status = response.status().as_u16();
    let body = body::read(response).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Greeting {
        status,
        sensible: body.get("versions").is_some_and(Value::is_array),
        skew,
    })
}

fn client<S>(config: &Config<S>) -> Result<MatrixClient, MatrixError> {
    Ok(MatrixClient::new(&config.homeserver, &config.appservice)?.impatient())
}

async fn whoami<S>(config: &Config<S>) -> Result<OwnedUserId, MatrixError> {
    client(config)?.whoami().await
}

async fn ping<S>(config: &Config<S>) -> Result<(), Unreached> {
    let client = client(config).map_err(Unreached::Answered)?;
    match timeout(PATIENCE, client.ping(&config.appservice.id)).await {
        Ok(answer) => answer.map(drop).map_err(Unreached::Answered),
        Err(_) => Err(Unreached::Silent),
    }
}

/// What the answers mean.
pub(super) fn findings<S>(config: &Config<S>, answers: &Answers) -> Vec<Finding> {
    let mut findings = greeting(config, &answers.greeting);
    let appservice = &config.appservice;
    findings.push(answers.port.finding("appservice.listen", "TCP", appservice.listen));
    findings.extend(answers.whoami.as_ref().map(|answer| identity(appservice, answer)));
    findings.extend(answers.ping.as_ref().map(|answer| reached(appservice, answer)));
    findings
}

fn greeting<S>(config: &Config<S>, greeting: &Result<Greeting, reqwest::Error>) -> Vec<Finding> {
    let url = &config.homeserver.url;
    match greeting {
        Err(error) => vec![Finding::fault(
            format!("homeserver.url: nobody answers at {url} ({})", cause(error)),
            "see that the homeserver runs, that the address is right and no firewall is between",
        )],
        Ok(greeting) if greeting.status >= 500 => vec![Finding::fault(
            format!("homeserver.url: {url} answers with status {}", greeting.status),
            "the homeserver is away or failing behind its proxy: look into its log",
        )],
        Ok(greeting) if !greeting.sensible => vec![Finding::fault(
            format!(
                "homeserver.url: who answers at {url} is no homeserver (status {})",
                greeting.status
            ),
            "name the address of its client-server API, without `/_matrix`",
        )],
        Ok(greeting) => vec![
            Finding::fine(format!("homeserver.url: a homeserver answers at {url}")),
            clock::finding(greeting.skew),
        ],
    }
}

/// The innermost cause, which says most.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn identity(appservice: &Appservice, answer: &Result<OwnedUserId, MatrixError>) -> Finding {
    match answer {
        Ok(user) if *user == appservice.bot => Finding::fine(format!(
            "appservice.as_token: the homeserver knows the bridge as {user}"
        )),
        Ok(user) => Finding::fault(
            format!(
                "appservice.bot: the homeserver knows this as_token as {user}, not as {}",
                appservice.bot
            ),
            "each bridge has a registration and tokens of its own: load this one's, or correct appservice.bot",
        ),
        Err(error) if error.fault() == Fault::Credentials => Finding::fault(
            "appservice.as_token: the homeserver does not know it",
            "load the registration that --generate-registration prints (Synapse: app_service_config_files), \
             restart the homeserver, and see that the token is the same in both",
        ),
        Err(error) if error.fault() == Fault::Forbidden => Finding::fault(
            format!(
                "appservice.bot: the homeserver does not let the bridge act as {} ({})",
                appservice.bot,
                error.in_full()
            ),
            "generate the registration anew, load it and restart the homeserver",
        ),
        Err(error) => Finding::fault(
            format!(
                "appservice.as_token: the homeserver does not say whom it belongs to ({})",
                error.in_full()
            ),
            "look into the homeserver's log",
        ),
    }
}

fn reached(appservice: &Appservice, answer: &Result<(), Unreached>) -> Finding {
    let Appservice { url, listen, id, .. } = appservice;
    let error = match answer {
        Ok(()) => return Finding::fine(format!("appservice.url: the homeserver reaches the bridge at {url}")),
        Err(Unreached::Silent) => {
            return Finding::fault(
                format!("appservice.url: the homeserver was asked to reach {url}, and did not say whether it does"),
                format!(
                    "a firewall may swallow what it sends: let it through to TCP port {}",
                    listen.port()
                ),
            );
        }
        Err(Unreached::Answered(error)) => error,
    };
    let code = match error {
        MatrixError::Refused { code, .. } => code.as_str(),
        _ => "",
    };
    match (code, error.fault()) {
        ("M_URL_NOT_SET", _) => Finding::fault(
            "appservice.url: the registration that the homeserver has loaded holds no url",
            "generate it anew, load it and restart the homeserver",
        ),
        ("M_CONNECTION_FAILED" | "M_CONNECTION_TIMEOUT", _) => Finding::fault(
            format!("appservice.url: the homeserver does not get through to {url}"),
            format!(
                "name an address of this machine as the homeserver reaches it, listen there (appservice.listen is {listen}), \
                 open TCP port {}, then generate and load the registration anew",
                listen.port()
            ),
        ),
        ("M_BAD_STATUS", _) => Finding::fault(
            format!("appservice.hs_token: who answers the homeserver at {url} refuses its token"),
            "the registration has another hs_token than the configuration, or another program has that address",
        ),
        (_, Fault::Credentials | Fault::Forbidden) => Finding::fault(
            format!("appservice.id: the homeserver does not know this as_token as that of `{id}`"),
            "the id has to be the one in the registration that is loaded",
        ),
        (_, Fault::NotFound) => Finding::note(
            "the homeserver knows no ping (Matrix 1.7), so whether it reaches the bridge cannot be tried",
            "update the homeserver, or see that /status of the bridge shows its events",
        ),
        _ => Finding::fault(
            format!(
                "appservice.url: the homeserver could not try to reach the bridge ({})",
                error.in_full()
            ),
            "look into the homeserver's log",
        ),
    }
}
