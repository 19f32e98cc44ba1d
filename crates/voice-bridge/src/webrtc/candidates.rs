//! The peer's ICE candidates: what can be used is used, the rest is counted.

use str0m::Candidate;

use super::metrics;

/// Candidates of one peer that are looked at. Browsers have about ten for each network interface.
const MAX_CANDIDATES: usize = 128;

/// Reads candidate lines of one peer.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    seen: usize,
}

impl Candidates {
    /// Reads one candidate line, with or without the `a=` of an SDP.
    ///
    /// `None`: it is the empty candidate that ends the list, or nothing that a socket can be sent to.
    /// Browsers hide local addresses behind `*.local` names, which only their own network can resolve.
    pub(super) fn read(&mut self, line: &str) -> Option<Candidate> {
        let line = line.trim().trim_start_matches("a=");
        if line.is_empty() {
            return None;
        }
        self.seen += 1;
        if self.seen > MAX_CANDIDATES {
            metrics::candidate_skipped("too_many");
            return None;
        }
        let address = line.split_ascii_whitespace().nth(4)?;
        if address.rsplit('.').next() == Some("local") {
            metrics::candidate_skipped("mdns");
            return None;
        }
        let candidate = Candidate::from_sdp_string(line).ok();
        if candidate.is_none() {
            metrics::candidate_skipped("unreadable");
        }
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host";

    #[test]
    fn host_and_relayed_candidates_are_read_with_and_without_prefix() {
        let mut candidates = Candidates::default();
        let relayed = "candidate:3 1 udp 41885439 198.51.100.9 60000 typ relay raddr 192.0.2.1 rport 50000 generation 0 ufrag abcd network-cost 999";
        let read = candidates.read(HOST).expect("host");
        assert_eq!(read.addr(), "192.0.2.1:50000".parse().expect("address"));
        assert!(candidates.read(&format!("a={HOST}")).is_some());
        let read = candidates.read(relayed).expect("relayed");
        assert_eq!(read.addr(), "198.51.100.9:60000".parse().expect("address"));
    }

    #[test]
    fn what_cannot_be_used_is_skipped() {
        let mut candidates = Candidates::default();
        for line in [
            "",
            "  ",
            "candidate:1 1 udp 2122260223 5b9a3c10-aaaa.local 50000 typ host",
            "candidate:1 1 udp 2122260223",
            "candidate:1 1 udp 2122260223 192.0.2.1 notaport typ host",
            "\u{0}\u{ffff}",
        ] {
            assert!(candidates.read(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn the_number_of_candidates_is_bounded() {
        let mut candidates = Candidates::default();
        let read = (0..1000).filter(|_| candidates.read(HOST).is_some()).count();
        assert_eq!(read, MAX_CANDIDATES);
    }
}
