//! A local UDP port and the task that listens to it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use vdp_proto::sealed::channel_of;
use vdp_proto::{ChannelTable, Packet, Refusal, Route, Taken};

use super::datagrams::{Arrivals, BATCH, MOST_TRIES};
use super::drops::{DropCounts, Reason};
use super::ear::Ear;
use super::icmp;
use super::outbox;
use super::queue;
use super::sealed_ear::SealedEar;
use crate::supervise::{self, Task};
use crate::udp::{ARRIVALS_AND_ERRORS, watch_arrivals};

/// Batches of datagrams read in a row before other tasks have their turn.
const BUDGET: usize = 2;

thread_local! {
    /// What the listeners of this thread read with.
    static ARRIVALS: RefCell<Arrivals> = RefCell::new(Arrivals::new());
}

/// A bound port. Dropping it ends its task and frees the port.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    local: IpAddr,
    /// Sends without asking the runtime whether it may: a socket that cannot take a datagram now loses it.
    sender: UdpSocket,
    rooms: Arc<RwLock<Rooms>>,
    _listener: Task<()>,
}

/// The rooms whose voice arrives at a port.
#[derive(Debug, Default)]
struct Rooms {
    open: ChannelTable<Arc<Ear>>,
    /// The sealed ones, by channel id.
    sealed: BTreeMap<u64, Arc<SealedEar>>,
    /// The rooms for which the port was chosen, and whether their channel is open yet.
    carried: BTreeMap<Box<str>, bool>,
}

impl Port {
    /// Binds `address` and starts to listen within `runtime`.
    pub(super) fn bind(address: SocketAddr, runtime: &Handle, drops: Arc<DropCounts>) -> io::Result<Self> {
        let sender = UdpSocket::bind(address)?;
        icmp::enable(&sender)?;
        queue::lengthen(&sender)?;
        let local = sender.local_addr()?;
        let number = local.port();
        let rooms = Arc::<RwLock<Rooms>>::default();
        let _entered = runtime.enter();
        let listener = Listener {
            number,
            is_ipv4: local.is_ipv4(),
            socket: watch_arrivals(sender.try_clone()?)?,
            rooms: Arc::clone(&rooms),
            drops,
        };
        let task = supervise::spawn_on(runtime, "vdp.receive", number, listener.run());
        Ok(Self {
            number,
            local: local.ip(),
            sender,
            rooms,
            _listener: task,
        })
    }

    /// The number of the port.
    pub(super) const fn number(&self) -> u16 {
        self.number
    }

    /// Where datagrams for `peer` are to be sent from this socket: one that speaks IPv6 wants IPv4 addresses mapped.
    /// `None` if it cannot send there.
    pub(super) fn reachable(&self, peer: SocketAddr) -> Option<SocketAddr> {
        match (self.local, peer.ip().to_canonical()) {
            (_, ip) if ip.is_unspecified() || peer.port() == 0 => None,
            (IpAddr::V4(_), ip @ IpAddr::V4(_)) | (IpAddr::V6(_), ip @ IpAddr::V6(_)) => {
                Some(SocketAddr::new(ip, peer.port()))
            }
            (IpAddr::V6(_), IpAddr::V4(ip)) => Some(SocketAddr::new(ip.to_ipv6_mapped().into(), peer.port())),
            (IpAddr::V4(_), IpAddr::V6(_)) => None,
        }
    }

    /// What it sends from.
    pub(super) const fn socket(&self) -> &UdpSocket {
        &self.sender
    }

    /// Sends a datagram to an address that is [reachable](Self::reachable) as it is, or fails, at once.
    pub(super) fn send(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<()> {
        let mut outcome = self.sender.send_to(datagram, peer);
        for _ in 1..MOST_TRIES {
            match &outcome {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    outcome = self.sender.send_to(datagram, peer);
                }
                _ => break,
            }
        }
        outcome.map(drop)
    }

    /// Chooses the port for `room`, unless it carries the room already.
    pub(super) fn reserve(&self, room: &str) -> bool {
        let mut rooms = self.write();
        let free = !rooms.carried.contains_key(room);
        if free {
            rooms.carried.insert(room.into(), false);
        }
        free
    }

    /// Ends [`Port::reserve`].
    pub(super) fn release(&self, room: &str) {
        self.write().carried.remove(room);
    }

    /// Lets `ear` hear what `peer` sends for `room`.
    pub(super) fn open(&self, peer: SocketAddr, room: &str, ear: Arc<Ear>) -> Result<(), Taken> {
        let mut rooms = self.write();
        rooms.open.open(Route::new(self.number, peer), room, ear)?;
        if let Some(open) = rooms.carried.get_mut(room) {
            *open = true;
        }
        Ok(())
    }

    /// Ends [`Port::open`].
    pub(super) fn close(&self, peer: SocketAddr, room: &str) {
        self.write().open.close(Route::new(self.number, peer), room);
    }

    /// Lets `ear` hear what is sealed for `channel`, whoever sends it.
    pub(super) fn open_sealed(&self, channel: u64, ear: Arc<SealedEar>) -> Result<(), Taken> {
        let sealed = &mut self.write().sealed;
        if sealed.contains_key(&channel) {
            return Err(Taken);
        }
        sealed.insert(channel, ear);
        Ok(())
    }

    /// Ends [`Port::open_sealed`].
    pub(super) fn close_sealed(&self, channel: u64) {
        self.write().sealed.remove(&channel);
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rooms> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads datagrams and hands each to the channel it is for.
struct Listener {
    number: u16,
    is_ipv4: bool,
    socket: AsyncFd<UdpSocket>,
    rooms: Arc<RwLock<Rooms>>,
    drops: Arc<DropCounts>,
}

impl Listener {
    async fn run(self) {
        loop {
            let ready = match self.socket.ready(ARRIVALS_AND_ERRORS).await {
                Ok(guard) => guard.ready(),
                Err(error) => {
                    tracing::error!(%error, "the runtime no longer watches a VDP socket");
                    return;
                }
            };
            if ready.is_error() {
                self.drain_errors();
            }
            if !self.drain_datagrams() {
                // To yield takes a call of the system, and where nothing is left the next wait does so anyway.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Reads as much as the budget allows, and says whether that was all.
    fn drain_datagrams(&self) -> bool {
        for _ in 0..BUDGET {
            match ARRIVALS.with_borrow_mut(|arrivals| self.read_batch(arrivals)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // About a datagram that was sent, not one that came.
                Err(_) => self.drain_errors(),
            }
        }
        false
    }

    /// Reads a batch and hands it on. Fails when there is no more to read.
    fn read_batch(&self, arrivals: &mut Arrivals) -> io::Result<()> {
        let mut count = 0;
        let left = self.socket.try_io(Interest::READABLE, |socket| {
            count = arrivals.receive(socket, self.is_ipv4)?;
            // A batch that is not full says that the queue is empty: so the runtime need not be shown it by another call.
            if count < BATCH {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        let now = Instant::now();
        // What is sent on at once leaves together too.
        let _sending = outbox::gather();
        arrivals.each(count, |datagram, from| self.hear(datagram, from, now));
        left
    }

    fn drain_errors(&self) {
        // The runtime is told that nothing is left, or it would report the same error for ever.
        let _ = self.socket.try_io(Interest::ERROR, |socket| {
            while let Some(undelivered) = icmp::next(socket) {
                let rooms = self.read();
                let plain = rooms.open.of_peer(undelivered.destination).map(|ear| &**ear);
                let sealed = rooms.sealed.values();
                for ear in plain.chain(sealed.filter_map(|ear| ear.of_peer(undelivered.destination))) {
                    ear.undelivered(undelivered.kind);
                }
            }
            io::Result::<()>::Err(io::ErrorKind::WouldBlock.into())
        });
    }

    fn hear(&self, datagram: &mut [u8], from: SocketAddr, now: Instant) {
        if let Some(channel) = channel_of(datagram) {
            // A statement of its own, so that the table is not locked while the packet is opened.
            let ear = self.read().sealed.get(&channel).cloned();
            return match ear {
                Some(ear) => ear.hear(datagram, from, now, &self.drops),
                None => self.drops.add(Reason::UnknownChannel, &from, now),
            };
        }
        let (packet, marks) = match Packet::decode_with_marks(datagram) {
            Ok(read) => read,
            Err(error) => return self.drops.add(error.into(), &error, now),
        };
        match self.find(from, packet.room) {
            Ok(ear) => ear.hear(&packet, marks, now, &self.drops),
            Err(reason) => self.drops.add(reason, &from, now),
        }
    }

    fn find(&self, from: SocketAddr, room: &str) -> Result<Arc<Ear>, Reason> {
        let rooms = self.read();
        rooms
            .open
            .find(Route::new(self.number, from), room)
            .map(Arc::clone)
            .map_err(|refusal| match refusal {
                _ if rooms.carried.get(room) == Some(&false) => Reason::NotOpen,
                Refusal::UnknownSender => Reason::UnknownSender,
                Refusal::WrongRoom => Reason::WrongRoom,
            })
    }

    fn read(&self) -> RwLockReadGuard<'_, Rooms> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }
}
