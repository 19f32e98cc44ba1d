//! Who speaks on the answering side is known on the asking side, packet by packet (S11).

use bridge_kit::channel::SpeakerId;
use bridge_kit::media::{InPacket, OutPacket, PacketSink, SinkSpec, SourceSpec};
use tokio::sync::watch;

use super::*;

/// What the last packet was marked with.
struct Ear(watch::Sender<Option<u64>>);

impl PacketSink for Ear {
    fn send(&mut self, packet: &OutPacket<'_>) {
        self.0.send_replace(Some(packet.marks));
    }
}

#[tokio::test]
async fn s11_whoever_speaks_is_marked_from_his_first_packet_to_his_last() {
    let world = World::new(Handler::default());
    let _session = world.open().await;
    let discord = world.handler.media.lock().expect("a lock").clone().expect("a room");
    let ids = [3, 62].map(|id| SpeakerId::new(id).expect("an id").bit());
    let people = ids.map(|bits| discord.add_source(SourceSpec::new("person").gated().marks(bits)));
    let (marks, mut marked) = watch::channel(None);
    let _ear = world.matrix.add_sink(SinkSpec::new("ear"), Box::new(Ear(marks)));

    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut sequences = [0; 2];
    for (speaking, expected) in [
        (&[0][..], ids[0]),
        (&[1], ids[1]),
        (&[0, 1], ids[0] | ids[1]),
        (&[0], ids[0]),
        (&[], 0),
    ] {
        let deadline = Instant::now() + LIMIT;
        while *marked.borrow_and_update() != Some(expected) {
            assert!(Instant::now() < deadline, "never marked with {expected:#x}");
            pace.tick().await;
            for &who in speaking {
                let opus = [0x78; 60];
                people[who].push(&InPacket {
                    opus: &opus,
                    sequence: sequences[who],
                    media_time: Some(sequences[who] * 960),
                    level: None,
                    marks: None,
                    received: Instant::now(),
                });
                sequences[who] += 1;
            }
        }
    }
}
