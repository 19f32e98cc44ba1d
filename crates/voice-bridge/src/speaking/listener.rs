//! Waits until there is something to tell of who speaks.

use std::time::Instant;

use tokio::sync::watch;

use super::{Speaker, Speakers, Tracker};

/// What one client hears, and who may be heard: says when the client is to be told who speaks.
#[derive(Debug)]
pub(crate) struct Speaking {
    /// What the last packet to the client was marked with; closed when it gets no more.
    marks: watch::Receiver<u64>,
    speakers: watch::Receiver<Speakers>,
    tracker: Tracker,
}

impl Speaking {
    /// `marks` is what the last packet was marked with, `speakers` who may speak.
    pub(crate) fn new(marks: watch::Receiver<u64>, mut speakers: watch::Receiver<Speakers>) -> Self {
        speakers.mark_changed();
        Self {
            marks,
            speakers,
            tracker: Tracker::default(),
        }
    }

    /// Who speaks, whenever the client is to be told. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Vec<Speaker> {
        loop {
            if let Some(speakers) = self.tracker.poll(Instant::now()) {
                return speakers;
            }
            let due = self.tracker.poll_timeout();
            tokio::select! {
                bits = changed(&mut self.marks) => self.tracker.hear(Instant::now(), bits),
                speakers = changed(&mut self.speakers) => self.tracker.announce(speakers),
                () = sleep_until(due) => {}
            }
        }
    }

    /// What was told last may not have arrived.
    pub(crate) fn not_told(&mut self) {
        self.tracker.not_told();
    }
}

/// The next value; none any more once the other end is gone.
async fn changed<T: Clone>(receiver: &mut watch::Receiver<T>) -> T {
    match receiver.changed().await {
        Ok(()) => receiver.borrow_and_update().clone(),
        Err(_) => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
