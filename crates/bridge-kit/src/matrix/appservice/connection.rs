//! Finds out whether the homeserver and the bridge reach each other, and notices when that changes.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::health::{Component, State};
use crate::matrix::backoff::Backoff;
use crate::matrix::{Fault, MatrixClient, MatrixError};

/// How often a working connection is tried. A homeserver that was away has queued what happened for us, and waits
/// for up to minutes before it tries us again, unless it is asked to ping.
const PROBE: Duration = Duration::from_secs(10);

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The waits between tries while there is no connection.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The state of the way between the homeserver and the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// There is none yet, or not any more; it is being tried.
    Connecting,
    /// Each reaches the other.
    Connected {
        /// How often this has come about: 1 at first, more after each absence of the homeserver.
        times: u64,
    },
    /// The homeserver refuses our token; it is still being tried, more slowly.
    Refused,
}

/// Keeps the connection for as long as somebody watches it.
pub(super) async fn keep(client: MatrixClient, id: String, state: watch::Sender<Connection>, component: Component) {
    let mut keeper = Keeper {
        client: client.impatient(),
        id,
        state,
        component,
        times: 0,
        said: false,
    };
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while !keeper.state.is_closed() {
        let wait = match keeper.try_once().await {
            Ok(()) => {
                keeper.connected();
                backoff.reset();
                PROBE
            }
            Err(problem) => {
                keeper.lost(&problem);
                backoff.wait(&mut rand::rng())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

struct Keeper {
    client: MatrixClient,
    id: String,
    state: watch::Sender<Connection>,
    component: Component,
    times: u64,
    /// Whether people have been told of the present absence.
    said: bool,
}

impl Keeper {
    async fn try_once(&self) -> Result<(), Problem> {
        let tried = timeout(PATIENCE, self.ping()).await;
        tried.unwrap_or(Err(Problem {
            text: "the homeserver does not answer in time",
            refused: false,
            cause: None,
        }))
    }

    async fn ping(&self) -> Result<(), Problem> {
        if !matches!(*self.state.borrow(), Connection::Connected { .. }) {
            self.client.ensure_registered().await.map_err(Problem::from)?;
        }
        match self.client.ping(&self.id).await {
            // A server without the ping endpoint is as good as reached; it will try us by itself.
            Err(error) if error.fault() == Fault::NotFound => Ok(()),
            answer => answer.map(drop).map_err(Problem::from),
        }
    }

    fn connected(&mut self) {
        if matches!(*self.state.borrow(), Connection::Connected { .. }) {
            return;
        }
        self.times += 1;
        self.said = false;
        tracing::info!(times = self.times, "the homeserver and the bridge reach each other");
        self.component.set(State::Ready, "");
        self.state.send_replace(Connection::Connected { times: self.times });
    }

    fn lost(&mut self, problem: &Problem) {
        let (state, shown) = if problem.refused {
            (Connection::Refused, State::Failed)
        } else {
            (Connection::Connecting, State::Connecting)
        };
        if !self.said {
            self.said = true;
            let cause = problem.cause.as_ref().map(ToString::to_string);
            tracing::warn!(cause, "{}; trying on", problem.text);
        }
        self.component.set(shown, problem.text);
        self.state
            .send_if_modified(|old| std::mem::replace(old, state) != state);
    }
}

struct Problem {
    text: &'static str,
    refused: bool,
    cause: Option<MatrixError>,
}

impl From<MatrixError> for Problem {
    fn from(error: MatrixError) -> Self {
        let code = match &error {
            MatrixError::Refused { code, .. } => code.as_str(),
            _ => "",
        };
        let text = match (code, error.fault()) {
            ("M_URL_NOT_SET", _) => "the registration that the homeserver has loaded holds no url",
            ("M_CONNECTION_FAILED" | "M_CONNECTION_TIMEOUT", _) => "the homeserver cannot reach appservice.url",
            ("M_BAD_STATUS", _) => "the homeserver's pings fail; its hs_token and appservice.hs_token may differ",
            (_, Fault::Credentials) => "the homeserver refuses appservice.as_token",
            (_, Fault::Forbidden) => {
                "the homeserver knows appservice.as_token under another appservice.id or appservice.bot"
            }
            (_, Fault::Unreachable) => "the homeserver cannot be reached",
            _ => "the homeserver fails",
        };
        Self {
            text,
            refused: error.fault() == Fault::Credentials,
            cause: Some(error),
        }
    }
}
