//! The client-server API, as the bridge's bot or one of its ghosts.

mod delayed;
mod devices;
mod rooms;
mod rtc;
mod transport;
mod users;

use std::sync::Arc;
use std::time::Duration;

use ruma::{OwnedUserId, ServerName, UserId};

pub use self::rtc::OpenIdToken;
use self::transport::Transport;
use super::MatrixError;
use crate::config::{Appservice, Homeserver};

/// How long a request is tried again, where nothing else is asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to the homeserver as one user. Clones share connections; they are cheap.
///
/// Requests that fail for a passing reason (nobody answers, the server fails, a rate limit) are repeated with
/// growing, jittered waits until the client's patience is over. What a send repeats carries the same transaction
/// id, so that it happens once.
#[derive(Debug, Clone)]
pub struct MatrixClient {
    transport: Arc<Transport>,
    user: OwnedUserId,
    patience: Duration,
}

impl MatrixClient {
    /// Creates a client that acts as the bridge's bot. Nothing is sent yet.
    pub fn new(homeserver: &Homeserver, appservice: &Appservice) -> Result<Self, MatrixError> {
        Ok(Self {
            transport: Arc::new(Transport::new(homeserver, appservice)?),
            user: appservice.bot.clone(),
            patience: PATIENCE,
        })
    }

    /// The user that it acts as.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The bridge's bot.
    pub fn bot(&self) -> &UserId {
        self.transport.bot()
    }

    /// The homeserver's name.
    pub fn server_name(&self) -> &ServerName {
        self.bot().server_name()
    }

    fn ghost_prefix(&self) -> &str {
        self.transport.ghost_prefix()
    }

    /// The same client acting as another user of the appservice's namespace.
    #[must_use]
    pub fn as_user(&self, user: &UserId) -> Self {
        Self {
            user: user.to_owned(),
            ..self.clone()
        }
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            patience,
            ..self.clone()
        }
    }

    /// The same client trying each request once.
    #[must_use]
    pub fn impatient(&self) -> Self {
        self.with_patience(Duration::ZERO)
    }
}
