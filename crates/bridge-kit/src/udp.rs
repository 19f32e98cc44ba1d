//! UDP sockets that are listened to.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a socket is watched for that is read in a runtime.
pub const ARRIVALS_AND_ERRORS: Interest = Interest::READABLE.add(Interest::ERROR);

/// Has the runtime watch a socket for what arrives, and for errors.
///
/// tokio's own sockets are also watched for when they can send, which the system says after each packet that has left: a
/// thread would be woken as often as it sends.
pub fn watch_arrivals(socket: UdpSocket) -> io::Result<AsyncFd<UdpSocket>> {
    socket.set_nonblocking(true)?;
    watch(socket, ARRIVALS_AND_ERRORS)
}

/// Has the runtime watch something for `interest` alone.
pub(crate) fn watch<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe and asks that the descriptor stays the same, as that of a socket does"
    )]
    AsyncFd::with_interest(socket, interest)
}
