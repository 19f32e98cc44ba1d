//! The voices of a room: which track is whose, and who listens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::machine::{Event, TrackRef};
use super::metrics;
use crate::webrtc::{Ear, HeardPacket};

/// What takes the voices of everybody else in a room. Called on the session's task; must not block.
///
/// A track is heard only between its [`Event::TrackStarted`] and its [`Event::TrackEnded`].
pub trait Audience: Send {
    /// Takes one packet of one track. LiveKit does not forward audio levels: [`HeardPacket::level`] is absent, and
    /// [`Event::Speakers`] tells who is loud. (Nor does it forward the marker bit of audio.)
    fn hear(&mut self, track: &TrackRef, packet: HeardPacket<'_>);
}

/// The listening end of a session, shared with the connection of the moment.
#[derive(Clone)]
pub(super) struct Hall {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    audience: Box<dyn Audience>,
    /// Whose each track is, by its id.
    tracks: HashMap<String, TrackRef>,
}

impl fmt::Debug for Hall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hall").finish_non_exhaustive()
    }
}

impl Hall {
    pub(super) fn new(audience: Box<dyn Audience>) -> Self {
        let tracks = HashMap::new();
        Self {
            inner: Arc::new(Mutex::new(Inner { audience, tracks })),
        }
    }

    /// Learns which tracks there are. Their number is bounded by that of the people.
    pub(super) fn note(&self, event: &Event) {
        match event {
            Event::TrackStarted(track) => {
                self.lock().tracks.insert(track.sid.clone(), track.clone());
            }
            Event::TrackEnded(track) => {
                self.lock().tracks.remove(&track.sid);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear for Hall {
    fn hear(&mut self, packet: HeardPacket<'_>) {
        let mut inner = self.lock();
        let Inner { audience, tracks } = &mut *inner;
        match tracks.get(packet.track) {
            Some(track) => audience.hear(track, packet),
            None => metrics::unheard(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Whose packet it was, and what it held.
    type Note = (String, Vec<u8>);

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Note>>>);

    impl Audience for Heard {
        fn hear(&mut self, track: &TrackRef, packet: HeardPacket<'_>) {
            let heard = (track.identity.clone(), packet.opus.to_vec());
            self.0.lock().expect("lock").push(heard);
        }
    }

    #[test]
    fn b1_only_tracks_that_were_told_of_are_heard() {
        let heard = Heard::default();
        let mut hall = Hall::new(Box::new(heard.clone()));
        let track = TrackRef {
            identity: "anna".into(),
            sid: "TR_1".into(),
        };
        let hear = |hall: &mut Hall, byte: u8| {
            hall.hear(HeardPacket {
                track: "TR_1",
                opus: &[byte],
                sequence: 0,
                media_time: 0,
                level: None,
                received: Instant::now(),
            });
        };
        hear(&mut hall, 1);
        hall.note(&Event::TrackStarted(track.clone()));
        hear(&mut hall, 2);
        hall.note(&Event::TrackEnded(track));
        hear(&mut hall, 3);
        let heard = heard.0.lock().expect("lock").clone();
        assert_eq!(heard, [("anna".to_owned(), vec![2])]);
    }
}
