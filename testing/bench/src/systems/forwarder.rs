//! The bare forwarder: the least program that takes the same packets in and sends them on.
//!
//! It has a socket for each party, as the bridge has, and sends what one party says to all the others as it came. One thread
//! waits at each socket; whatever has come by then is read and sent on at once.

use super::{Running, System, say_addresses, start_part, wait_for_the_end};
use crate::benches;
use anyhow::Result;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt::RcvBuf,
};
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use vdp_proto::MAX_DATAGRAM;

/// What the bench's command line calls it.
pub const PART: &str = "forwarder";

/// Most datagrams that one call reads.
const BATCH: usize = 32;

/// Bytes that the system is asked to keep for a socket; the bridge asks for as much.
const QUEUE: usize = 1 << 20;

/// The bare forwarder.
#[derive(Debug, Clone, Copy)]
pub struct Forwarder;

impl System for Forwarder {
    fn name(&self) -> String {
        "bare forwarder".to_owned()
    }

    fn start(&self, rooms: usize, parties: &[SocketAddr]) -> Result<Running> {
        let mut command = benches::part("rooms")?;
        command.arg(PART).args(parties.iter().map(ToString::to_string));
        let (child, line) = start_part(&mut command)?;
        Running::of(child, &line, rooms)
    }
}

/// The forwarder's process.
pub fn run(parties: &[String]) -> Result<()> {
    let parties: Vec<SocketAddr> = parties.iter().map(|party| party.parse()).collect::<Result<_, _>>()?;
    let sockets: Vec<UdpSocket> = parties
        .iter()
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let own: Vec<SocketAddr> = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
    say_addresses(&own)?;
    for (party, socket) in sockets.into_iter().enumerate() {
        setsockopt(&socket, RcvBuf, &QUEUE)?;
        let others = parties.iter().enumerate().filter(|(other, _)| *other != party);
        let others: Vec<SockaddrIn> = others
            .filter_map(|(_, address)| match address {
                SocketAddr::V4(address) => Some((*address).into()),
                SocketAddr::V6(_) => None,
            })
            .collect();
        thread::spawn(move || forward(&socket, &others));
    }
    wait_for_the_end()
}

/// Sends whatever comes to everybody else, until the process ends.
fn forward(socket: &UdpSocket, others: &[SockaddrIn]) {
    let socket = socket.as_raw_fd();
    let mut buffers = vec![[0; MAX_DATAGRAM]; BATCH];
    let mut lengths = [0; BATCH];
    let mut received = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrIn>::preallocate(BATCH * others.len(), None);
    loop {
        let count = {
            let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let Ok(results) = recvmmsg(socket, &mut received, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None) else {
                // Of something that was sent to who is no longer there.
                continue;
            };
            results
                .zip(&mut lengths)
                .map(|(result, length)| *length = result.bytes)
                .count()
        };
        let voice: Vec<[IoSlice<'_>; 1]> = buffers
            .iter()
            .zip(lengths)
            .take(count)
            .filter(|&(buffer, length)| is_voice(buffer.get(..length).unwrap_or_default()))
            .map(|(buffer, length)| [IoSlice::new(buffer.get(..length).unwrap_or_default())])
            .collect();
        let slices = voice.iter().flat_map(|slice| std::iter::repeat_n(slice, others.len()));
        let to: Vec<Option<SockaddrIn>> = voice.iter().flat_map(|_| others.iter().copied().map(Some)).collect();
        let none: [ControlMessage<'_>; 0] = [];
        // What finds no place is lost, and missing in what is heard.
        let _ = sendmmsg(socket, &mut sent, slices, &to, none, MsgFlags::empty());
    }
}

/// Keep-alives are answered by nobody: they are shorter than anything that is said.
const fn is_voice(datagram: &[u8]) -> bool {
    datagram.len() > 48
}
