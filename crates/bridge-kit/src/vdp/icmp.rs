//! ICMP errors about datagrams that were sent.
//!
//! A socket that is not connected to one peer hears nothing of them by itself. Linux keeps them in an error queue
//! when asked to, each with the address that the failed datagram was for. Elsewhere there are none: what is broken
//! shows when nothing is heard any more.

use std::io;
use std::net::SocketAddr;
#[cfg(not(target_os = "linux"))]
use std::net::UdpSocket;

#[cfg(not(target_os = "linux"))]
use crate::supervise::Task;

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
    use std::os::fd::{AsRawFd, RawFd};

    use nix::cmsg_space;
    use nix::libc::sock_extended_err;
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, SockaddrStorage, recvmsg, setsockopt};

    use tokio::io::Interest;

    use super::Undelivered;
    use crate::supervise::{self, Task};
    use crate::udp;

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

    /// What watches a socket for errors alone.
    ///
    /// A runtime cannot: the least that it can be asked to watch for ("something urgent") the system says of each packet.
    struct ErrorsOf(Epoll, UdpSocket);

    impl AsRawFd for ErrorsOf {
        fn as_raw_fd(&self) -> RawFd {
            self.0.0.as_raw_fd()
        }
    }

    impl ErrorsOf {
        fn new(socket: &UdpSocket) -> io::Result<Self> {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            // What is left of interests: errors are reported in any case, each time that one comes.
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLET, 0))?;
            Ok(Self(epoll, socket.try_clone()?))
        }

        /// Takes those that there are.
        fn take(&self) -> impl Iterator<Item = Undelivered> {
            // What comes after this is reported anew.
            let _ = self.0.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO);
            std::iter::from_fn(|| next(&self.1))
        }
    }

    /// Hands each error of a socket to `tell`, whoever else reads and sends by it. Must be called within a tokio runtime.
    pub(in super::super) fn watch(
        socket: &UdpSocket,
        tell: impl Fn(Undelivered) + Send + 'static,
    ) -> io::Result<Task<()>> {
        let number = socket.local_addr()?.port();
        let errors = udp::watch(ErrorsOf::new(socket)?, Interest::READABLE)?;
        Ok(supervise::spawn("vdp.errors", number, async move {
            while let Ok(mut guard) = errors.readable().await {
                guard.clear_ready();
                errors.get_ref().take().for_each(&tell);
            }
        }))
    }

    /// Takes the next error from the queue; `None` if there is none.
    fn next(socket: &impl AsRawFd) -> Option<Undelivered> {
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
pub(super) use linux::{enable, watch};

#[cfg(not(target_os = "linux"))]
pub(super) fn enable(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn watch(socket: &UdpSocket, _tell: impl Fn(Undelivered) + Send + 'static) -> io::Result<Task<()>> {
    let number = socket.local_addr()?.port();
    Ok(crate::supervise::spawn("vdp.errors", number, std::future::ready(())))
}
