//! Datagrams that leave together.
//!
//! A call of the system costs more than all else that is done for a packet. So a thread that works off several packets in
//! a row *gathers* what it sends meanwhile, and it leaves in one call: when that work is done, or the batch is full.
//! Nothing waits to fill a batch. Who does not gather sends at once.
//!
//! A call of the system sends from one socket, so what leaves by several ports is several batches.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use vdp_proto::{EncodeError, MAX_DATAGRAM};

use super::datagrams::{Departures, Letters};
use super::mouth::Mouth;
use super::port::Port;

/// Ports whose datagrams one thread gathers. What leaves by more is sent at once: a bridge has one port, or a few.
const MOST_PORTS: usize = 4;

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox { gathering: false, batches: None }) };
}

/// What one thread sends.
struct Outbox {
    gathering: bool,
    /// Made when the thread first gathers; away while they are sent.
    batches: Option<Vec<Batch>>,
}

/// What leaves by one port.
struct Batch {
    letters: Letters,
    senders: Vec<Sender>,
    departures: Departures,
}

/// Whose a datagram is.
struct Sender {
    mouth: Arc<Mouth>,
    keep_alive: bool,
}

/// While this lives, what its thread sends is gathered; what is left is sent when it is dropped.
#[derive(Debug)]
pub(crate) struct Gathering {
    outermost: bool,
    /// It belongs to its thread, and must not be held over an await.
    _not_send: PhantomData<*const ()>,
}

/// Begins to gather.
pub(crate) fn gather() -> Gathering {
    let outermost = OUTBOX.with_borrow_mut(|outbox| {
        outbox.batches.get_or_insert_default();
        !std::mem::replace(&mut outbox.gathering, true)
    });
    Gathering {
        outermost,
        _not_send: PhantomData,
    }
}

impl Gathering {
    /// Sends what was gathered so far.
    #[expect(clippy::unused_self, reason = "whoever gathers may send, and nobody else has to")]
    pub(crate) fn flush(&self) {
        flush();
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if self.outermost {
            OUTBOX.with_borrow_mut(|outbox| outbox.gathering = false);
            flush();
        }
    }
}

/// Sends the datagram that `write` writes, at once or with what is gathered. `mouth` is told what became of it.
pub(super) fn send(
    mouth: &Arc<Mouth>,
    to: SocketAddr,
    keep_alive: bool,
    write: impl Fn(&mut [u8]) -> Result<usize, EncodeError>,
) {
    let kept = OUTBOX.with_borrow_mut(|outbox| outbox.keep(mouth, to, keep_alive, &write));
    match kept {
        Some(Ok(full)) if full => flush(),
        Some(Ok(_)) => {}
        Some(Err(error)) => mouth.not_written(error),
        None => {
            let mut datagram = [0; MAX_DATAGRAM];
            match write(&mut datagram) {
                Ok(length) => {
                    let sent = mouth.port().send(datagram.get(..length).unwrap_or_default(), to);
                    mouth.sent(keep_alive, sent, Instant::now());
                }
                Err(error) => mouth.not_written(error),
            }
        }
    }
}

fn flush() {
    // Taken out, since whoever is told may send or be dropped.
    let Some(mut batches) = OUTBOX.with_borrow_mut(|outbox| outbox.batches.take()) else {
        return;
    };
    batches.iter_mut().for_each(Batch::send);
    OUTBOX.with_borrow_mut(|outbox| outbox.batches = Some(batches));
}

impl Outbox {
    /// Adds a datagram, and says whether that was the last that fits; none if it cannot be gathered.
    fn keep(
        &mut self,
        mouth: &Arc<Mouth>,
        to: SocketAddr,
        keep_alive: bool,
        write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Option<Result<bool, EncodeError>> {
        let batches = self.batches.as_mut().filter(|_| self.gathering)?;
        let batch = batch_of(mouth, batches)?;
        if let Err(error) = batch.letters.add(to, write) {
            return Some(Err(error));
        }
        batch.senders.push(Sender {
            mouth: Arc::clone(mouth),
            keep_alive,
        });
        Some(Ok(batch.letters.is_full()))
    }
}

/// The batch of a sender's port, or one that is free.
fn batch_of<'a>(mouth: &Mouth, batches: &'a mut Vec<Batch>) -> Option<&'a mut Batch> {
    let same = |batch: &Batch| batch.port().is_some_and(|port| std::ptr::eq(port, mouth.port()));
    let place = batches
        .iter()
        .position(same)
        .or_else(|| batches.iter().position(|batch| batch.senders.is_empty()));
    if place.is_none() && batches.len() < MOST_PORTS {
        batches.push(Batch::new());
        return batches.last_mut();
    }
    batches.get_mut(place?)
}

impl Batch {
    fn new() -> Self {
        Self {
            letters: Letters::new(),
            senders: Vec::with_capacity(super::datagrams::BATCH),
            departures: Departures::new(),
        }
    }

    fn port(&self) -> Option<&Port> {
        self.senders.first().map(|sender| sender.mouth.port())
    }

    fn send(&mut self) {
        let Self {
            letters,
            senders,
            departures,
        } = self;
        if let Some(first) = senders.first().filter(|_| !letters.is_empty()) {
            let socket = first.mouth.port().socket();
            let now = Instant::now();
            departures.send(socket, letters, |at, outcome: io::Result<()>| {
                if let Some(Sender { mouth, keep_alive }) = senders.get(at) {
                    mouth.sent(*keep_alive, outcome, now);
                }
            });
        }
        letters.clear();
        senders.clear();
    }
}
