//! By recvmmsg and sendmmsg.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::socket::{
    MsgFlags, MultiHeaders, Shutdown, SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage, recvmmsg, sendmmsg,
    sendto, shutdown,
};

use super::{BATCH, Letters, Slot, Wait, send_all, slots};

/// Headers of the calls for each family, since the system leaves the length of the addresses of one in them.
struct Headers {
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
}

impl Headers {
    fn new() -> Self {
        Self {
            v4: MultiHeaders::preallocate(BATCH, None),
            v6: MultiHeaders::preallocate(BATCH, None),
        }
    }
}

/// Datagrams that were read.
pub(in super::super) struct Arrivals {
    headers: Headers,
    slots: Box<[Slot]>,
    /// Of each, how long it is and where it came from.
    found: [Option<(usize, SocketAddr)>; BATCH],
}

impl Arrivals {
    pub(in super::super) fn new() -> Self {
        Self {
            headers: Headers::new(),
            slots: slots(),
            found: [None; BATCH],
        }
    }

    /// Reads what has arrived, at most [`BATCH`] datagrams, and says how many. Fewer mean that there are no more.
    pub(in super::super) fn receive(&mut self, socket: &UdpSocket, is_ipv4: bool, wait: Wait) -> io::Result<usize> {
        let Self { headers, slots, found } = self;
        let flags = match wait {
            Wait::ForOne => MsgFlags::MSG_WAITFORONE,
            Wait::Not => MsgFlags::MSG_DONTWAIT,
        };
        if is_ipv4 {
            receive(socket.as_raw_fd(), flags, &mut headers.v4, slots, found)
        } else {
            receive(socket.as_raw_fd(), flags, &mut headers.v6, slots, found)
        }
    }

    /// Hands out the datagrams that were read last, in the order in which they came.
    pub(in super::super) fn each(&mut self, count: usize, mut take: impl FnMut(&mut [u8], SocketAddr)) {
        for (slot, found) in self.slots.iter_mut().zip(&self.found).take(count) {
            if let Some((length, from)) = *found {
                take(slot.get_mut(..length).unwrap_or_default(), from);
            }
        }
    }
}

/// An address as the system has it.
trait Address: SockaddrLike + Copy {
    fn of_system(&self) -> SocketAddr;
}

impl Address for SockaddrIn {
    fn of_system(&self) -> SocketAddr {
        SocketAddrV4::from(*self).into()
    }
}

impl Address for SockaddrIn6 {
    fn of_system(&self) -> SocketAddr {
        SocketAddrV6::from(*self).into()
    }
}

fn receive<A: Address>(
    socket: RawFd,
    flags: MsgFlags,
    headers: &mut MultiHeaders<A>,
    slots: &mut [Slot],
    found: &mut [Option<(usize, SocketAddr)>; BATCH],
) -> io::Result<usize> {
    let mut free = slots.iter_mut();
    let mut slices: [_; BATCH] =
        array::from_fn(|_| [IoSliceMut::new(free.next().map_or(&mut [][..], |slot| &mut slot[..]))]);
    let messages = recvmmsg(socket, headers, slices.iter_mut(), flags, None)?;
    let mut count = 0;
    for (message, found) in messages.zip(found) {
        *found = message.address.map(|from| (message.bytes, from.of_system()));
        count += 1;
    }
    Ok(count)
}

/// Sends one datagram or fails, at once.
pub(in super::super) fn send_one(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    sendto(
        socket.as_raw_fd(),
        datagram,
        &SockaddrStorage::from(to),
        MsgFlags::MSG_DONTWAIT,
    )?;
    Ok(())
}

/// Wakes whoever waits to read from a socket, for good. Linux complains that the socket has no peer, and does it all the same.
pub(in super::super) fn wake_reader(socket: &UdpSocket) {
    let _ = shutdown(socket.as_raw_fd(), Shutdown::Read);
}

/// What datagrams are sent with.
pub(in super::super) struct Departures {
    headers: Headers,
}

impl Departures {
    pub(in super::super) fn new() -> Self {
        Self {
            headers: Headers::new(),
        }
    }

    /// Sends all of them or fails, at once.
    pub(in super::super) fn send(
        &mut self,
        socket: &UdpSocket,
        letters: &Letters,
        report: impl FnMut(usize, io::Result<()>),
    ) {
        let socket = socket.as_raw_fd();
        // All go to addresses of the socket's family.
        if letters.iter().all(|(_, to)| to.is_ipv4()) {
            let address = |to| match to {
                SocketAddr::V4(to) => Some(to.into()),
                SocketAddr::V6(_) => None,
            };
            send::<SockaddrIn>(socket, &mut self.headers.v4, letters, address, report);
        } else {
            let address = |to| match to {
                SocketAddr::V6(to) => Some(to.into()),
                SocketAddr::V4(_) => None,
            };
            send::<SockaddrIn6>(socket, &mut self.headers.v6, letters, address, report);
        }
    }
}

fn send<A: Address>(
    socket: RawFd,
    headers: &mut MultiHeaders<A>,
    letters: &Letters,
    address: impl Fn(SocketAddr) -> Option<A>,
    report: impl FnMut(usize, io::Result<()>),
) {
    let mut datagrams = letters.iter();
    let mut addresses = [None; BATCH];
    let mut count = 0;
    let slices: [_; BATCH] = array::from_fn(|_| {
        let next = datagrams.next().zip(addresses.get_mut(count));
        [IoSlice::new(next.map_or(&[], |((datagram, to), slot)| {
            *slot = address(to);
            count += 1;
            datagram
        }))]
    });
    let send_from = |next: usize| {
        let slices = slices.get(next..count).unwrap_or_default();
        let addresses = addresses.get(next..count).unwrap_or_default();
        let sent = sendmmsg(socket, headers, slices, addresses, [], MsgFlags::MSG_DONTWAIT)?;
        Ok(sent.count())
    };
    send_all(count, send_from, report);
}

impl std::fmt::Debug for Arrivals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Arrivals")
    }
}

impl std::fmt::Debug for Departures {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Departures")
    }
}
