//! Who speaks in a voice channel, and which packets of theirs go on to the room.
//!
//! Packets carry only an SSRC. Whose it is comes on another connection, sometimes a little later, and until then a packet
//! may be our own bot's or another bridge's, which must never be bridged. So packets of an unknown SSRC are held for a
//! moment, then dropped and counted.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A Discord user id.
pub(crate) type UserId = NonZeroU64;

/// How old a held packet may be and still be bridged: longer, and the beginning of the speech would arrive as a burst.
const HOLD: Duration = Duration::from_millis(200);

/// Packets held for all unknown SSRCs together.
const MAX_HELD: usize = 64;

/// SSRCs known at once. Discord's largest voice channels have a few hundred members.
const MAX_SPEAKERS: usize = 1024;

/// One RTP packet of a voice channel, decrypted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RtpPacket<'a> {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) opus: &'a [u8],
    pub(crate) received: Instant,
}

/// A packet as the room takes it: with counters that do not wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speech<'a> {
    pub(crate) opus: &'a [u8],
    pub(crate) sequence: u64,
    pub(crate) media_time: u64,
    pub(crate) received: Instant,
}

/// The room's side of a speaker.
pub(crate) trait Voice: Send {
    fn hear(&self, speech: Speech<'_>);

    /// He speaks with priority from now on, or no longer.
    fn set_priority(&self, priority: bool);
}

/// Whose an SSRC is, and how he speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaking {
    pub(crate) ssrc: u32,
    pub(crate) user: UserId,
    /// Discord's clients turn everybody else down while he speaks.
    pub(crate) priority: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Given to the room.
    Bridged,
    /// Its speaker is not bridged.
    Ignored,
    /// Its speaker is not known yet; it waits.
    Held,
    /// As before, but there was no room to wait in.
    Dropped,
}

/// The speakers of one voice channel.
pub(crate) struct Speakers<V> {
    by_ssrc: HashMap<u32, Speaker<V>>,
    held: VecDeque<Held>,
}

struct Speaker<V> {
    user: UserId,
    /// `None`: not bridged.
    voice: Option<V>,
    priority: bool,
    sequence: Extended,
    timestamp: Extended,
}

struct Held {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    opus: Box<[u8]>,
    received: Instant,
}

impl<V: Voice> Speakers<V> {
    pub(crate) fn new() -> Self {
        Self {
            by_ssrc: HashMap::new(),
            held: VecDeque::new(),
        }
    }

    /// SSRCs whose speaker is bridged.
    pub(crate) fn bridged(&self) -> usize {
        self.by_ssrc.values().filter(|speaker| speaker.voice.is_some()).count()
    }

    /// Somebody begins to speak, stops, or changes how he does. `admit` gives the room's side for him, or `None` when he is not bridged.
    ///
    /// A user who connects again has a new SSRC; his old one is forgotten. Gives the held packets that were dropped.
    pub(crate) fn speaking(
        &mut self,
        Speaking { ssrc, user, priority }: Speaking,
        admit: impl FnOnce() -> Option<V>,
        now: Instant,
    ) -> usize {
        if let Some(speaker) = self.by_ssrc.get_mut(&ssrc).filter(|speaker| speaker.user == user) {
            speaker.set_priority(priority);
            return 0;
        }
        self.by_ssrc.retain(|_, speaker| speaker.user != user);
        if self.by_ssrc.len() >= MAX_SPEAKERS {
            return 0;
        }
        let mut speaker = Speaker {
            user,
            voice: admit(),
            priority: false,
            sequence: Extended::default(),
            timestamp: Extended::default(),
        };
        speaker.set_priority(priority);
        self.by_ssrc.insert(ssrc, speaker);
        self.release(ssrc, now)
    }

    /// A user has left the channel.
    pub(crate) fn gone(&mut self, user: UserId) {
        self.by_ssrc.retain(|_, speaker| speaker.user != user);
    }

    /// The streams of everybody have ended.
    pub(crate) fn forget_all(&mut self) {
        self.by_ssrc.clear();
        self.held.clear();
    }

    /// A packet has come.
    pub(crate) fn packet(&mut self, packet: RtpPacket<'_>) -> Fate {
        let Some(speaker) = self.by_ssrc.get_mut(&packet.ssrc) else {
            return self.hold(packet);
        };
        speaker.hear(packet)
    }

    fn hold(&mut self, packet: RtpPacket<'_>) -> Fate {
        let full = self.held.len() >= MAX_HELD;
        if full {
            self.held.pop_front();
        }
        self.held.push_back(Held {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            opus: packet.opus.into(),
            received: packet.received,
        });
        if full { Fate::Dropped } else { Fate::Held }
    }

    fn release(&mut self, ssrc: u32, now: Instant) -> usize {
        let Some(speaker) = self.by_ssrc.get_mut(&ssrc) else {
            return 0;
        };
        let mut dropped = 0;
        self.held.retain(|held| {
            if held.ssrc == ssrc {
                let fresh = now.saturating_duration_since(held.received) <= HOLD;
                if fresh {
                    speaker.hear(held.as_packet());
                } else {
                    dropped += 1;
                }
            }
            held.ssrc != ssrc
        });
        dropped
    }
}

impl<V: Voice> Speaker<V> {
    fn set_priority(&mut self, priority: bool) {
        if std::mem::replace(&mut self.priority, priority) != priority
            && let Some(voice) = &self.voice
        {
            voice.set_priority(priority);
        }
    }

    fn hear(&mut self, packet: RtpPacket<'_>) -> Fate {
        let Some(voice) = &self.voice else {
            return Fate::Ignored;
        };
        voice.hear(Speech {
            opus: packet.opus,
            sequence: self.sequence.extend(u32::from(packet.sequence), 16),
            media_time: self.timestamp.extend(packet.timestamp, 32),
            received: packet.received,
        });
        Fate::Bridged
    }
}

impl Held {
    fn as_packet(&self) -> RtpPacket<'_> {
        RtpPacket {
            ssrc: self.ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            opus: &self.opus,
            received: self.received,
        }
    }
}

/// A counter of RTP that wraps, followed past its wraps (RFC 3550 §A.1).
///
/// It begins one wrap up, so that packets from before the first one seen do not fall below zero.
#[derive(Debug, Default)]
struct Extended {
    highest: Option<u64>,
}

impl Extended {
    fn extend(&mut self, value: u32, bits: u32) -> u64 {
        let modulus = 1_u64 << bits;
        let value = u64::from(value);
        let Some(highest) = self.highest else {
            return *self.highest.insert(modulus + value);
        };
        // The distance to the highest one seen, taken as the shorter way round.
        let ahead = value.wrapping_sub(highest) & (modulus - 1);
        let extended = if ahead < modulus / 2 {
            highest + ahead
        } else {
            (highest + ahead).saturating_sub(modulus)
        };
        self.highest = Some(highest.max(extended));
        extended
    }
}

#[cfg(test)]
mod tests;
