//! A local UDP port and the thread that listens to it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use vdp_proto::sealed::channel_of;
use vdp_proto::{ChannelTable, Packet, Refusal, Route, Taken};

use super::datagrams::{self, Arrivals, MOST_TRIES, Wait};
use super::drops::{DropCounts, Reason};
use super::ear::Ear;
use super::icmp::{self, Undelivered};
use super::outbox;
use super::queue;
use super::sealed_ear::SealedEar;
use crate::supervise::{self, Task};

thread_local! {
    /// What the listeners of this thread read with.
    static ARRIVALS: RefCell<Arrivals> = RefCell::new(Arrivals::new());
}

/// A bound port. Dropping it ends what listens, and frees the port.
#[derive(Debug)]
pub(super) struct Port {
    local: IpAddr,
    listener: Arc<Listener>,
    /// Reads what became of datagrams that were sent.
    errors: Option<Task<()>>,
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
    /// Binds `address` and starts to listen, on a thread of its own. Must be called within a tokio runtime.
    ///
    /// The thread waits in the call that reads, not in a runtime: to be told that there is something to read would be another
    /// call of the system for each packet, and those are most of what a packet costs.
    pub(super) fn bind(address: SocketAddr, drops: Arc<DropCounts>) -> io::Result<Self> {
        let mut port = Self::bind_unattended(address, drops)?;
        let listener = Arc::clone(&port.listener);
        let tell = move |undelivered| listener.on_undelivered(undelivered);
        port.errors = Some(icmp::watch(port.socket(), tell)?);
        let listener = Arc::clone(&port.listener);
        supervise::spawn_thread("vdp.receive", port.number(), move || listener.run())?;
        Ok(port)
    }

    /// Binds `address`. What arrives waits for [`attend`](Self::attend).
    pub(super) fn bind_unattended(address: SocketAddr, drops: Arc<DropCounts>) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        icmp::enable(&socket)?;
        queue::lengthen(&socket)?;
        let local = socket.local_addr()?;
        let listener = Listener {
            number: local.port(),
            is_ipv4: local.is_ipv4(),
            socket,
            stopped: AtomicBool::new(false),
            rooms: RwLock::default(),
            drops,
        };
        Ok(Self {
            local: local.ip(),
            listener: Arc::new(listener),
            errors: None,
        })
    }

    /// Takes in what has arrived, where nothing else listens.
    pub(super) fn attend(&self) {
        while self.listener.read_batch(Wait::Not).is_ok() {}
    }

    /// The number of the port.
    pub(super) fn number(&self) -> u16 {
        self.listener.number
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
    pub(super) fn socket(&self) -> &UdpSocket {
        &self.listener.socket
    }

    /// Sends a datagram to an address that is [reachable](Self::reachable) as it is, or fails, at once: a socket that cannot
    /// take a datagram now loses it.
    pub(super) fn send(&self, datagram: &[u8], peer: SocketAddr) -> io::Result<()> {
        let send = || datagrams::send_one(self.socket(), datagram, peer);
        let mut outcome = send();
        for _ in 1..MOST_TRIES {
            match &outcome {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => outcome = send(),
                _ => break,
            }
        }
        outcome
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
        rooms.open.open(Route::new(self.number(), peer), room, ear)?;
        if let Some(open) = rooms.carried.get_mut(room) {
            *open = true;
        }
        Ok(())
    }

    /// Ends [`Port::open`].
    pub(super) fn close(&self, peer: SocketAddr, room: &str) {
        self.write().open.close(Route::new(self.number(), peer), room);
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
        self.listener.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.listener.stopped.store(true, Ordering::Release);
        datagrams::wake_reader(&self.listener.socket);
    }
}

/// Reads datagrams and hands each to the channel it is for.
#[derive(Debug)]
struct Listener {
    number: u16,
    is_ipv4: bool,
    socket: UdpSocket,
    /// The port is gone.
    stopped: AtomicBool,
    rooms: RwLock<Rooms>,
    drops: Arc<DropCounts>,
}

impl Listener {
    fn run(&self) {
        while !self.stopped.load(Ordering::Acquire) {
            // An error is about a datagram that was sent, which whoever watches for those takes care of.
            let _ = self.read_batch(Wait::ForOne);
        }
    }

    /// Reads what has arrived, at most a batch, and hands it on.
    fn read_batch(&self, wait: Wait) -> io::Result<()> {
        ARRIVALS.with_borrow_mut(|arrivals| {
            let count = arrivals.receive(&self.socket, self.is_ipv4, wait)?;
            let now = Instant::now();
            // What is sent on at once leaves together too.
            let _sending = outbox::gather();
            arrivals.each(count, |datagram, from| self.hear(datagram, from, now));
            Ok(())
        })
    }

    fn on_undelivered(&self, undelivered: Undelivered) {
        let rooms = self.read();
        let plain = rooms.open.of_peer(undelivered.destination).map(|ear| &**ear);
        let sealed = rooms.sealed.values();
        for ear in plain.chain(sealed.filter_map(|ear| ear.of_peer(undelivered.destination))) {
            ear.undelivered(undelivered.kind);
        }
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
