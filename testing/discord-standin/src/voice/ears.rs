//! What a person hears with: a recording that a test reads, and a page that somebody listens to.

use tokio::sync::mpsc;

use super::{Voice, frames::Arrival, recording::Recording};
use crate::snowflake::Snowflake;

/// Frames that may wait for a page that reads slowly: two seconds of one speaker.
const PAGE_QUEUE: usize = 100;

/// One person's ears.
#[derive(Debug, Default)]
pub(crate) struct Ears {
    pub(crate) recording: Option<Recording>,
    page: Option<mpsc::Sender<Arrival>>,
}

impl Ears {
    /// Takes a frame that reached the person; false when his page reads too slowly for it.
    pub(crate) fn hear(&mut self, frame: &Arrival) -> bool {
        if let Some(recording) = self.recording.as_mut().filter(|recording| recording.is_running()) {
            recording.log_mut().push(frame.clone());
        }
        let page = self.page.as_ref().filter(|_| frame.is_heard());
        match page.map(|page| page.try_send(frame.clone())) {
            None | Some(Ok(())) => true,
            Some(Err(mpsc::error::TrySendError::Full(_))) => false,
            Some(Err(mpsc::error::TrySendError::Closed(_))) => {
                self.page = None;
                true
            }
        }
    }

    /// Gives a page what is heard from now on; the page before gets no more.
    pub(crate) fn listen(&mut self) -> mpsc::Receiver<Arrival> {
        let (page, heard) = mpsc::channel(PAGE_QUEUE);
        self.page = Some(page);
        heard
    }
}

impl Voice {
    /// Gives a page everything that a person hears from now on. It ends when another page takes over, and when the
    /// person leaves the guild.
    pub(crate) fn listen(&self, user: Snowflake) -> mpsc::Receiver<Arrival> {
        let person = self.calls.lock().person(user, &self.counters);
        person.listen()
    }
}
