//! ICMP errors about datagrams that were sent.
//!
//! A socket that is not connected to one peer hears nothing of them by itself. Linux keeps them in an error queue
//! when asked to, each with the address that the failed datagram was for. Elsewhere there are none: what is broken
//! shows when nothing is heard any more.

use std::io;
use std::net::SocketAddr;

/// An error about a datagram that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Undelivered {
    /// Where the datagram was to go.
    pub(super) destination: SocketAddr,
    /// What went wrong.
    pub(super) kind: io::ErrorKind,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;

    use nix::cmsg_space;
    use nix::libc::sock_extended_err;
    use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrStorage, recvmsg, setsockopt};

    use super::Undelivered;

    /// Asks for the errors. A dual-stack socket has a queue for each family.
    pub(in super::super) fn enable(socket: &UdpSocket) -> io::Result<()> {
        if socket.local_addr()?.is_ipv6() {
            setsockopt(socket, Ipv6RecvErr, &true)?;
            // Refused where the socket takes IPv6 only; then there is nothing to ask for.
            let _ = setsockopt(socket, Ipv4RecvErr, &true);
            return Ok(());
        }
        Ok(setsockopt(socket, Ipv4RecvErr, &true)?)
    }

    /// Takes the next error from the queue; `None` if there is none.
    pub(in super::super) fn next(socket: &impl AsRawFd) -> Option<Undelivered> {
        let mut datagram = [0; 1];
        let mut slices = [IoSliceMut::new(&mut datagram)];
        let mut control = cmsg_space!(sock_extended_err, SockaddrIn6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags).ok()?;
        let errno = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                i32::try_from(error.ee_errno).ok()
            }
            _ => None,
        })?;
        Some(Undelivered {
            destination: message.address.as_ref().and_then(address)?,
            kind: io::Error::from_raw_os_error(errno).kind(),
        })
    }

    fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = storage
            .as_sockaddr_in()
            .map(|address| SocketAddr::new(address.ip().into(), address.port()));
        v4.or_else(|| {
            storage
                .as_sockaddr_in6()
                .map(|address| SocketAddr::new(address.ip().into(), address.port()))
        })
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{enable, next};

#[cfg(not(target_os = "linux"))]
pub(super) fn enable(_socket: &std::net::UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn next<S>(_socket: &S) -> Option<Undelivered> {
    None
}
