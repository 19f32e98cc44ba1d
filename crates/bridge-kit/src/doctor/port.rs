//! The ports on which the bridge listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Finding;

/// What was found when the doctor tried to listen in the bridge's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// It can be listened on.
    Free,
    /// The running bridge has it.
    Ours,
    /// It cannot be listened on.
    Refused(io::ErrorKind),
}

impl Port {
    /// What came of an attempt to listen, while this bridge runs or does not.
    pub fn tried<T>(attempt: &io::Result<T>, running: bool) -> Self {
        match attempt {
            Ok(_) => Self::Free,
            Err(error) if running && error.kind() == io::ErrorKind::AddrInUse => Self::Ours,
            Err(error) => Self::Refused(error.kind()),
        }
    }

    /// What is to be said of a port, by the key of the configuration that names it.
    pub fn finding(self, key: &str, protocol: &str, address: SocketAddr) -> Finding {
        let kind = match self {
            Self::Free => return Finding::fine(format!("{key}: {protocol} {address} is free for the bridge")),
            Self::Ours => return Finding::fine(format!("{key}: the running bridge has {protocol} {address}")),
            Self::Refused(kind) => kind,
        };
        let port = address.port();
        match kind {
            io::ErrorKind::AddrInUse => Finding::fault(
                format!("{key}: another program has {protocol} {address}"),
                format!("stop it (`ss -lpn 'sport = :{port}'` names it), or give the bridge another port"),
            ),
            io::ErrorKind::AddrNotAvailable => Finding::fault(
                format!("{key}: {} is no address of this machine", address.ip()),
                format!(
                    "listen on {}:{port} and name the public address where the section has a key for it",
                    any(address)
                ),
            ),
            io::ErrorKind::PermissionDenied => Finding::fault(
                format!("{key}: the bridge may not listen on {protocol} {address}"),
                "choose a port above 1023, and start the doctor as the bridge's own user",
            ),
            other => Finding::fault(
                format!("{key}: {protocol} {address} cannot be listened on ({other})"),
                "give the bridge another address or port",
            ),
        }
    }
}

fn any(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_no_fault_while_the_bridge_itself_runs() {
        let taken: io::Result<()> = Err(io::ErrorKind::AddrInUse.into());
        assert_eq!(Port::tried(&taken, true), Port::Ours);
        assert_eq!(Port::tried(&taken, false), Port::Refused(io::ErrorKind::AddrInUse));
        assert_eq!(Port::tried(&Ok(()), true), Port::Free);
    }

    #[test]
    fn each_cause_has_advice_of_its_own() {
        let address = "192.0.2.1:29400".parse().expect("an address");
        let say = |kind| Port::Refused(kind).finding("vdp.listen", "UDP", address).to_string();
        let taken = say(io::ErrorKind::AddrInUse);
        assert!(
            taken.contains("another program has UDP 192.0.2.1:29400; stop it"),
            "{taken}"
        );
        let foreign = say(io::ErrorKind::AddrNotAvailable);
        assert!(foreign.contains("listen on 0.0.0.0:29400"), "{foreign}");
        assert!(say(io::ErrorKind::PermissionDenied).contains("above 1023"));
        assert!(say(io::ErrorKind::OutOfMemory).starts_with("fault: vdp.listen: UDP"));
    }
}
