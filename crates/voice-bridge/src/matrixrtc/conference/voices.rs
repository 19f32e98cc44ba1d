//! Whose voice at an SFU goes where.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bridge_kit::media::MediaSource;

use crate::livekit::{Audience, TrackRef};
use crate::webrtc::HeardPacket;

/// The tracks of one SFU that have a place in the call. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Voices(Arc<Mutex<HashMap<TrackRef, Arc<MediaSource>>>>);

impl Voices {
    pub(super) fn insert(&self, track: &TrackRef, source: Arc<MediaSource>) {
        self.lock().insert(track.clone(), source);
    }

    pub(super) fn remove(&self, track: &TrackRef) {
        self.lock().remove(track);
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TrackRef, Arc<MediaSource>>> {
        // Nothing panics while the lock is held, so a poisoned one still guards sound data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audience for Voices {
    fn hear(&mut self, track: &TrackRef, packet: HeardPacket<'_>) {
        // Whoever is no member of the call has no place.
        if let Some(source) = self.lock().get(track) {
            source.push(&packet.into());
        }
    }
}
