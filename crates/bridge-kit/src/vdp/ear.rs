//! The receiving half of a link.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use tokio::sync::mpsc;
use vdp_proto::{Marks, Packet, Verdict, Window, WindowStats};

use super::drops::{DropCounts, Reason};
use super::throttle::Throttle;
use crate::instruments;

/// A link that fails says so again at most this often.
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// A voice packet or keep-alive that arrived: from the negotiated peer, for the right room, each once.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// One Opus packet, or nothing: a keep-alive.
    pub voice: &'a [u8],
    /// Its extension keys, whether they were agreed on or not.
    pub marks: Marks,
    /// Rises with the sender's index and, unlike it, never begins anew. What is skipped is lost; a packet that was
    /// overtaken on the way has a lower one than the packet before.
    pub sequence: u64,
    /// When it arrived.
    pub at: Instant,
}

/// Takes what a link hears.
pub trait Receive: Send {
    /// Called for each packet on a task that serves many rooms: must neither block nor wait.
    fn receive(&mut self, packet: Received<'_>);
}

impl<F: FnMut(Received<'_>) + Send> Receive for F {
    fn receive(&mut self, packet: Received<'_>) {
        self(packet);
    }
}

/// What happens to a link. It stays as it is until it is dropped, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    /// The first packet of the peer arrived.
    Heard,
    /// Nothing of the peer arrived for as long as breaks a channel. Comes again only after something has arrived.
    Silent {
        /// How long.
        for_: Duration,
    },
    /// A packet could not be sent, or ICMP says that it did not arrive. Comes at most once a second.
    SendFailed {
        /// The kind of error.
        kind: io::ErrorKind,
    },
}

/// The receiving half.
pub(super) struct Ear {
    pub(super) opened: Instant,
    hearing: Mutex<Hearing>,
    heard_any: AtomicBool,
    failures: Throttle,
    events: mpsc::Sender<LinkEvent>,
    received: Counter,
    lost: Counter,
    late: Counter,
}

/// Only the task of the port and whoever reads the counts lock this, the latter briefly.
struct Hearing {
    window: Window,
    keep_alives: u64,
    last: Option<Instant>,
    receiver: Box<dyn Receive>,
}

impl Ear {
    pub(super) fn new(receiver: Box<dyn Receive>, events: mpsc::Sender<LinkEvent>) -> Self {
        Self {
            opened: Instant::now(),
            hearing: Mutex::new(Hearing {
                window: Window::new(),
                keep_alives: 0,
                last: None,
                receiver,
            }),
            heard_any: AtomicBool::new(false),
            failures: Throttle::new(FAILURE_INTERVAL),
            events,
            received: instruments::PACKETS_RECEIVED.get(),
            lost: instruments::PACKETS_LOST.get(),
            late: instruments::PACKETS_LATE.get(),
        }
    }

    /// Takes a packet that is for this link.
    pub(super) fn hear(&self, packet: &Packet<'_>, marks: Marks, now: Instant, drops: &DropCounts) {
        let mut hearing = self.hearing();
        hearing.last = Some(now);
        match hearing.window.accept(packet.index) {
            Verdict::Duplicate => return drops.add(Reason::Duplicate, &packet.index, now),
            Verdict::Outside => return drops.add(Reason::Outside, &packet.index, now),
            Verdict::Next { lost_before } => self.lost.increment(lost_before),
            Verdict::Late => self.late.increment(1),
            Verdict::Restarted => {}
        }
        self.received.increment(1);
        hearing.keep_alives += u64::from(packet.is_keep_alive());
        let sequence = hearing.window.order(packet.index);
        hearing.receiver.receive(Received {
            voice: packet.voice,
            marks,
            sequence,
            at: now,
        });
        drop(hearing);
        if !self.heard_any.swap(true, Ordering::Relaxed) {
            self.tell(LinkEvent::Heard);
        }
    }

    /// Reports that a packet did not get to the peer.
    pub(super) fn undelivered(&self, kind: io::ErrorKind) {
        if self.failures.pass(Instant::now()) {
            self.tell(LinkEvent::SendFailed { kind });
        }
    }

    /// A full queue holds enough to act upon.
    pub(super) fn tell(&self, event: LinkEvent) {
        let _ = self.events.try_send(event);
    }

    /// When the last packet arrived.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.hearing().last
    }

    /// The counts so far: of the packets, and how many of those received were keep-alives.
    pub(super) fn counts(&self) -> (WindowStats, u64) {
        let hearing = self.hearing();
        (hearing.window.stats(), hearing.keep_alives)
    }

    /// Nothing panics while this lock is held but a receiver, and what it leaves half done is its own.
    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Ear")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}
