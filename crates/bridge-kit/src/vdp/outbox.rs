//! Datagrams that leave together.
//!
//! A call of the system costs more than all else that is done for a packet. So a thread that works off several packets in
//! a row *gathers* what it sends meanwhile, and it leaves in one call: when that work is done, or the batch is full.
//! Nothing waits to fill a batch. Who does not gather sends at once.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use vdp_proto::{EncodeError, MAX_DATAGRAM};

use super::datagrams::{Departures, Letters};
use super::mouth::Mouth;

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox { gathering: false, batch: None }) };
}

/// What one thread sends.
struct Outbox {
    gathering: bool,
    /// Made when the thread first gathers; away while it is sent.
    batch: Option<Box<Batch>>,
}

struct Batch {
    /// All from one port.
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
        outbox.batch.get_or_insert_with(|| Box::new(Batch::new()));
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
    if OUTBOX.with_borrow(|outbox| outbox.must_leave_before(mouth)) {
        flush();
    }
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
    let Some(mut batch) = OUTBOX.with_borrow_mut(|outbox| outbox.batch.take()) else {
        return;
    };
    batch.send();
    OUTBOX.with_borrow_mut(|outbox| outbox.batch = Some(batch));
}

impl Outbox {
    /// Whether there is something from another port, which is another socket.
    fn must_leave_before(&self, mouth: &Mouth) -> bool {
        let first = self.batch.as_ref().and_then(|batch| batch.senders.first());
        first.is_some_and(|first| !std::ptr::eq(first.mouth.port(), mouth.port()))
    }

    /// Adds a datagram, and says whether that was the last that fits; none if nothing is gathered.
    fn keep(
        &mut self,
        mouth: &Arc<Mouth>,
        to: SocketAddr,
        keep_alive: bool,
        write: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Option<Result<bool, EncodeError>> {
        let batch = self.batch.as_mut().filter(|_| self.gathering)?;
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

impl Batch {
    fn new() -> Self {
        Self {
            letters: Letters::new(),
            senders: Vec::with_capacity(super::datagrams::BATCH),
            departures: Departures::new(),
        }
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
