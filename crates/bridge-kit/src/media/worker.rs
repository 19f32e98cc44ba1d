//! A media thread: sleeps until a room has something to do.

use std::any::Any;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::FRAME;
use super::doorbell::Doorbell;
use super::hosted::{Hosted, Next};
use super::inbox::State;
use super::measures;
use super::punctuality::Punctuality;
use super::room::Room;
use crate::vdp;

/// What rooms send while a thread works them off one after the other leaves in one call, unless that takes longer.
const LONGEST_GATHERING: Duration = Duration::from_micros(200);

/// How long a thread sleeps at most while it looks whether it is in time: of what it does anyway each frame tells as much.
const BEAT: Duration = FRAME.saturating_mul(4);

/// How long a thread goes on to look whether it is in time after there was something to do.
const WATCHFUL: Duration = Duration::from_secs(1);

/// The rooms of a thread and when to wake each.
pub(super) struct Worker {
    doorbell: Arc<Doorbell<Room>>,
    rooms: HashMap<u64, Arc<Room>>,
    alarms: BTreeSet<(Instant, u64)>,
    lateness: metrics::Histogram,
    late: metrics::Counter,
    punctuality: Arc<Punctuality>,
    /// When the thread wakes by itself to see whether it is in time.
    beat: Option<Instant>,
    /// When it noted last whether it was.
    noted: Instant,
    /// Until when it goes on to.
    watchful_until: Instant,
    /// The longest that anything had to wait for the thread since then.
    longest: Duration,
}

impl Worker {
    pub(super) fn new(doorbell: Arc<Doorbell<Room>>, punctuality: Arc<Punctuality>, now: Instant) -> Self {
        Self {
            doorbell,
            rooms: HashMap::new(),
            alarms: BTreeSet::new(),
            lateness: measures::lateness(),
            late: measures::late(),
            punctuality,
            beat: None,
            noted: now,
            watchful_until: now,
            longest: Duration::ZERO,
        }
    }

    /// Runs until asked to stop.
    pub(super) fn run(mut self) {
        let mut visitors = VecDeque::new();
        let mut go_on = true;
        while go_on {
            go_on = self.doorbell.wait(self.alarm(), &mut visitors);
            self.serve(&mut visitors, Instant::now);
        }
        self.end();
    }

    /// When the thread has to be awake next, if nobody rings.
    pub(super) fn alarm(&self) -> Option<Instant> {
        let first = self.alarms.first().map(|(alarm, _)| *alarm);
        first.into_iter().chain(self.beat).min()
    }

    /// Works off what the visitors have queued, then wakes the rooms whose time has come.
    pub(super) fn serve(&mut self, visitors: &mut VecDeque<Arc<Room>>, now: impl Fn() -> Instant) {
        let sending = vdp::gather();
        let mut gathering_since = now();
        for room in visitors.drain(..) {
            let now = now();
            if now.saturating_duration_since(gathering_since) > LONGEST_GATHERING {
                sending.flush();
                gathering_since = now;
            }
            self.visit(&room, now);
        }
        drop(sending);
        let now = now();
        self.ring_alarms(now);
        self.note_punctuality(now);
    }

    /// Works off what a room has queued.
    fn visit(&mut self, room: &Arc<Room>, now: Instant) {
        let (state, oldest) = {
            let inbox = room.inbox();
            (inbox.state, inbox.batch.oldest())
        };
        if state == State::Closed {
            // It rang just before it was ended.
            return;
        }
        // A room that forwards, or whose mix is clocked by packets, has no deadline that could be missed.
        if let Some(oldest) = oldest {
            self.note_wait(now, now.saturating_duration_since(oldest));
        }
        if self.rooms.insert(room.key, Arc::clone(room)).is_none() {
            measures::room_opened();
            room.host(Hosted::default());
        }
        self.attend(room, |hosted| hosted.work(room, now));
    }

    /// Wakes the rooms whose time has come.
    fn ring_alarms(&mut self, now: Instant) {
        while let Some(&(alarm, key)) = self.alarms.first()
            && alarm <= now
        {
            self.alarms.pop_first();
            self.note_wait(now, now.saturating_duration_since(alarm));
            if let Some(room) = self.rooms.get(&key).map(Arc::clone) {
                self.attend(&room, |hosted| {
                    hosted.alarm = None;
                    hosted.wake(&room, now)
                });
            }
        }
    }

    /// Notes how long something had to wait for the thread.
    fn note_wait(&mut self, now: Instant, wait: Duration) {
        self.lateness.record(wait.as_secs_f64());
        self.longest = self.longest.max(wait);
        self.watchful_until = now + WATCHFUL;
        self.beat.get_or_insert(now + BEAT);
    }

    /// Notes, once a frame at most, whether the thread was in time. A beat that is late itself counts: a process that gets no
    /// time takes packets in late, too, and to those it does not seem that they waited.
    fn note_punctuality(&mut self, now: Instant) {
        let Some(beat) = self.beat.filter(|beat| now >= (self.noted + FRAME).min(*beat)) else {
            return;
        };
        let behind = now.saturating_duration_since(beat).max(self.longest);
        if self.punctuality.note(now, behind) {
            self.late.increment(1);
        }
        self.noted = now;
        self.longest = Duration::ZERO;
        self.beat = (now < self.watchful_until).then_some(now + BEAT);
    }

    /// Does something with a room's engine, and notes when it wants to be woken next, or ends it.
    fn attend(&mut self, room: &Arc<Room>, work: impl FnOnce(&mut Hosted) -> Next) {
        let mut hosted = room.hosted();
        let Some(engine) = hosted.as_mut() else {
            return;
        };
        match engine.attend(work) {
            Ok(Next::Wake(Some(deadline))) => self.set_alarm(room.key, engine, deadline),
            Ok(Next::Wake(None)) => {}
            Ok(Next::End) => {
                drop(hosted);
                self.drop_room(room);
            }
            Err(panic) => {
                // Before anybody else finds the engine.
                room.fail();
                drop(hosted);
                measures::panicked();
                let reason = panic_text(panic.as_ref());
                tracing::error!(reason, "a media engine panicked; its room is silent from now on");
                tracing::debug!(room = room.name, "the room whose engine panicked");
                self.drop_room(room);
            }
        }
    }

    /// Wakes a room at `deadline`. An alarm that is earlier stays: each packet of a speaker moves his room's deadline,
    /// and waking the room once in vain costs less than moving its alarm each time.
    fn set_alarm(&mut self, key: u64, hosted: &mut Hosted, deadline: Instant) {
        if hosted.alarm.is_some_and(|alarm| alarm <= deadline) {
            return;
        }
        if let Some(later) = hosted.alarm.replace(deadline) {
            self.alarms.remove(&(later, key));
        }
        self.alarms.insert((deadline, key));
    }

    fn drop_room(&mut self, room: &Room) {
        if self.rooms.remove(&room.key).is_none() {
            return;
        }
        let hosted = room.hosted().take();
        if let Some(alarm) = hosted.as_ref().and_then(|hosted| hosted.alarm) {
            self.alarms.remove(&(alarm, room.key));
        }
        self.doorbell.forget_room();
        measures::room_closed();
        room.close();
        // Sinks belong to others, whose code runs when they are dropped.
        if catch_unwind(AssertUnwindSafe(|| drop(hosted))).is_err() {
            measures::panicked();
        }
    }

    fn end(mut self) {
        let waiting = self.doorbell.leave();
        let rooms: Vec<_> = self.rooms.values().map(Arc::clone).collect();
        for room in rooms.iter().chain(&waiting) {
            room.fail();
            self.drop_room(room);
        }
    }
}

/// What a panic said, if it said anything.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}
