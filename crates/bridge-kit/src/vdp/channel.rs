//! A room's media over a link, both ways.

use std::sync::Weak;

use signalling::{Audience, Extensions};
use tokio::sync::mpsc;
use vdp_proto::{Marks, Speakers};

use super::ear::{LinkEvent, Receive, Received};
use super::link::{Link, LinkStats, OpenError};
use super::mouth::Mouth;
use super::peer::Peer;
use super::reservation::Reservation;
use crate::media::{Except, InPacket, MediaSink, MediaSource, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec};

/// What the peer of a room's channel is called among the sources and sinks of the room, and the group of what it
/// neither hears nor is heard by: itself, and whoever is in person on its side too.
pub const FAR_SIDE: &str = "vdp";

/// A room's media, exchanged with a peer. Dropping it ends the exchange.
#[derive(Debug)]
pub struct OpenChannel {
    link: Link,
    sink: MediaSink,
}

impl Reservation {
    /// Exchanges the voice of a room with `peer` from now on: what arrives becomes a source of `media`, and what
    /// everybody else in `media` says leaves. The peer never hears itself. Who speaks crosses with it, where the two have agreed
    /// on that ([`Reservation::extended`]).
    ///
    /// `events` should hold a handful; what finds no place is not waited for.
    pub fn open(
        self,
        peer: impl Into<Peer>,
        media: &RoomMedia,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<OpenChannel, OpenError> {
        let source = media.add_source(SourceSpec::new(FAR_SIDE).groups(&[FAR_SIDE]).gated());
        let spec = SinkSpec::new(FAR_SIDE).except(Except::Group(FAR_SIDE)).late_packets();
        let extensions = self.extensions();
        let link = self.connect(peer, Box::new(Incoming { source, extensions }), events)?;
        let sink = media.add_sink(
            spec,
            Box::new(Outgoing {
                mouth: link.mouth(),
                extensions,
                names: false,
                numbering: Numbering::default(),
            }),
        );
        Ok(OpenChannel { link, sink })
    }
}

impl OpenChannel {
    /// Takes what the peer says of those who hear our voice there: for nobody nothing is decoded, mixed or sent, and what is
    /// mixed is no larger than they can use.
    pub fn set_audience(&self, audience: Audience) {
        self.sink.set_except(if audience.listening {
            Except::Group(FAR_SIDE)
        } else {
            Except::Everybody
        });
        self.sink.set_bitrate(audience.bitrate);
    }

    /// The counts so far.
    pub fn stats(&self) -> LinkStats {
        self.link.stats()
    }
}

struct Incoming {
    source: MediaSource,
    extensions: Extensions,
}

impl Receive for Incoming {
    /// Keep-alives are passed on too: they used a number, and what is missing from the numbers is loss.
    fn receive(&mut self, packet: Received<'_>) {
        let Marks { speakers, level } = packet.marks;
        self.source.push(&InPacket {
            opus: packet.voice,
            sequence: packet.sequence,
            media_time: None,
            level: level.filter(|_| self.extensions.level),
            marks: speakers.filter(|_| self.extensions.speakers).map(Speakers::bits),
            received: packet.at,
        });
    }
}

struct Outgoing {
    mouth: Weak<Mouth>,
    extensions: Extensions,
    /// Whether any packet said who speaks in it; until then there is nothing to be taken back.
    names: bool,
    numbering: Numbering,
}

impl PacketSink for Outgoing {
    fn send(&mut self, packet: &OutPacket<'_>) {
        let Some(mouth) = self.mouth.upgrade() else {
            return;
        };
        if !packet.late {
            let marks = self.marks(packet);
            if let Some(index) = mouth.send(packet.opus, marks, packet.lost_before) {
                self.numbering.sent(packet.sequence, packet.lost_before, index);
            }
        } else if let Some(index) = self.numbering.reserved(packet.sequence) {
            mouth.send_late(index, packet.opus);
        }
    }
}

impl Outgoing {
    fn marks(&mut self, packet: &OutPacket<'_>) -> Marks {
        self.names |= packet.marks != 0;
        Marks {
            speakers: Speakers::from_bits(packet.marks).filter(|_| self.extensions.speakers && self.names),
            level: packet.level.filter(|_| self.extensions.level),
        }
    }
}

/// Finds the index that was skipped for a packet when it was missing, should it come late.
///
/// Sequence numbers of media and indices rise together until a keep-alive takes an index.
#[derive(Debug, Default)]
struct Numbering {
    /// The latest run of both: the first sequence number, one past the last, and the index of the first.
    run: Option<(u64, u64, u64)>,
}

impl Numbering {
    fn sent(&mut self, sequence: u64, lost_before: u32, index: u64) {
        let lost = u64::from(lost_before);
        let follows = |&(first, end, index_of_first): &(u64, u64, u64)| {
            sequence.checked_sub(lost) == Some(end) && index - lost == index_of_first + (end - first)
        };
        let (first, index_of_first) = match self.run.filter(follows) {
            Some((first, _, index_of_first)) => (first, index_of_first),
            None => (sequence.saturating_sub(lost), index - lost),
        };
        self.run = Some((first, sequence + 1, index_of_first));
    }

    /// `None` if a keep-alive came in between: then it is too late for it anyway.
    fn reserved(&self, sequence: u64) -> Option<u64> {
        let (first, end, index_of_first) = self.run?;
        (first..end)
            .contains(&sequence)
            .then(|| index_of_first + (sequence - first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_packet_gets_the_index_that_was_skipped_for_it() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.reserved(0), None);
        numbering.sent(0, 0, 10);
        numbering.sent(3, 2, 13);
        assert_eq!(numbering.reserved(1), Some(11));
        assert_eq!(numbering.reserved(2), Some(12));
        assert_eq!(numbering.reserved(4), None);
    }

    #[test]
    fn a_packet_from_before_a_keep_alive_has_no_index_any_more() {
        let mut numbering = Numbering::default();
        numbering.sent(0, 0, 10);
        numbering.sent(2, 1, 12);
        // Index 13 was a keep-alive's.
        numbering.sent(4, 1, 15);
        assert_eq!(numbering.reserved(1), None);
        assert_eq!(numbering.reserved(3), Some(14));
    }
}
