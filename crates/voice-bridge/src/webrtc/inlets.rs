//! The sections of a session in which a peer's voice is heard.

use std::collections::BTreeMap;

use str0m::media::{Mid, Pt};
use str0m::rtp::RtpPacket;

use super::arrivals::Arrivals;
use super::{Ear, HeardPacket};

/// Sections of one peer that are heard. A forwarding server uses each anew for the next track.
const MAX_INLETS: usize = 256;

/// Which of the peer's audio sections are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// The first: the microphone of somebody who calls.
    First,
    /// All: the people whose voices a server forwards.
    All,
}

/// Who listens, and to what.
pub(super) struct Inlets {
    ear: Box<dyn Ear>,
    hears: Hears,
    open: BTreeMap<Mid, Inlet>,
}

struct Inlet {
    pt: Pt,
    track: Box<str>,
    arrivals: Arrivals,
}

impl Inlets {
    pub(super) fn new(ear: Box<dyn Ear>, hears: Hears) -> Self {
        Self {
            ear,
            hears,
            open: BTreeMap::new(),
        }
    }

    /// Whether the peer may have nobody to be heard: a server that forwards may wait for people.
    pub(super) fn may_be_empty(&self) -> bool {
        self.hears == Hears::All
    }

    /// Listens to a section in which Opus is agreed on, and learns whose it is now.
    pub(super) fn open(&mut self, mid: Mid, pt: Pt, track: &str) {
        if let Some(inlet) = self.open.get_mut(&mid) {
            inlet.pt = pt;
            if *inlet.track != *track {
                inlet.track = track.into();
            }
            return;
        }
        let limit = match self.hears {
            Hears::First => 1,
            Hears::All => MAX_INLETS,
        };
        if self.open.len() < limit {
            let inlet = Inlet {
                pt,
                track: track.into(),
                arrivals: Arrivals::default(),
            };
            self.open.insert(mid, inlet);
        }
    }

    /// Gives a packet to the ear, if it came in a section that is heard.
    pub(super) fn hear(&mut self, mid: Mid, packet: &RtpPacket) {
        let Some(inlet) = self.open.get_mut(&mid) else {
            return;
        };
        if packet.header.payload_type != inlet.pt || packet.payload.is_empty() {
            return;
        }
        let (sequence, media_time) = inlet.arrivals.place(
            *packet.header.ssrc,
            *packet.seq_no,
            packet.time.numer(),
            packet.timestamp,
        );
        let level = packet.header.ext_vals.audio_level;
        self.ear.hear(HeardPacket {
            track: &inlet.track,
            opus: &packet.payload,
            sequence,
            media_time,
            level: level.map(i8::unsigned_abs),
            received: packet.timestamp,
        });
    }
}
