//! Those who talk through what is measured, and those who listen to it, all in the process of the bench.
//!
//! A room has a few *parties*. Each party of every room shares a socket with the same party of all the other rooms, as the
//! far end of VDP does. Rooms speak one after the other, evenly spread over 20 ms.

use crate::wire::{Reader, Stream, Voice, Wire};
use anyhow::{Context as _, Result};
use nix::sys::socket::{setsockopt, sockopt::RcvBuf};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use vdp_proto::MAX_DATAGRAM;

/// The time between two packets of somebody who talks.
pub const FRAME: Duration = Duration::from_millis(20);

/// How long a socket waits for a datagram before it looks whether it is all over.
const PATIENCE: Duration = Duration::from_millis(100);

/// Bytes that the system is asked to keep for each socket, so that what is lost was not lost here.
pub const QUEUE: usize = 4 << 20;

/// How often who says nothing says that he is there.
const KEEP_ALIVE: u64 = 50;

/// Silence, as Opus.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Where the parties of all rooms are.
#[derive(Debug)]
pub struct Ground {
    sockets: Vec<UdpSocket>,
}

/// How to reach what is measured.
#[derive(Debug)]
pub struct Reach {
    /// What it speaks.
    pub wire: Wire,
    /// Where it hears each party of each room: by party, then by room.
    pub to: Vec<Vec<SocketAddr>>,
}

/// A packet that a party of a room got.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Whose it is.
    pub party: usize,
    /// What it holds.
    pub voice: Voice<'a>,
    /// When it came.
    pub at: Instant,
}

/// What is said: asked for each packet.
pub trait Script: Sync {
    /// The parties that talk, in every room.
    fn speakers(&self) -> Range<usize>;

    /// What a party of a room says after `number` packets, which goes into `opus`.
    fn say(&self, room: usize, party: usize, number: u64, opus: &mut Vec<u8>);
}

/// Who talks: from the start until it is all over.
pub trait Talker: Sync {
    /// Talks.
    fn talk(&self, ground: &Ground, reach: &Reach, over: &AtomicBool) -> Result<()>;
}

/// Everybody at the pace of Opus, each room at a moment of its own.
#[derive(Debug)]
pub struct Steady<S>(pub S);

/// Who listens: asked for each packet of one party.
pub trait Listener: Send {
    /// Takes a packet.
    fn hear(&mut self, arrival: &Arrival<'_>);
}

impl<F: FnMut(&Arrival<'_>) + Send> Listener for F {
    fn hear(&mut self, arrival: &Arrival<'_>) {
        self(arrival);
    }
}

impl Ground {
    /// Sockets for so many parties.
    pub fn new(parties: usize) -> Result<Self> {
        let sockets = (0..parties).map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(PATIENCE))?;
            setsockopt(&socket, RcvBuf, &QUEUE)?;
            Ok(socket)
        });
        Ok(Self {
            sockets: sockets.collect::<Result<_>>()?,
        })
    }

    /// Where each party is.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        let addresses = self.sockets.iter().map(UdpSocket::local_addr);
        Ok(addresses.collect::<Result<_, _>>()?)
    }

    /// Has everybody talk and listen for as long as `meanwhile` takes.
    ///
    /// There is a listener for each party, and gets it back.
    pub fn run<L: Listener, T>(
        &self,
        reach: &Reach,
        talker: &impl Talker,
        listeners: &mut [L],
        meanwhile: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let ears = listeners.iter_mut().enumerate().zip(&self.sockets);
            for ((party, listener), socket) in ears {
                let reader = reader_of(reach, party);
                let over = &over;
                scope.spawn(move || listen(socket, party, reach.wire, &reader, listener, over));
            }
            let mouth = scope.spawn(|| talker.talk(self, reach, &over));
            let result = meanwhile();
            over.store(true, Ordering::Relaxed);
            let said = mouth.join().ok().context("who talks panicked")?;
            said.and(result)
        })
    }

    /// Sends a datagram as a party. What finds no place is lost, and missing in what is heard.
    pub fn send(&self, party: usize, datagram: &[u8], to: SocketAddr) {
        if let Some(socket) = self.sockets.get(party) {
            let _ = socket.send_to(datagram, to);
        }
    }
}

impl<S: Script> Talker for Steady<S> {
    fn talk(&self, ground: &Ground, reach: &Reach, over: &AtomicBool) -> Result<()> {
        let rooms = reach.to.first().map_or(0, Vec::len);
        let mut streams: Vec<Vec<Stream>> = reach
            .to
            .iter()
            .map(|to| (0..to.len()).map(|room| Stream::new(reach.wire, room)).collect())
            .collect();
        let start = Instant::now();
        for cycle in 0_u64.. {
            for room in 0..rooms {
                let phase = FRAME * u32::try_from(room)? / u32::try_from(rooms)?;
                wait_until(start + FRAME * u32::try_from(cycle)? + phase);
                if over.load(Ordering::Relaxed) {
                    return Ok(());
                }
                for (party, (streams, to)) in streams.iter_mut().zip(&reach.to).enumerate() {
                    if let (Some(stream), Some(&to)) = (streams.get_mut(room), to.get(room)) {
                        self.say(ground, stream, to, (cycle, room, party));
                    }
                }
            }
        }
        Ok(())
    }
}

impl<S: Script> Steady<S> {
    /// Has one party of a room say what it has to say in this cycle, if anything.
    fn say(&self, ground: &Ground, stream: &mut Stream, to: SocketAddr, (cycle, room, party): (u64, usize, usize)) {
        let Self(script) = self;
        let mut opus = Vec::new();
        if script.speakers().contains(&party) {
            script.say(room, party, cycle, &mut opus);
        } else if !greets(stream.wire(), cycle, room, &mut opus) {
            return;
        }
        let mut datagram = [0; MAX_DATAGRAM];
        let length = stream.write(&opus, &mut datagram);
        ground.send(party, datagram.get(..length).unwrap_or_default(), to);
    }
}

/// Whether it is time that a listener shows that he is there, and how: in VDP by keep-alives, in RTP by a packet at the start.
fn greets(wire: Wire, cycle: u64, room: usize, opus: &mut Vec<u8>) -> bool {
    match wire {
        Wire::Vdp => (cycle + room as u64).is_multiple_of(KEEP_ALIVE),
        Wire::Rtp => {
            opus.extend_from_slice(&SILENCE);
            cycle == 0
        }
    }
}

/// Which rooms send from where to this party: from where they hear it.
fn reader_of(reach: &Reach, party: usize) -> Reader {
    let rooms = reach.to.get(party).into_iter().flatten().copied().zip(0..);
    Reader { rooms: rooms.collect() }
}

fn listen(
    socket: &UdpSocket,
    party: usize,
    wire: Wire,
    reader: &Reader,
    listener: &mut impl Listener,
    over: &AtomicBool,
) {
    let mut datagram = [0; MAX_DATAGRAM];
    while !over.load(Ordering::Relaxed) {
        // An error tells that nothing came, or of something that was sent.
        let Ok((length, from)) = socket.recv_from(&mut datagram) else {
            continue;
        };
        let at = Instant::now();
        if let Some(voice) = reader.read(wire, datagram.get(..length).unwrap_or_default(), from) {
            listener.hear(&Arrival { party, voice, at });
        }
    }
}

/// Shows once that a party is there.
pub fn greet(ground: &Ground, reach: &Reach, party: usize) {
    for (room, &to) in reach.to.get(party).into_iter().flatten().enumerate() {
        let mut datagram = [0; MAX_DATAGRAM];
        let opus: &[u8] = if reach.wire == Wire::Rtp { &SILENCE } else { &[] };
        let length = Stream::new(reach.wire, room).write(opus, &mut datagram);
        ground.send(party, datagram.get(..length).unwrap_or_default(), to);
    }
}

/// Sleeps until then; what is less than the system's timers can do is not waited for.
pub fn wait_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if left > Duration::from_micros(60) {
        thread::sleep(left);
    }
}
