//! The media threads.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use serde::Serialize;

use super::doorbell::Doorbell;
use super::measures;
use super::punctuality::{Overload, Punctuality};
use super::room::{Room, RoomMedia};
use super::worker::Worker;
use crate::config::Media;

/// A few threads that run the engines of all rooms. They end when the last clone is dropped; rooms that are still held
/// then fail.
#[derive(Clone)]
pub struct MediaPool {
    threads: Arc<Threads>,
    /// The most of their work that the threads may come late to while rooms are still taken on.
    most_late_percent: u8,
}

/// What the pool's threads do at the moment, for `/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PoolStatus {
    /// Rooms on all threads.
    pub rooms: usize,
    /// Share of the last seconds' work that came late, on the thread where it is largest.
    pub late_percent: u8,
    /// Whether no further rooms should be taken on.
    pub overloaded: bool,
}

struct Threads {
    doorbells: Vec<Arc<Doorbell<Room>>>,
    punctuality: Vec<Arc<Punctuality>>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    next_room: AtomicU64,
}

impl MediaPool {
    /// Starts the threads and draws the line as the configuration says.
    pub fn configured(media: &Media) -> io::Result<Self> {
        Ok(Self {
            most_late_percent: media.most_late_percent,
            ..Self::new(media.threads)?
        })
    }

    /// Starts `threads` threads, which never count as overloaded.
    pub fn new(threads: NonZeroUsize) -> io::Result<Self> {
        let mut started = Threads {
            doorbells: Vec::new(),
            punctuality: Vec::new(),
            handles: Mutex::default(),
            next_room: AtomicU64::new(0),
        };
        for number in 0..threads.get() {
            let doorbell = Arc::new(Doorbell::default());
            let punctuality = Arc::new(Punctuality::new(Instant::now()));
            let worker = Worker::new(Arc::clone(&doorbell), Arc::clone(&punctuality), Instant::now());
            let handle = thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || worker.run())?;
            started.doorbells.push(doorbell);
            started.punctuality.push(punctuality);
            started
                .handles
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .push(handle);
        }
        Ok(Self {
            threads: Arc::new(started),
            most_late_percent: 100,
        })
    }

    /// A new room, on the thread that has the fewest. `name` is for logs.
    pub fn room(&self, name: &str) -> RoomMedia {
        let key = self.threads.next_room.fetch_add(1, Ordering::Relaxed);
        let doorbells = self.threads.doorbells.iter();
        let quietest = doorbells.min_by_key(|doorbell| doorbell.rooms());
        let doorbell = quietest.map(Arc::clone).unwrap_or_default();
        doorbell.expect_room();
        RoomMedia::new(Arc::new(Room::new(name, key, doorbell)))
    }

    /// Why no further room should be taken on, if so: those that are there would suffer.
    pub fn overload(&self) -> Option<Overload> {
        let late_percent = self.late_percent();
        (late_percent > self.most_late_percent).then_some(Overload { late_percent })
    }

    /// What the threads do at the moment.
    pub fn status(&self) -> PoolStatus {
        PoolStatus {
            rooms: self.threads.doorbells.iter().map(|doorbell| doorbell.rooms()).sum(),
            late_percent: self.late_percent(),
            overloaded: self.overload().is_some(),
        }
    }

    fn late_percent(&self) -> u8 {
        let now = Instant::now();
        let threads = self.threads.punctuality.iter();
        threads
            .map(|punctuality| punctuality.late_percent(now))
            .max()
            .unwrap_or(0)
    }

    /// Ends the threads and waits for them; rooms that are still held fail.
    pub fn shutdown(&self) {
        self.threads.stop();
    }
}

impl fmt::Debug for MediaPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaPool")
            .field("threads", &self.threads.doorbells.len())
            .finish_non_exhaustive()
    }
}

impl Threads {
    fn stop(&self) {
        for doorbell in &self.doorbells {
            doorbell.stop();
        }
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            // A sink may hold the last clone of the pool, and is dropped on a media thread.
            if handle.thread().id() != thread::current().id() && handle.join().is_err() {
                measures::panicked();
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}
