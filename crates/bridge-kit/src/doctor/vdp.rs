//! The way between the two bridges: whether UDP gets from one VDP port to the other and back.
//!
//! A bridge answers nobody but its peer in an open channel, so a doctor on one side cannot tell by itself: the doctors of both
//! sides have to run at once, each on its bridge's port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use super::port::Port;
use super::probe::{LENGTH, Probe};
use super::{Finding, Questions};
use crate::config::Vdp;

/// How often the other doctor is asked.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long the other doctor is still answered once all is known here.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a refusal may take to come back.
const REFUSAL: Duration = Duration::from_secs(1);

/// What the network answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answers {
    /// Whether the doctor could listen in the bridge's place.
    pub(super) port: Port,
    /// What came of asking the other bridge's doctor, if it was asked.
    pub(super) peer: Option<Heard>,
    /// How many packets of the other bridge the running bridge has received.
    pub(super) received: Option<u64>,
}

/// What was heard from the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    /// It answered, from this address.
    pub(super) answered: Option<SocketAddr>,
    /// It asked, from this address.
    pub(super) asked: Option<SocketAddr>,
    /// Its machine said that nothing listens there.
    pub(super) refused: bool,
}

/// Tries the port, and the way to the other bridge where it is known.
pub(super) async fn ask(config: &Vdp, questions: &Questions, running: bool) -> Answers {
    let socket = UdpSocket::bind(config.listen).await;
    let port = Port::tried(&socket, running);
    let peer = match (questions.peer, socket) {
        (None, _) => None,
        (Some(peer), Ok(socket)) => Some(exchange(&socket, peer, questions.wait).await),
        (Some(peer), Err(_)) => Some(Heard {
            refused: is_refused(peer).await,
            ..Heard::default()
        }),
    };
    Answers {
        port,
        peer,
        received: None,
    }
}

/// Asks the other doctor until it has answered and asked as well, or for as long as `wait`.
async fn exchange(socket: &UdpSocket, peer: SocketAddr, wait: Duration) -> Heard {
    let number: [u8; 16] = rand::random();
    let question = Probe::Question(number).write();
    let mut heard = Heard::default();
    let mut end = Instant::now() + wait;
    let mut done = false;
    let mut ticks = interval(INTERVAL);
    // One byte more, so that what is too long is not taken for what is not.
    let mut datagram = [0; LENGTH + 1];
    loop {
        tokio::select! {
            () = sleep_until(end) => break,
            _ = ticks.tick() => {
                // What cannot be sent now may be sent later; if not, no answer comes.
                let _ = socket.send_to(&question, peer).await;
            }
            received = socket.recv_from(&mut datagram) => match received {
                Ok((length, from)) => match datagram.get(..length).and_then(Probe::read) {
                    Some(Probe::Question(theirs)) => {
                        // It may come from elsewhere than where it listens, through a NAT.
                        if heard.asked.replace(from) != Some(from) && from != peer {
                            let _ = socket.send_to(&question, from).await;
                        }
                        let _ = socket.send_to(&Probe::Answer(theirs).write(), from).await;
                    }
                    Some(Probe::Answer(ours)) if ours == number => heard.answered = Some(from),
                    _ => {}
                },
                Err(_) => sleep(INTERVAL).await,
            },
        }
        if !done && heard.answered.is_some() && heard.asked.is_some() {
            done = true;
            end = end.min(Instant::now() + FAREWELL);
        }
    }
    if heard == Heard::default() {
        heard.refused = is_refused(peer).await;
    }
    heard
}

/// Whether the machine of an address says that nothing listens there. Only a socket of one peer is told.
async fn is_refused(peer: SocketAddr) -> bool {
    let ask = async {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(peer).await?;
        socket.send(&Probe::Question(rand::random()).write()).await?;
        socket.recv(&mut [0; LENGTH]).await
    };
    let refused =
        |answer: io::Result<usize>| answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    timeout(REFUSAL, ask).await.is_ok_and(refused)
}

/// What the answers mean.
pub(super) fn findings(config: &Vdp, questions: &Questions, answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![answers.port.finding("vdp.listen", "UDP", config.listen)];
    findings.extend(answers.received.filter(|received| *received > 0).map(|received| {
        Finding::fine(format!(
            "vdp: the running bridge has received {received} packets of the other one"
        ))
    }));
    let (Some(peer), Some(heard)) = (questions.peer, answers.peer) else {
        findings.push(Finding::note(
            "vdp: whether the bridges reach each other was not tried",
            "stop both, and start both doctors at once, each with `--peer ADDRESS:PORT` of the other's VDP port",
        ));
        return findings;
    };
    if config.advertise.is_loopback() && !peer.ip().is_loopback() {
        findings.push(Finding::fault(
            format!(
                "vdp.advertise: the other bridge, at {peer}, is told to send to {}",
                config.advertise
            ),
            format!(
                "listen on 0.0.0.0:{}, and advertise the address by which the other bridge reaches this machine",
                config.listen.port()
            ),
        ));
    }
    findings.push(way(peer, heard, answers.port));
    findings.extend(translated(peer, heard));
    findings
}

fn way(peer: SocketAddr, heard: Heard, port: Port) -> Finding {
    let number = peer.port();
    match (heard.answered, heard.asked) {
        (Some(_), _) => Finding::fine(format!("vdp: UDP gets to {peer} and back")),
        (None, Some(from)) => Finding::fault(
            format!("vdp: what {from} sends arrives, but what is sent to {peer} does not"),
            format!(
                "open UDP port {number} in the firewall of that machine and before it, and see that --peer is right"
            ),
        ),
        (None, None) if heard.refused => Finding::fault(
            format!("vdp: the machine of {peer} says that nothing listens on UDP port {number}"),
            "start the other bridge or its doctor there, and compare the port with its vdp.listen",
        ),
        (None, None) if port == Port::Ours => Finding::note(
            format!("vdp: {peer} does not refuse UDP; more cannot be told while the bridge runs"),
            "stop both bridges, and start both doctors at once, each with --peer",
        ),
        (None, None) => Finding::fault(
            format!("vdp: nothing comes from {peer}"),
            format!(
                "see that the other bridge's doctor runs at the same time, with --peer as well, and open UDP port {number} \
                 there and the port of vdp.listen here, in both directions"
            ),
        ),
    }
}

/// An address that is translated on the way is not the one that the other bridge tells.
fn translated(peer: SocketAddr, heard: Heard) -> Option<Finding> {
    let from = heard.asked.or(heard.answered)?;
    (from != peer).then(|| {
        Finding::note(
            format!("vdp: the other bridge is at {peer}, but what it sends comes from {from}"),
            "a NAT translates it: forward UDP to the other bridge's port unchanged, and name the public address in its \
             vdp.advertise; the sealed form of VDP works without, once the other bridge has sent something",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings_of(config: &Vdp, peer: &str, heard: Heard, port: Port) -> Vec<String> {
        let questions = Questions {
            peer: Some(peer.parse().expect("an address")),
            ..Questions::default()
        };
        let answers = Answers {
            port,
            peer: Some(heard),
            received: Some(7),
        };
        let findings = findings(config, &questions, &answers);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_that_only_this_machine_knows_is_not_advertised_to_another() {
        let config = Vdp::loopback(29400);
        let told = |peer| findings_of(&config, peer, Heard::default(), Port::Free).join("\n");
        let fault = "fault: vdp.advertise: the other bridge, at 192.0.2.9:29401, is told to send to 127.0.0.1";
        assert!(told("192.0.2.9:29401").contains(fault));
        assert!(!told("127.0.0.1:29401").contains("vdp.advertise: the other"));
    }

    #[test]
    fn a_translated_address_is_told() {
        let from = "198.51.100.7:4000".parse().ok();
        let heard = Heard {
            answered: from,
            ..Heard::default()
        };
        let config = Vdp {
            advertise: "192.0.2.1".parse().expect("an address"),
            ..Vdp::loopback(29400)
        };
        let findings = findings_of(&config, "192.0.2.9:29401", heard, Port::Free);
        assert!(
            findings
                .iter()
                .any(|line| line.starts_with("ok: vdp: UDP gets to 192.0.2.9:29401 and back"))
        );
        assert!(
            findings
                .iter()
                .any(|line| line.contains("comes from 198.51.100.7:4000"))
        );
        assert!(findings.iter().any(|line| line.contains("has received 7 packets")));
    }
}
