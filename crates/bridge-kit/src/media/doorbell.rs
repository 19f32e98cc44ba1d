//! How a media thread is woken.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where rooms (`R`) say that something waits for their thread.
#[derive(Debug)]
pub(super) struct Doorbell<R> {
    visitors: Mutex<Visitors<R>>,
    rung: Condvar,
    /// Rooms that live on the thread.
    rooms: AtomicUsize,
}

#[derive(Debug)]
struct Visitors<R> {
    rooms: VecDeque<Arc<R>>,
    /// The thread sleeps and nobody has woken it yet. Waking takes a call of the system even where nobody sleeps.
    asleep: bool,
    stop: bool,
    /// The thread has ended.
    gone: bool,
}

impl<R> Doorbell<R> {
    /// Rooms that live on the thread.
    pub(super) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Counts a new room. Each rings at least once, when its last handle is dropped, and is discounted when it ends.
    pub(super) fn expect_room(&self) {
        self.rooms.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that a room has something to do; `false` if the thread has ended.
    pub(super) fn ring(&self, room: &Arc<R>) -> bool {
        let mut visitors = self.visitors();
        if visitors.gone {
            return false;
        }
        visitors.rooms.push_back(Arc::clone(room));
        let asleep = std::mem::take(&mut visitors.asleep);
        drop(visitors);
        if asleep {
            self.rung.notify_one();
        }
        true
    }

    /// Discounts a room that has ended.
    pub(super) fn forget_room(&self) {
        self.rooms.fetch_sub(1, Ordering::Relaxed);
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.visitors().stop = true;
        self.rung.notify_one();
    }

    /// Waits for visitors, until `deadline` if there is one, and moves them to `rooms`. `false` when the thread should
    /// end.
    pub(super) fn wait(&self, deadline: Option<Instant>, rooms: &mut VecDeque<Arc<R>>) -> bool {
        let mut visitors = self.visitors();
        while visitors.rooms.is_empty() && !visitors.stop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            visitors.asleep = left.is_none_or(|left| !left.is_zero());
            visitors = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    self.rung
                        .wait_timeout(visitors, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.rung.wait(visitors).unwrap_or_else(PoisonError::into_inner),
            };
        }
        visitors.asleep = false;
        std::mem::swap(&mut visitors.rooms, rooms);
        !visitors.stop
    }

    /// Turns everybody away from now on; returns who was still waiting.
    pub(super) fn leave(&self) -> VecDeque<Arc<R>> {
        let mut visitors = self.visitors();
        visitors.gone = true;
        std::mem::take(&mut visitors.rooms)
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors<R>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Derived, it would ask the rooms for a default of their own.
impl<R> Default for Doorbell<R> {
    fn default() -> Self {
        Self {
            visitors: Mutex::new(Visitors {
                rooms: VecDeque::new(),
                asleep: false,
                stop: false,
                gone: false,
            }),
            rung: Condvar::new(),
            rooms: AtomicUsize::new(0),
        }
    }
}
