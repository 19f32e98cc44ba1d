//! A voice server as the network sees it: an endpoint, a UDP address, and whether anything answers there.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::types;

/// One voice server. Members are placed on the server of the moment and have no session on any other.
#[derive(Debug)]
pub(crate) struct VoiceServer {
    endpoint: String,
    socket: UdpSocket,
    address: SocketAddr,
    alive: watch::Sender<bool>,
    /// Cancelled when another server has taken its place.
    retired: CancellationToken,
}

impl VoiceServer {
    /// A server that answers.
    pub(crate) fn new(endpoint: String, socket: UdpSocket) -> io::Result<Self> {
        Ok(Self {
            endpoint,
            address: socket.local_addr()?,
            socket,
            alive: watch::Sender::new(true),
            retired: CancellationToken::new(),
        })
    }

    /// Host and port of its voice gateway, as long as there is one.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        (!self.retired.is_cancelled()).then_some(self.endpoint.as_str())
    }

    /// Where it takes voice.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Whether it answers.
    pub(crate) fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }

    /// Lets it fall silent, or answer again. What came meanwhile over TCP waits, what came over UDP is lost.
    pub(crate) fn set_alive(&self, alive: bool) {
        self.alive.send_replace(alive);
    }

    /// Waits until it answers; true when it did not before.
    pub(crate) async fn revival(&self) -> bool {
        let mut alive = self.alive.subscribe();
        if *alive.borrow_and_update() {
            return false;
        }
        // The sender lives as long as this server.
        alive.wait_for(|alive| *alive).await.is_ok()
    }

    /// Waits until it falls silent.
    pub(crate) async fn death(&self) {
        let mut alive = self.alive.subscribe();
        if alive.wait_for(|alive| !*alive).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Stops listening; websockets that are open are closed by whoever moves their members.
    pub(crate) fn retire(&self) {
        self.retired.cancel();
    }

    /// Cancelled when another server has taken its place.
    pub(crate) const fn retired(&self) -> &CancellationToken {
        &self.retired
    }

    /// What the control interface shows.
    pub(crate) fn view(&self) -> types::VoiceServer {
        types::VoiceServer {
            endpoint: self.endpoint().map(ToOwned::to_owned),
            udp: self.address,
            alive: self.is_alive(),
        }
    }
}
