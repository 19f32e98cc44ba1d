//! A media thread: sleeps until a room has something to do.

use std::any::Any;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::hosted::{Hosted, Next};
use super::inbox::State;
use super::measures;
use super::room::Room;

/// Where rooms say that something waits for their thread.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    visitors: Mutex<Visitors>,
    rung: Condvar,
    /// Rooms that live on the thread.
    rooms: AtomicUsize,
}

#[derive(Debug, Default)]
struct Visitors {
    rooms: VecDeque<Arc<Room>>,
    stop: bool,
    /// The thread has ended.
    gone: bool,
}

impl Doorbell {
    /// Rooms that live on the thread.
    pub(super) fn rooms(&self) -> usize {
        self.rooms.load(Ordering::Relaxed)
    }

    /// Counts a new room. Each rings at least once, when its last handle is dropped, and is discounted when it ends.
    pub(super) fn expect_room(&self) {
        self.rooms.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that a room has something to do; `false` if the thread has ended.
    pub(super) fn ring(&self, room: &Arc<Room>) -> bool {
        let mut visitors = self.visitors();
        if visitors.gone {
            return false;
        }
        visitors.rooms.push_back(Arc::clone(room));
        drop(visitors);
        self.rung.notify_one();
        true
    }

    /// Asks the thread to end.
    pub(super) fn stop(&self) {
        self.visitors().stop = true;
        self.rung.notify_one();
    }

    /// Waits for visitors, until `deadline` if there is one, and moves them to `rooms`. `false` when the thread should
    /// end.
    fn wait(&self, deadline: Option<Instant>, rooms: &mut VecDeque<Arc<Room>>) -> bool {
        let mut visitors = self.visitors();
        while visitors.rooms.is_empty() && !visitors.stop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
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
        std::mem::swap(&mut visitors.rooms, rooms);
        !visitors.stop
    }

    /// Turns everybody away from now on; returns who was still waiting.
    fn leave(&self) -> VecDeque<Arc<Room>> {
        let mut visitors = self.visitors();
        visitors.gone = true;
        std::mem::take(&mut visitors.rooms)
    }

    fn visitors(&self) -> MutexGuard<'_, Visitors> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rooms of a thread and when to wake each.
pub(super) struct Worker {
    doorbell: Arc<Doorbell>,
    rooms: HashMap<u64, Hosted>,
    alarms: BTreeSet<(Instant, u64)>,
    lateness: metrics::Histogram,
}

impl Worker {
    pub(super) fn new(doorbell: Arc<Doorbell>) -> Self {
        Self {
            doorbell,
            rooms: HashMap::new(),
            alarms: BTreeSet::new(),
            lateness: measures::lateness(),
        }
    }

    /// Runs until asked to stop.
    pub(super) fn run(mut self) {
        let mut visitors = VecDeque::new();
        let mut go_on = true;
        while go_on {
            let alarm = self.alarms.first().map(|(alarm, _)| *alarm);
            go_on = self.doorbell.wait(alarm, &mut visitors);
            for room in visitors.drain(..) {
                self.visit(&room);
            }
            self.ring_alarms();
        }
        self.end();
    }

    /// Works off what a room has queued.
    fn visit(&mut self, room: &Arc<Room>) {
        let key = room.key;
        if room.inbox().state == State::Closed {
            // It rang just before it was ended.
            return;
        }
        let hosted = self.rooms.entry(key).or_insert_with(|| {
            measures::room_opened();
            Hosted::new(Arc::clone(room))
        });
        let next = catch_unwind(AssertUnwindSafe(|| hosted.work(Instant::now())));
        self.settle(key, next);
    }

    /// Wakes the rooms whose time has come.
    fn ring_alarms(&mut self) {
        let now = Instant::now();
        while let Some(&(alarm, key)) = self.alarms.first()
            && alarm <= now
        {
            self.alarms.pop_first();
            self.lateness.record(now.saturating_duration_since(alarm).as_secs_f64());
            if let Some(hosted) = self.rooms.get_mut(&key) {
                hosted.alarm = None;
                let next = catch_unwind(AssertUnwindSafe(|| hosted.wake(now)));
                self.settle(key, next);
            }
        }
    }

    /// Notes when a room wants to be woken next, or ends it.
    fn settle(&mut self, key: u64, next: Result<Next, Box<dyn Any + Send>>) {
        match next {
            Ok(Next::Wake(Some(deadline))) => self.set_alarm(key, deadline),
            Ok(Next::Wake(None)) => {}
            Ok(Next::End) => self.drop_room(key),
            Err(panic) => {
                measures::panicked();
                if let Some(hosted) = self.rooms.get(&key) {
                    let reason = panic_text(panic.as_ref());
                    tracing::error!(reason, "a media engine panicked; its room is silent from now on");
                    tracing::debug!(room = hosted.room.name, "the room whose engine panicked");
                    hosted.room.fail();
                }
                self.drop_room(key);
            }
        }
    }

    /// Wakes a room at `deadline`. An alarm that is earlier stays: each packet of a speaker moves his room's deadline,
    /// and waking the room once in vain costs less than moving its alarm each time.
    fn set_alarm(&mut self, key: u64, deadline: Instant) {
        let Some(hosted) = self.rooms.get_mut(&key) else {
            return;
        };
        if hosted.alarm.is_some_and(|alarm| alarm <= deadline) {
            return;
        }
        if let Some(later) = hosted.alarm.replace(deadline) {
            self.alarms.remove(&(later, key));
        }
        self.alarms.insert((deadline, key));
    }

    fn drop_room(&mut self, key: u64) {
        let Some(hosted) = self.rooms.remove(&key) else {
            return;
        };
        if let Some(alarm) = hosted.alarm {
            self.alarms.remove(&(alarm, key));
        }
        self.doorbell.rooms.fetch_sub(1, Ordering::Relaxed);
        measures::room_closed();
        hosted.room.close();
        // Sinks belong to others, whose code runs when they are dropped.
        if catch_unwind(AssertUnwindSafe(|| drop(hosted))).is_err() {
            measures::panicked();
        }
    }

    fn end(mut self) {
        let waiting = self.doorbell.leave();
        let rooms: Vec<_> = self.rooms.values().map(|hosted| Arc::clone(&hosted.room)).collect();
        for room in rooms.iter().chain(&waiting) {
            room.fail();
            self.drop_room(room.key);
        }
    }
}

/// What a panic said, if it said anything.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}
