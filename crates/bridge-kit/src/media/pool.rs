//! The media threads.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::doorbell::Doorbell;
use super::measures;
use super::room::{Room, RoomMedia};
use super::worker::Worker;

/// A few threads that run the engines of all rooms. They end when the last clone is dropped; rooms that are still held
/// then fail.
#[derive(Clone)]
pub struct MediaPool {
    threads: Arc<Threads>,
}

struct Threads {
    doorbells: Vec<Arc<Doorbell<Room>>>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    next_room: AtomicU64,
}

impl MediaPool {
    /// Starts `threads` threads.
    pub fn new(threads: NonZeroUsize) -> io::Result<Self> {
        measures::describe();
        let mut started = Threads {
            doorbells: Vec::new(),
            handles: Mutex::default(),
            next_room: AtomicU64::new(0),
        };
        for number in 0..threads.get() {
            let doorbell = Arc::new(Doorbell::default());
            let worker = Worker::new(Arc::clone(&doorbell));
            let handle = thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || worker.run())?;
            started.doorbells.push(doorbell);
            started
                .handles
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .push(handle);
        }
        Ok(Self {
            threads: Arc::new(started),
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
