//! Where the peer is: at the address that was negotiated, until a sealed packet shows that it moved.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An address that has proven nothing gets at most one keep-alive in this time.
pub const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The address that voice is sent to, and whether it may be.
///
/// The address moves only with a packet that opened and whose counter is above all seen so far, so that a packet that
/// somebody recorded or held up moves nothing. Whoever can send the newest packet of the peer from an address of his
/// choice could still point the voice at somebody who never asked for it. So an address gets no voice before a sealed
/// keep-alive has come from it, which is the answer to one that was sent there.
#[derive(Debug, Clone)]
pub struct Path {
    current: Place,
    /// Where the peer was before, so that one packet from elsewhere does not make it prove itself again.
    previous: Option<Place>,
    last_keep_alive: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    address: SocketAddr,
    proven: bool,
}

/// What a packet that was heard changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Heard {
    /// The peer's address is another one now.
    pub moved: bool,
    /// A keep-alive has to be sent now, so that either side's address proves itself while voice flows.
    pub answer: bool,
}

impl Path {
    /// The peer is at the address that it named, which has proven nothing.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            current: Place {
                address: canonical(address),
                proven: false,
            },
            previous: None,
            last_keep_alive: None,
        }
    }

    /// Where to send.
    pub const fn address(&self) -> SocketAddr {
        self.current.address
    }

    /// Whether voice may be sent there.
    pub const fn is_proven(&self) -> bool {
        self.current.proven
    }

    /// A packet was opened.
    pub fn heard(&mut self, now: Instant, from: SocketAddr, newest: bool, keep_alive: bool) -> Heard {
        let from = canonical(from);
        let moved = newest && from != self.current.address;
        if moved {
            let place = self.previous.filter(|place| place.address == from);
            self.previous = Some(self.current);
            self.current = place.unwrap_or(Place {
                address: from,
                proven: false,
            });
        }
        let proves = keep_alive && from == self.current.address && !self.current.proven;
        self.current.proven |= proves;
        Heard {
            moved,
            // Who has just proven his address waits for the same; after that, each keep-alive gets at most one a second.
            answer: proves || ((keep_alive || moved) && self.may_send_keep_alive(now)),
        }
    }

    /// When the next keep-alive is due that asks an unproven address to prove itself; none once it has.
    pub fn poll_probe(&self) -> Option<Instant> {
        let last = self.last_keep_alive?;
        (!self.current.proven).then(|| last + PROBE_INTERVAL)
    }

    /// Whether a keep-alive may be sent now; one that is sent must be reported.
    pub fn may_send_keep_alive(&self, now: Instant) -> bool {
        self.last_keep_alive
            .is_none_or(|last| now.saturating_duration_since(last) >= PROBE_INTERVAL)
    }

    /// A keep-alive was sent.
    pub fn keep_alive_sent(&mut self, now: Instant) {
        self.last_keep_alive = Some(now);
    }
}

/// An IPv4 address that a dual-stack socket reports as IPv6 is the IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: bool = true;
    const OVERTAKEN: bool = false;
    const KEEP_ALIVE: bool = true;
    const VOICE: bool = false;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs one instant to count from")]
    fn fresh() -> (Instant, Path, SocketAddr, SocketAddr) {
        let (home, elsewhere) = (address("192.0.2.1:29400"), address("198.51.100.9:40000"));
        (Instant::now(), Path::new(home), home, elsewhere)
    }

    #[test]
    fn an_address_gets_voice_once_a_keep_alive_came_from_it() {
        let (now, mut path, home, _) = fresh();
        assert!(!path.is_proven());
        path.heard(now, home, NEWEST, VOICE);
        assert!(!path.is_proven(), "voice may be on its way since before");
        path.heard(now, home, OVERTAKEN, KEEP_ALIVE);
        assert!(path.is_proven());
    }

    #[test]
    fn only_the_newest_packet_moves_the_address() {
        let (now, mut path, home, elsewhere) = fresh();
        path.heard(now, home, NEWEST, KEEP_ALIVE);
        let heard = path.heard(now, elsewhere, OVERTAKEN, KEEP_ALIVE);
        assert_eq!((heard.moved, path.address(), path.is_proven()), (false, home, true));
        let heard = path.heard(now, elsewhere, NEWEST, VOICE);
        assert_eq!(
            (heard.moved, path.address(), path.is_proven()),
            (true, elsewhere, false)
        );
    }

    #[test]
    fn who_comes_back_need_not_prove_himself_again() {
        let (now, mut path, home, elsewhere) = fresh();
        path.heard(now, home, NEWEST, KEEP_ALIVE);
        path.heard(now, elsewhere, NEWEST, VOICE);
        path.heard(now, home, NEWEST, VOICE);
        assert_eq!((path.address(), path.is_proven()), (home, true));
        path.heard(now, elsewhere, NEWEST, KEEP_ALIVE);
        assert!(path.is_proven());
    }

    #[test]
    fn a_keep_alive_is_answered_at_most_once_a_second() {
        let (start, mut path, home, _) = fresh();
        let mut answers = 0;
        path.heard(start, home, NEWEST, KEEP_ALIVE);
        for tick in 0..300 {
            let now = start + Duration::from_millis(10 * tick);
            if path.heard(now, home, NEWEST, KEEP_ALIVE).answer {
                path.keep_alive_sent(now);
                answers += 1;
            }
        }
        assert_eq!(answers, 3);
    }

    #[test]
    fn both_ends_prove_themselves_in_one_exchange_and_then_rest() {
        let (start, mut asking, home, peer) = fresh();
        let mut answering = Path::new(peer);
        // The first keep-alive of the asking side comes before the answering side listens.
        asking.keep_alive_sent(start);
        let now = start + Duration::from_millis(50);
        answering.keep_alive_sent(now);
        assert!(
            asking.heard(now, home, NEWEST, KEEP_ALIVE).answer,
            "at once, so soon after its last"
        );
        asking.keep_alive_sent(now);
        assert!(answering.heard(now, peer, NEWEST, KEEP_ALIVE).answer);
        answering.keep_alive_sent(now);
        assert!(!asking.heard(now, home, NEWEST, KEEP_ALIVE).answer);
        assert!(asking.is_proven() && answering.is_proven());
        assert_eq!((asking.poll_probe(), answering.poll_probe()), (None, None));
    }

    #[test]
    fn an_unproven_address_is_asked_once_a_second() {
        let (now, mut path, _, elsewhere) = fresh();
        assert_eq!(path.poll_probe(), None, "nothing was sent yet");
        path.keep_alive_sent(now);
        assert_eq!(path.poll_probe(), Some(now + PROBE_INTERVAL));
        path.heard(now, elsewhere, NEWEST, VOICE);
        assert!(!path.may_send_keep_alive(now), "moving about earns nothing");
    }

    #[test]
    fn voice_from_the_known_address_asks_for_no_answer() {
        let (now, mut path, home, elsewhere) = fresh();
        assert!(!path.heard(now, home, NEWEST, VOICE).answer);
        assert!(
            path.heard(now, elsewhere, NEWEST, VOICE).answer,
            "it has to prove itself"
        );
    }

    #[test]
    fn an_ipv4_address_reported_as_ipv6_is_no_move() {
        let (now, mut path, _, _) = fresh();
        let mapped = address("[::ffff:192.0.2.1]:29400");
        assert!(!path.heard(now, mapped, NEWEST, KEEP_ALIVE).moved);
    }
}
