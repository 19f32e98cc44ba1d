//! UDP sockets that are listened to.

use std::io;
use std::net::UdpSocket;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a socket is watched for.
pub const ARRIVALS_AND_ERRORS: Interest = Interest::READABLE.add(Interest::ERROR);

/// Has the runtime watch a socket for what arrives, and for errors.
///
/// tokio's own sockets are also watched for when they can send, which the system says after each packet that has left: a
/// thread would be woken as often as it sends.
pub fn watch_arrivals(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    socket.set_nonblocking(true)?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe and asks that the descriptor stays the same, as that of a UdpSocket does"
    )]
    AsyncFd::with_interest(socket, ARRIVALS_AND_ERRORS)
}
