//! A room as its owners hold it: handles that queue things for its thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use voice_media::{Except, Groups, InPacket, SinkId, SinkSpec, SourceId, SourceSpec, Stats};

use super::PacketSink;
use super::doorbell::Doorbell;
use super::hosted::{AtOnce, Hosted};
use super::inbox::{Command, Inbox, State};
use super::measures;

/// One room's engine. It ends when the last clone of this is gone, and all its sources and sinks with it.
#[derive(Clone)]
pub struct RoomMedia {
    owner: Arc<Owner>,
}

/// Ends the room when the last handle is dropped.
struct Owner(Arc<Room>);

/// What handles and thread share of a room.
pub(super) struct Room {
    pub(super) name: String,
    /// Tells rooms apart on their thread.
    pub(super) key: u64,
    inbox: Mutex<Inbox>,
    /// The engine, once the room's thread has made it and until it ends it. Who holds the queue may try this lock, but waits
    /// for it no longer.
    hosted: Mutex<Option<Hosted>>,
    doorbell: Arc<Doorbell<Self>>,
    stats: Mutex<Stats>,
    overflowed: AtomicU64,
    next_id: AtomicU64,
    failed: watch::Sender<bool>,
}

/// Counters of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RoomStats {
    /// Counters of its engine.
    pub engine: Stats,
    /// Packets dropped before the engine, because its queue was full or they were larger than any Opus packet.
    pub overflowed: u64,
}

impl RoomMedia {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self {
            owner: Arc::new(Owner(room)),
        }
    }

    /// Adds a source; it is removed when the guard is dropped.
    pub fn add_source(&self, spec: SourceSpec) -> MediaSource {
        let id = SourceId::new(self.room().next_id());
        let speaking = Arc::new(AtomicBool::new(false));
        self.room().command(Command::AddSource(id, spec, Arc::clone(&speaking)));
        MediaSource {
            room: self.clone(),
            id,
            speaking,
            muted: AtomicBool::new(false),
        }
    }

    /// Adds a sink; it is removed when the guard is dropped.
    pub fn add_sink(&self, spec: SinkSpec, packets: Box<dyn PacketSink>) -> MediaSink {
        let id = SinkId::new(self.room().next_id());
        self.room().command(Command::AddSink(id, spec, packets));
        MediaSink { room: self.clone(), id }
    }

    /// Counters, as of the last thing that the room did.
    pub fn stats(&self) -> RoomStats {
        RoomStats {
            engine: *lock(&self.room().stats),
            overflowed: self.room().overflowed.load(Ordering::Relaxed),
        }
    }

    /// What logs call it.
    pub fn name(&self) -> &str {
        &self.room().name
    }

    /// Whether the room's engine panicked, or could not be had any more: it is silent for good.
    pub fn is_failed(&self) -> bool {
        *self.room().failed.borrow()
    }

    /// Waits until the room's engine panics (for ever, if all is well).
    pub async fn failed(&self) {
        let mut failed = self.room().failed.subscribe();
        // The sender lives in the room, which this handle keeps.
        if failed.wait_for(|failed| *failed).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn room(&self) -> &Arc<Room> {
        &self.owner.0
    }
}

impl fmt::Debug for RoomMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomMedia")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut inbox = self.0.inbox();
        if inbox.state == State::Open {
            inbox.state = State::Closing;
            self.0.announce(inbox);
        }
    }
}

/// Guard of a source: push packets, drop to remove. It keeps its room.
#[derive(Debug)]
pub struct MediaSource {
    room: RoomMedia,
    id: SourceId,
    speaking: Arc<AtomicBool>,
    muted: AtomicBool,
}

impl MediaSource {
    /// The source's id, for [`SinkSpec::except`].
    pub fn id(&self) -> SourceId {
        self.id
    }

    /// Hands a packet to the room, and on to its sinks where nothing has to be decoded for that. Never waits for the room's
    /// thread: a packet that finds the queue full is dropped and counted.
    pub fn push(&self, packet: &InPacket<'_>) {
        if self.muted.load(Ordering::Relaxed) && !packet.opus.is_empty() {
            measures::muted();
            // Its number was used, so that it does not count as lost once the source is heard again.
            let unheard = InPacket { opus: &[], ..*packet };
            self.room.room().push(self.id, &unheard);
        } else {
            self.room.room().push(self.id, packet);
        }
    }

    /// Has nothing of this source be heard, whatever its packets say, or everything again. What it has said before plays out.
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Says whether this source has priority: while it speaks, all others are 12 dB quieter in every mix that it is heard
    /// in.
    pub fn set_priority(&self, priority: bool) {
        self.room.room().command(Command::SetPriority(self.id, priority));
    }

    /// Puts this source into other groups, for sinks that leave one out.
    pub fn set_groups(&self, groups: Groups) {
        self.room.room().command(Command::SetGroups(self.id, groups));
    }

    /// Whether this source speaks at the moment (hangover of 200 ms included).
    pub fn is_speaking(&self) -> bool {
        self.speaking.load(Ordering::Relaxed)
    }
}

impl Drop for MediaSource {
    fn drop(&mut self) {
        self.room.room().command(Command::RemoveSource(self.id));
    }
}

/// Guard of a sink: drop to remove. It keeps its room.
#[derive(Debug)]
pub struct MediaSink {
    room: RoomMedia,
    id: SinkId,
}

impl MediaSink {
    /// Has this sink hear everybody but `except` from now on.
    pub fn set_except(&self, except: impl Into<Except>) {
        self.room.room().command(Command::SetExcept(self.id, except.into()));
    }

    /// Has mixes for this sink have at most this many bits a second, or as many as usual.
    pub fn set_bitrate(&self, bits: Option<u32>) {
        self.room.room().command(Command::SetBitrate(self.id, bits));
    }
}

impl Drop for MediaSink {
    fn drop(&mut self) {
        self.room.room().command(Command::RemoveSink(self.id));
    }
}

impl Room {
    pub(super) fn new(name: &str, key: u64, doorbell: Arc<Doorbell<Self>>) -> Self {
        Self {
            name: name.to_owned(),
            key,
            inbox: Mutex::default(),
            hosted: Mutex::default(),
            doorbell,
            stats: Mutex::default(),
            overflowed: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
            failed: watch::Sender::new(false),
        }
    }

    /// The queue, for the room's thread or a moment.
    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    /// The engine, for whoever runs it.
    pub(super) fn hosted(&self) -> MutexGuard<'_, Option<Hosted>> {
        lock(&self.hosted)
    }

    /// Gives the room its engine.
    pub(super) fn host(&self, hosted: Hosted) {
        *self.hosted() = Some(hosted);
    }

    pub(super) fn publish(&self, stats: Stats) {
        *lock(&self.stats) = stats;
    }

    /// Ends the room; it takes nothing in any more.
    pub(super) fn close(&self) {
        let left = {
            let mut inbox = self.inbox();
            inbox.state = State::Closed;
            std::mem::take(&mut inbox.batch)
        };
        // Sinks that were still queued are dropped here, outside the lock, because their owners' code runs then.
        drop(left);
    }

    /// Ends the room because something in it panicked or it has no thread.
    pub(super) fn fail(&self) {
        self.close();
        self.failed.send_replace(true);
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn command(self: &Arc<Self>, command: Command) {
        let mut inbox = self.inbox();
        if inbox.state == State::Closed {
            drop(inbox);
            return;
        }
        inbox.batch.commands.push(command);
        self.announce(inbox);
    }

    fn push(self: &Arc<Self>, source: SourceId, packet: &InPacket<'_>) {
        let mut inbox = self.inbox();
        if inbox.state != State::Open {
            return;
        }
        // Nothing overtakes what is queued.
        if inbox.batch.is_empty()
            && let Ok(mut hosted) = self.hosted.try_lock()
            && let Some(engine) = hosted.as_mut()
        {
            drop(inbox);
            let passed = engine.pass(self, source, packet);
            drop(hosted);
            inbox = match passed {
                AtOnce::Done => return,
                AtOnce::Ring => return self.announce(self.inbox()),
                AtOnce::Refused => self.inbox(),
            };
        }
        if inbox.batch.push(source, packet) {
            self.announce(inbox);
        } else {
            drop(inbox);
            self.overflowed.fetch_add(1, Ordering::Relaxed);
            measures::overflowed();
        }
    }

    /// Tells the thread, once until it looks, that something waits.
    fn announce(self: &Arc<Self>, mut inbox: MutexGuard<'_, Inbox>) {
        let told = std::mem::replace(&mut inbox.announced, true);
        drop(inbox);
        if !told && !self.doorbell.ring(self) {
            self.fail();
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A lock whose holder panicked guards plain data that is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
