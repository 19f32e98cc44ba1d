//! Takes what the homeserver sends, and keeps the way to it open.
//!
//! # When a transaction is acknowledged
//! The homeserver repeats a transaction until it is answered with 200, and then never sends it again. We answer
//! once its events stand in the queue of the running program, so a crash may lose what had not been worked on.
//! Nothing is lost by it: all that must survive is room state (links, marks, open channels), which a restarted
//! bridge reads anew, and what matters of the timeline is read again from there (calls and signalling of the last
//! minute). In return, no event waits for a disk.
//!
//! Effects happen once: events are known again by their ids, within bounded memory.

mod connection;
mod receiver;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

pub use self::connection::Connection;
use super::{Fault, MatrixClient, MatrixError, RoomEvent};
use crate::config::Appservice as Settings;
use crate::health::Health;
use crate::supervise::Group;

/// Events that may wait for the program; beyond that the homeserver waits with its transaction.
const QUEUE: usize = 1024;

/// Why the Matrix end could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("appservice.listen: cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] MatrixError),
    /// The homeserver refuses our token.
    #[error(
        "appservice.as_token: the homeserver refuses it; load this bridge's registration and restart the homeserver"
    )]
    Credentials,
}

impl StartError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Listen { .. } => Fault::BadRequest,
            Self::Client(error) => error.fault(),
            Self::Credentials => Fault::Credentials,
        }
    }
}

/// Answers the homeserver's pings in the bridge's place, and takes no events: it sends those again. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Receiving {
    _tasks: Group,
}

impl Receiving {
    /// Starts to listen.
    pub(crate) async fn start(settings: &Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let (events, _) = mpsc::channel(1);
        let tasks = Group::new(&settings.id);
        receive(&tasks, listener, settings, events);
        Ok(Self { _tasks: tasks })
    }
}

fn receive(tasks: &Group, listener: TcpListener, settings: &Settings, events: mpsc::Sender<RoomEvent>) {
    let router = receiver::router(settings.hs_token.clone(), events);
    tasks.spawn("matrix.receive", async move {
        // axum's accept loop outlives failing connections; it never returns an error.
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the receiver of transactions ended");
        }
    });
}

/// The bridge's end of the application service API. Dropping it stops it.
#[derive(Debug)]
pub struct Appservice {
    address: SocketAddr,
    connection: watch::Receiver<Connection>,
    _tasks: Group,
}

impl Appservice {
    /// Starts to listen for the homeserver and to call it. Does not wait for it: see [`established`](Self::established).
    ///
    /// The events come in the order in which the homeserver sent them, each once.
    pub async fn start(
        settings: &Settings,
        client: MatrixClient,
        health: &Health,
    ) -> Result<(Self, mpsc::Receiver<RoomEvent>), StartError> {
        let listen_error = |source| StartError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let (events, queue) = mpsc::channel(QUEUE);
        let tasks = Group::new(&settings.id);
        receive(&tasks, listener, settings, events);
        let (state, connection) = watch::channel(Connection::Connecting);
        tasks.spawn(
            "matrix.connection",
            connection::keep(client, settings.id.clone(), state, health.component("homeserver")),
        );
        Ok((
            Self {
                address,
                connection,
                _tasks: tasks,
            },
            queue,
        ))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state of the way to the homeserver, and each change of it.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// Waits until the homeserver and the bridge reach each other.
    ///
    /// A homeserver that is away is waited for, however long it takes.
    ///
    /// # Errors
    /// [`StartError::Credentials`] where the homeserver refuses our token.
    pub async fn established(&self) -> Result<(), StartError> {
        let mut connection = self.connection();
        let settled = |state: &Connection| *state != Connection::Connecting;
        match connection.wait_for(settled).await.as_deref() {
            Ok(Connection::Refused) => Err(StartError::Credentials),
            // The sender lives as long as `self`.
            _ => Ok(()),
        }
    }
}
