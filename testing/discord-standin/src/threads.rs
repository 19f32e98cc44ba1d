//! The threads of a stand-in and their common end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use parking_lot::Mutex;

/// Threads that end when they are told to.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    stop: Arc<AtomicBool>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Set when all threads are to end.
    pub(crate) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Keeps a thread until the end, or until it has ended by itself.
    pub(crate) fn keep(&self, thread: JoinHandle<()>) {
        let mut running = self.running.lock();
        running.retain(|thread| !thread.is_finished());
        running.push(thread);
    }

    /// Tells all threads to end.
    pub(crate) fn tell_to_end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until all threads have ended; returns how many of them panicked.
    pub(crate) fn join(&self) -> usize {
        let threads = std::mem::take(&mut *self.running.lock());
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    }
}
