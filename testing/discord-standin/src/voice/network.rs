//! The way between clients and the voice server, with what it does to their datagrams.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    Voice,
    impairment::{Fate, Impairments},
    server::VoiceServer,
};
use crate::{
    control::types::{ActiveImpairment, Direction, Impairment},
    snowflake::Snowflake,
};

/// Datagrams that may be on their way at once; more are lost, as in a full queue.
const LONGEST_QUEUE: usize = 10_000;
/// How often the delivering thread looks whether it should end.
const POLL: Duration = Duration::from_millis(100);

/// Something on its way.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A client's datagram.
    ToServer {
        server: Arc<VoiceServer>,
        datagram: Box<[u8]>,
        from: SocketAddr,
    },
    /// A datagram for a client.
    ToClient {
        server: Arc<VoiceServer>,
        datagram: Box<[u8]>,
        to: SocketAddr,
    },
    /// A frame of a person, who has no socket.
    Speech(Speech),
}

/// What a person says in one frame.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) user: Snowflake,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// What goes over the network, encrypted or not.
    pub(super) payload: Arc<[u8]>,
    pub(super) opus: Arc<[u8]>,
}

/// The impairments, and what is on its way because of them. Without any it costs one relaxed load for a datagram.
#[derive(Debug, Default)]
pub(super) struct Network {
    impaired: AtomicBool,
    impairments: Mutex<Impairments>,
    queue: Mutex<BinaryHeap<Reverse<Due>>>,
    wake: Condvar,
    posted: AtomicU64,
}

/// A parcel in the queue: ordered by time, then by when it was put there.
#[derive(Debug)]
struct Due {
    at_ns: u64,
    order: u64,
    parcel: Parcel,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}

impl Network {
    /// Whether anything is impaired at all.
    pub(super) fn is_impaired(&self) -> bool {
        self.impaired.load(Ordering::Relaxed)
    }

    /// Decides about a datagram of a member, or of somebody unknown.
    pub(super) fn meet(&self, direction: Direction, user: Option<Snowflake>, now_ns: u64) -> Fate {
        self.impairments.lock().meet(direction, user, now_ns)
    }

    /// Sends a parcel on its way; false when there are too many.
    pub(super) fn post(&self, at_ns: u64, parcel: Parcel) -> bool {
        let mut queue = self.queue.lock();
        if queue.len() >= LONGEST_QUEUE {
            return false;
        }
        let order = self.posted.fetch_add(1, Ordering::Relaxed);
        queue.push(Reverse(Due { at_ns, order, parcel }));
        self.wake.notify_one();
        true
    }

    /// The next parcel that is due, waiting for it at most until `POLL` has passed.
    fn next(&self, now_ns: impl Fn() -> u64) -> Option<Parcel> {
        let mut queue = self.queue.lock();
        let wait = queue.peek().map_or(POLL, |Reverse(due)| {
            Duration::from_nanos(due.at_ns.saturating_sub(now_ns())).min(POLL)
        });
        if !wait.is_zero() {
            self.wake.wait_for(&mut queue, wait);
        }
        let is_due = queue.peek().is_some_and(|Reverse(due)| due.at_ns <= now_ns());
        if is_due {
            queue.pop().map(|Reverse(due)| due.parcel)
        } else {
            None
        }
    }
}

impl Voice {
    /// Puts an impairment in force, for one member or everyone else.
    pub(crate) fn impair(&self, direction: Direction, user: Option<Snowflake>, impairment: Impairment) {
        self.network.impairments.lock().set(direction, user, impairment);
        self.network.impaired.store(true, Ordering::Relaxed);
    }

    /// Takes all impairments away. What is on its way arrives when it was to.
    pub(crate) fn clear_impairments(&self) {
        self.network.impaired.store(false, Ordering::Relaxed);
        *self.network.impairments.lock() = Impairments::default();
    }

    /// The impairments in force.
    pub(crate) fn impairments(&self) -> Vec<ActiveImpairment> {
        self.network.impairments.lock().active()
    }

    /// Lets a parcel meet the network: `deliver` is called now, or the parcel is queued, or it is lost.
    pub(super) fn carry(
        &self,
        direction: Direction,
        user: Option<Snowflake>,
        parcel: impl Fn() -> Parcel,
        deliver: impl Fn() -> bool,
    ) -> bool {
        let now = self.clock.now_ns();
        match self.network.meet(direction, user, now) {
            Fate::Lost => false,
            Fate::Arrives { at_ns, twice } => {
                let copies = 1 + u8::from(twice);
                (0..copies).fold(true, |arrived, _| {
                    let carried = if at_ns <= now {
                        deliver()
                    } else {
                        let posted = self.network.post(at_ns, parcel());
                        if !posted {
                            self.counters.count("network_queue_full");
                        }
                        posted
                    };
                    arrived && carried
                })
            }
        }
    }

    fn arrive(&self, parcel: &Parcel) {
        match parcel {
            Parcel::ToServer { server, datagram, from } => self.take_datagram(server, datagram, *from),
            Parcel::ToClient { server, datagram, to } => {
                self.send_datagram(server, datagram, *to);
            }
            Parcel::Speech(speech) => {
                self.take_speech(speech);
            }
        }
    }
}

/// Delivers delayed parcels until `stop` is set.
pub(crate) fn spawn(voice: Arc<Voice>, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("voice-network".to_owned())
        .spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(parcel) = voice.network.next(|| voice.clock.now_ns()) {
                    voice.arrive(&parcel);
                }
            }
        })
}
