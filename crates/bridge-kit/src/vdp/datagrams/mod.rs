//! Reads and sends many datagrams in one call of the system.
//!
//! Linux has calls for it, and nix has them without unsafe code. (quinn-udp, the other choice, sends a batch only to one
//! address and in datagrams of one size, which voice never has.) Elsewhere each datagram takes a call of its own.
//! Buffers belong to a thread and are used again: nothing is allocated for a packet.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::io;
use std::net::SocketAddr;

use vdp_proto::MAX_DATAGRAM;

#[cfg(target_os = "linux")]
pub(super) use linux::{Arrivals, Departures, send_one, wake_reader};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Arrivals, Departures, send_one, wake_reader};

/// Most datagrams that one call reads or sends.
pub(super) const BATCH: usize = 32;

/// Whether a call that reads waits where nothing has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until something has.
    ForOne,
    /// It fails at once.
    Not,
}

/// A buffer for a datagram. It has one byte more than a datagram may have, so that one that is too long shows.
pub(super) type Slot = [u8; MAX_DATAGRAM + 1];

fn slots() -> Box<[Slot]> {
    vec![[0; MAX_DATAGRAM + 1]; BATCH].into_boxed_slice()
}

/// Datagrams to be sent from one socket. Each is reported, once and in order.
#[derive(Debug)]
pub(super) struct Letters {
    slots: Box<[Slot]>,
    /// Of each, how long it is and where it goes.
    addressed: Vec<(usize, SocketAddr)>,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self {
            slots: slots(),
            addressed: Vec::with_capacity(BATCH),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addressed.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.addressed.len() == BATCH
    }

    /// Adds a datagram that `write` writes, unless it fails or all slots are full.
    pub(super) fn add<E>(
        &mut self,
        to: SocketAddr,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if let Some(slot) = self.slots.get_mut(self.addressed.len()) {
            let length = write(slot)?;
            self.addressed.push((length, to));
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.addressed.clear();
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let datagrams = self.slots.iter().zip(&self.addressed);
        datagrams.map(|(slot, &(length, to))| (slot.get(..length).unwrap_or_default(), to))
    }
}

/// How often a datagram is tried at most.
///
/// An ICMP error about any earlier datagram to anybody fails the next call, once, and says nothing of this datagram. While
/// the listener reads such errors from the queue of the socket, each that it takes makes the next one fail a call, too.
pub(super) const MOST_TRIES: u32 = 64;

/// Sends `count` datagrams by a call that sends those from some place on, tells how many it has sent, and fails only
/// for the first of them, which is then [tried again](MOST_TRIES).
fn send_all(
    count: usize,
    mut send_from: impl FnMut(usize) -> io::Result<usize>,
    mut report: impl FnMut(usize, io::Result<()>),
) {
    let (mut next, mut tries) = (0, 1);
    while next < count {
        match send_from(next) {
            Ok(sent) => {
                let end = (next + sent.max(1)).min(count);
                (next..end).for_each(|at| report(at, Ok(())));
                (next, tries) = (end, 1);
            }
            Err(error) if tries < MOST_TRIES && error.kind() != io::ErrorKind::WouldBlock => tries += 1,
            Err(error) => {
                report(next, Err(error));
                (next, tries) = (next + 1, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// What becomes of four datagrams if the calls end so: which are sent.
    fn outcomes(calls: &[Result<usize, io::ErrorKind>]) -> (Vec<bool>, Vec<usize>) {
        let (mut script, mut asked, mut sent) = (calls.iter(), Vec::new(), Vec::new());
        let call = |from| {
            asked.push(from);
            let outcome = script.next().expect("no more calls than were thought of");
            outcome.map_err(Into::into)
        };
        send_all(4, call, |at, outcome| {
            assert_eq!(at, sent.len(), "in order");
            sent.push(outcome.is_ok());
        });
        (sent, asked)
    }

    #[test]
    fn what_a_call_leaves_goes_with_the_next() {
        assert_eq!(outcomes(&[Ok(4)]), (vec![true; 4], vec![0]));
        assert_eq!(outcomes(&[Ok(1), Ok(3)]), (vec![true; 4], vec![0, 1]));
    }

    #[test]
    fn an_error_that_may_be_anothers_is_tried_again_and_not_for_ever() {
        let refused = Err(io::ErrorKind::ConnectionRefused);
        assert_eq!(outcomes(&[refused, Ok(4)]), (vec![true; 4], vec![0, 0]));
        let most = usize::try_from(MOST_TRIES).unwrap();
        let calls: Vec<_> = [Ok(2)].into_iter().chain(vec![refused; most]).chain([Ok(1)]).collect();
        let (sent, asked) = outcomes(&calls);
        assert_eq!(sent, [true, true, false, true]);
        let expected: Vec<_> = [0].into_iter().chain(vec![2; most]).chain([3]).collect();
        assert_eq!(asked, expected);
    }

    #[test]
    fn what_finds_the_system_s_buffer_full_is_lost_at_once() {
        let full = Err(io::ErrorKind::WouldBlock);
        let (sent, asked) = outcomes(&[full, Ok(1), full, full]);
        assert_eq!((sent, asked), (vec![false, true, false, false], vec![0, 1, 2, 3]));
    }

    fn sockets(address: &str) -> [UdpSocket; 2] {
        [(); 2].map(|()| UdpSocket::bind(address).unwrap())
    }

    #[test]
    fn datagrams_of_both_families_come_as_they_were_sent() {
        let (mut arrivals, mut departures) = (Arrivals::new(), Departures::new());
        // By turns, since what one family leaves in a header must not cut off the other's addresses.
        for address in ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0", "[::1]:0"] {
            let [near, far] = sockets(address);
            let mut letters = Letters::new();
            for length in 1..=BATCH {
                let byte = u8::try_from(length).unwrap();
                let write = |slot: &mut [u8]| -> Result<usize, ()> {
                    slot[..length].fill(byte);
                    Ok(length)
                };
                letters.add(far.local_addr().unwrap(), write).unwrap();
            }
            assert!(letters.is_full());
            departures.send(&near, &letters, |_, outcome| outcome.unwrap());
            let (mut came, from) = (Vec::new(), near.local_addr().unwrap());
            for _ in 0..100 {
                let Ok(count) = arrivals.receive(&far, from.is_ipv4(), Wait::Not) else {
                    continue;
                };
                arrivals.each(count, |datagram, sender| {
                    assert_eq!(sender, from);
                    came.push(datagram.to_vec());
                });
            }
            let sent: Vec<_> = (1..=BATCH)
                .map(|length| vec![u8::try_from(length).unwrap(); length])
                .collect();
            assert_eq!(came, sent);
            assert_eq!(
                arrivals.receive(&far, from.is_ipv4(), Wait::Not).unwrap_err().kind(),
                io::ErrorKind::WouldBlock
            );
        }
    }

    #[test]
    fn a_datagram_that_is_too_long_shows() {
        let [near, far] = sockets("127.0.0.1:0");
        near.send_to(&[7; 3_000], far.local_addr().unwrap()).unwrap();
        let mut arrivals = Arrivals::new();
        let count = arrivals.receive(&far, true, Wait::ForOne).unwrap();
        let mut lengths = Vec::new();
        arrivals.each(count, |datagram, _| lengths.push(datagram.len()));
        assert_eq!(lengths, [MAX_DATAGRAM + 1]);
    }

    #[test]
    fn whoever_waits_for_a_datagram_is_woken_without_one() {
        let [near, _] = sockets("127.0.0.1:0");
        // Only for failures: whoever is not woken gives up then, with an error.
        near.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| Arrivals::new().receive(&near, true, Wait::ForOne).map(|_| ()));
            // It may not wait yet: what is woken once does not wait any more.
            wake_reader(&near);
            reader.join().unwrap().expect("woken");
        });
    }
}
