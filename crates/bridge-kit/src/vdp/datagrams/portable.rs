//! One call for each datagram.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{BATCH, Letters, Slot, Wait, send_all, slots};

/// How long a call that reads waits at most.
const PATIENCE: Duration = Duration::from_millis(500);

/// Datagrams that were read.
#[derive(Debug)]
pub(in super::super) struct Arrivals {
    slots: Box<[Slot]>,
    /// Of each, how long it is and where it came from.
    found: Vec<(usize, SocketAddr)>,
}

impl Arrivals {
    pub(in super::super) fn new() -> Self {
        Self {
            slots: slots(),
            found: Vec::with_capacity(BATCH),
        }
    }

    /// Reads what has arrived, at most [`BATCH`] datagrams, and says how many. Fewer mean that there are no more.
    pub(in super::super) fn receive(&mut self, socket: &UdpSocket, _is_ipv4: bool, wait: Wait) -> io::Result<usize> {
        self.found.clear();
        // What waits does so for a while only, since nothing wakes it.
        socket.set_read_timeout(Some(PATIENCE))?;
        for slot in &mut self.slots {
            socket.set_nonblocking(wait == Wait::Not || !self.found.is_empty())?;
            match socket.recv_from(slot) {
                Ok(found) => self.found.push(found),
                Err(error) if self.found.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(self.found.len())
    }

    /// Hands out the datagrams that were read last, in the order in which they came.
    pub(in super::super) fn each(&mut self, count: usize, mut take: impl FnMut(&mut [u8], SocketAddr)) {
        for (slot, &(length, from)) in self.slots.iter_mut().zip(&self.found).take(count) {
            take(slot.get_mut(..length).unwrap_or_default(), from);
        }
    }
}

/// Sends one datagram or fails, at once.
pub(in super::super) fn send_one(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    socket.send_to(datagram, to).map(drop)
}

/// Whoever waits to read looks every now and then whether he is still to.
pub(in super::super) fn wake_reader(_socket: &UdpSocket) {}

/// What datagrams are sent with.
#[derive(Debug)]
pub(in super::super) struct Departures;

impl Departures {
    pub(in super::super) const fn new() -> Self {
        Self
    }

    /// Sends all of them or fails, at once.
    pub(in super::super) fn send(
        &mut self,
        socket: &UdpSocket,
        letters: &Letters,
        report: impl FnMut(usize, io::Result<()>),
    ) {
        let mut datagrams = letters.iter().enumerate().peekable();
        let send_from = |next| {
            // One that is tried again has not been taken.
            while datagrams.next_if(|&(at, _)| at < next).is_some() {}
            let Some(&(_, (datagram, to))) = datagrams.peek() else {
                return Ok(1);
            };
            socket.send_to(datagram, to).map(|_| 1)
        };
        send_all(letters.iter().count(), send_from, report);
    }
}
