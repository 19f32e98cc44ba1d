//! Strangers' datagrams by the hundred thousand, from addresses of their own and under the peer's.

use super::forgery::{Forger, REASONS};
use anyhow::{Context as _, Result, anyhow};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// Where strangers are.
const STRANGER: &str = "127.0.0.9:0";
/// A frame of voice.
const FRAME: Duration = Duration::from_millis(20);
/// The sender is woken so often, and sends then what is due.
const STEP: Duration = Duration::from_millis(1);
/// An IPv4 header without options, and the UDP header after it.
const IP: usize = 20;
const HEADERS: usize = IP + 8;

/// What is to be sent.
pub(super) struct Flood {
    /// Datagrams a second.
    pub(super) rate: u64,
    pub(super) lasting: Duration,
    pub(super) target: SocketAddrV4,
    /// Whose address half of them are sent under.
    pub(super) peer: SocketAddrV4,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// By form, as in [`REASONS`].
    pub(super) forms: [u64; REASONS.len()],
    /// How many of them went under the peer's address.
    pub(super) spoofed: u64,
    pub(super) took: Duration,
}

impl Sent {
    pub(super) fn total(&self) -> u64 {
        self.forms.iter().sum()
    }

    pub(super) fn rate(&self) -> f64 {
        u32::try_from(self.total()).map_or(f64::INFINITY, f64::from) / self.took.as_secs_f64()
    }
}

impl Flood {
    /// Sends it all, on a thread of its own.
    pub(super) async fn run(self, mut forger: Forger) -> Result<Sent> {
        let sender = tokio::task::spawn_blocking(move || self.send(&mut forger));
        sender.await.map_err(|error| anyhow!("the flood: {error}"))?
    }

    fn send(&self, forger: &mut Forger) -> Result<Sent> {
        let stranger = UdpSocket::bind(STRANGER)?;
        stranger.connect(self.target)?;
        let spoofer = Spoofer::new(self.peer, self.target)?;
        let start = Instant::now();
        let (mut sent, mut number) = (Sent::default(), usize::MAX);
        let mut forms = [const { Vec::new() }; REASONS.len()];
        while start.elapsed() < self.lasting {
            let frame = usize::try_from(start.elapsed().as_millis() / FRAME.as_millis())?;
            if frame != number {
                (number, forms) = (frame, forger.frame(frame)?);
            }
            let due = u64::try_from(start.elapsed().as_micros())? * self.rate / 1_000_000;
            // What the sender could not do in time is not made good in one burst.
            for turn in (sent.total()..due).take(usize::try_from(self.rate / 100)?) {
                let turn = usize::try_from(turn)?;
                let form = turn % REASONS.len();
                let datagram = &mut forms[form];
                forger.renew(form, datagram);
                if (turn / REASONS.len()).is_multiple_of(2) {
                    stranger.send(datagram).context("a stranger's datagram")?;
                } else {
                    spoofer.send(datagram)?;
                    sent.spoofed += 1;
                }
                sent.forms[form] += 1;
            }
            std::thread::sleep(STEP);
        }
        sent.took = start.elapsed();
        Ok(sent)
    }
}

/// Sends datagrams as if they came from somebody else.
struct Spoofer {
    socket: OwnedFd,
    from: SocketAddrV4,
    to: SocketAddrV4,
}

impl Spoofer {
    fn new(from: SocketAddrV4, to: SocketAddrV4) -> Result<Self> {
        // With this protocol the sender writes the IP header himself (raw(7)); the system fills in length and checksum.
        let socket = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::Raw,
        );
        let socket = socket.context("a raw socket, for which this has to be run as root")?;
        Ok(Self { socket, from, to })
    }

    fn send(&self, datagram: &[u8]) -> Result<()> {
        let mut packet = Vec::with_capacity(HEADERS + datagram.len());
        // Version 4, five words of header; no service, length, id, fragment; 64 hops, UDP; no checksum yet.
        packet.extend([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(self.from.ip().octets());
        packet.extend(self.to.ip().octets());
        packet.extend(self.from.port().to_be_bytes());
        packet.extend(self.to.port().to_be_bytes());
        packet.extend(u16::try_from(HEADERS - IP + datagram.len())?.to_be_bytes());
        // Over IPv4 a datagram needs no checksum.
        packet.extend([0, 0]);
        packet.extend(datagram);
        let to = SockaddrIn::from(self.to);
        sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty())
            .context("a datagram under the peer's address")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn port(address: &str) -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind(address).expect("a port");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
        match socket.local_addr().expect("an address") {
            SocketAddr::V4(address) => (socket, address),
            SocketAddr::V6(_) => panic!("it was bound to IPv4"),
        }
    }

    #[test]
    fn a_datagram_comes_from_whom_it_names() {
        let (target, to) = port("127.0.0.1:0");
        let (_peer, from) = port("127.0.0.1:0");
        // Not everybody who runs the tests may do this.
        let Ok(spoofer) = Spoofer::new(from, to) else { return };
        spoofer.send(b"forged").unwrap();
        let mut datagram = [0; 100];
        let (length, sender) = target.recv_from(&mut datagram).unwrap();
        assert_eq!((&datagram[..length], sender), (&b"forged"[..], SocketAddr::V4(from)));
    }
}
