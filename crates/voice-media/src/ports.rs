//! What goes into an engine and what comes out of it.

use std::time::Instant;

/// Names a source within one engine. The engine's owner chooses the numbers and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u64);

impl SourceId {
    /// The source with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// Names a sink within one engine. The engine's owner chooses the numbers and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(u64);

impl SinkId {
    /// The sink with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// Names of sets of sources.
pub type Groups = &'static [&'static str];

/// Somebody (or a stream of many) who may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceSpec {
    /// What logs call it. Not sent anywhere.
    pub name: String,
    /// The sets of sources that it belongs to: a sink can leave one out as a whole, with [`Except::Group`].
    pub groups: Groups,
    /// Its sender sends nothing while nobody speaks, so each packet that comes is speech and needs no second opinion.
    pub gated: bool,
    /// Bits that stand for it in [`OutPacket::marks`] while it speaks.
    pub marks: u64,
}

impl SourceSpec {
    /// A source in no set, which may send packets whether somebody speaks or not.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            groups: &[],
            gated: false,
            marks: 0,
        }
    }

    /// The same source, as a member of `groups`.
    #[must_use]
    pub fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// The same source, for which these bits stand while it speaks.
    #[must_use]
    pub fn marks(mut self, bits: u64) -> Self {
        self.marks = bits;
        self
    }

    /// The same source, whose sender sends nothing while nobody speaks, as Discord's clients do.
    #[must_use]
    pub fn gated(mut self) -> Self {
        self.gated = true;
        self
    }
}

/// Somebody (or a stream towards many) who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkSpec {
    /// What logs call it. Not sent anywhere.
    pub name: String,
    /// Whom it does not hear, so that nobody hears himself.
    pub except: Except,
    /// Channels of a mix for this sink. Forwarded packets keep the channels they have.
    pub channels: Channels,
    /// Who says when a packet is played.
    pub clock: SinkClock,
    /// Bits a second that a mix for this sink may have at most; forwarded packets keep the size they have.
    pub bitrate: Option<u32>,
    /// Whether forwarded packets that arrive out of order are passed on, with [`OutPacket::late`] set. Without it
    /// they are dropped and counted.
    pub late_packets: bool,
}

impl SinkSpec {
    /// A sink that hears everybody, in stereo, by packets, without late ones.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            except: Except::Nobody,
            channels: Channels::Stereo,
            clock: SinkClock::Packets,
            bitrate: None,
            late_packets: false,
        }
    }

    /// The same sink, not hearing `except`.
    #[must_use]
    pub fn except(mut self, except: impl Into<Except>) -> Self {
        self.except = except.into();
        self
    }

    /// The same sink, its mixes having `channels`.
    #[must_use]
    pub fn channels(mut self, channels: Channels) -> Self {
        self.channels = channels;
        self
    }

    /// The same sink, played by `clock`.
    #[must_use]
    pub fn clock(mut self, clock: SinkClock) -> Self {
        self.clock = clock;
        self
    }

    /// The same sink, its mixes having at most `bits` a second.
    #[must_use]
    pub fn bitrate(mut self, bits: u32) -> Self {
        self.bitrate = Some(bits);
        self
    }

    /// The same sink, taking packets that arrive out of order.
    #[must_use]
    pub fn late_packets(mut self) -> Self {
        self.late_packets = true;
        self
    }
}

/// Whom a sink does not hear (mix-minus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Except {
    /// It hears everybody.
    #[default]
    Nobody,
    /// It does not hear this source.
    Source(SourceId),
    /// It hears no source of this group, those included that join later.
    Group(&'static str),
    /// It hears nobody: there is no one at its end who would. What is said for it alone is neither decoded nor mixed.
    Everybody,
}

impl From<SourceId> for Except {
    fn from(source: SourceId) -> Self {
        Self::Source(source)
    }
}

/// Channels of a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Channels {
    /// One channel.
    Mono,
    /// Left and right.
    #[default]
    Stereo,
}

impl Channels {
    /// How many there are.
    pub const fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// Who says when a packet of a sink is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SinkClock {
    /// The far end has a jitter buffer and plays by [`OutPacket::media_time`] (WebRTC, VDP).
    #[default]
    Packets,
    /// The far end takes one packet every 20 ms of its own clock (Discord). Packets are handed over as they come, as
    /// for [`Packets`](Self::Packets); whoever has that clock keeps the short queue before it. That queue can make up for a
    /// source's clock only while the source pauses, so one that has not paused for 20 s is heard through a mix, which can
    /// at any time.
    Ticks,
}

/// One Opus packet of a source.
#[derive(Debug, Clone, Copy)]
pub struct InPacket<'a> {
    /// The packet, RFC 6716 §3. Empty where a number was used for something else than voice, such as a keep-alive:
    /// then nothing was lost and nothing is played.
    pub opus: &'a [u8],
    /// Extended sequence number: one up for each packet that was sent, so that a gap is loss and a lower one came
    /// late. Any start.
    pub sequence: u64,
    /// Extended RTP timestamp, in samples at 48 kHz; `None` where the transport has none.
    pub media_time: Option<u64>,
    /// Level that the sender measured, −dBov (RFC 6464); `None` where the transport has none.
    pub level: Option<u8>,
    /// Bits that stand for who speaks in it, in place of those of its source from here on; `None` where nobody says.
    pub marks: Option<u64>,
    /// When the packet reached this machine.
    pub received: Instant,
}

/// One Opus packet for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutPacket<'a> {
    /// The packet, RFC 6716 §3, never empty.
    pub opus: &'a [u8],
    /// How long it plays, in samples at 48 kHz: always [`FRAME_SAMPLES`](crate::FRAME_SAMPLES).
    pub samples: u32,
    /// When it plays, in samples at 48 kHz since the sink was made. Packets never overlap, and but for late ones the
    /// time only grows. Fit for RTP when cut to 32 bits and moved by a random offset.
    pub media_time: u64,
    /// Number of this packet in the sink's stream, from 0: one up for each packet and for each that the source lost.
    /// Fit for RTP when cut to 16 bits and moved by a random offset.
    pub sequence: u64,
    /// First of a talk spurt (RFC 3551 §4.1).
    pub marker: bool,
    /// Packets that the source lost just before this one.
    pub lost_before: u32,
    /// It belongs before packets that were already sent: `sequence` and `media_time` are those reserved for it.
    /// Only for sinks that asked for it.
    pub late: bool,
    /// How loud it is, −dBov (RFC 6464): of a forwarded packet what its sender said, `None` where it said nothing; of a
    /// mix what was measured; of silence 127.
    pub level: Option<u8>,
    /// Its speaker is between words: nobody hears whether it is played, left out or made up for once more, so that whoever
    /// plays it by a clock of his own can follow the speaker's here.
    pub pause: bool,
    /// Bits of those who speak, of all whom the sink hears: nobody's in silence.
    pub marks: u64,
    /// Who is heard; `None` for a mix or for the silence after one.
    pub source: Option<SourceId>,
}
