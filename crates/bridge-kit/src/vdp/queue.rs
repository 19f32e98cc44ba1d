//! How much the system keeps of what arrives until it is read.
//!
//! Whoever knows the port can fill the queue, and the peer's voice is then lost with the rest. Linux keeps some 250
//! datagrams unless it is asked for more: not 3 ms of 100,000 forged ones a second, and a busy machine lets a task wait
//! for longer than that.

use std::io;
use std::net::UdpSocket;

/// What the system is asked for. Linux counts what it needs itself too: this is room for about 2,500 datagrams. More would
/// let voice grow old in the queue of a bridge that cannot keep up.
#[cfg(target_os = "linux")]
const BYTES: usize = 1 << 20;

/// Asks for a longer queue; the system gives at most what it allows (`net.core.rmem_max`).
#[cfg(target_os = "linux")]
pub(super) fn lengthen(socket: &UdpSocket) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt::RcvBuf};

    Ok(setsockopt(socket, RcvBuf, &BYTES)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn lengthen(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use nix::sys::socket::{getsockopt, sockopt::RcvBuf};

    /// Some systems allow no more than they give by themselves, but all give what was asked for twice.
    #[test]
    fn the_queue_becomes_longer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let before = getsockopt(&socket, RcvBuf).unwrap();
        lengthen(&socket).unwrap();
        assert!(getsockopt(&socket, RcvBuf).unwrap() > before);
    }
}
