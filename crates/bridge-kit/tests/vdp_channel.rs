//! A room's media over a channel between two endpoints: voice arrives untouched, loss stays visible, nobody hears
//! himself (S2, S9).

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::mpsc as heard;
use std::time::{Duration, Instant};

use bridge_kit::config::Vdp;
use bridge_kit::media::{InPacket, MediaPool, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec};
use bridge_kit::vdp::{Endpoint, LinkEvent, OpenChannel};
use tokio::sync::mpsc;

const ROOM: &str = "!r:x";
/// No test waits longer than this for anything.
const LIMIT: Duration = Duration::from_secs(10);
const PACKET: Duration = Duration::from_millis(20);

/// A second and a half from the middle of a sentence, as 20 ms packets.
fn speech() -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/vdp-python/speech.opus");
    let mut reader = ogg::PacketReader::new(File::open(path).expect("the speech is there"));
    let packets = std::iter::from_fn(|| reader.read_packet().expect("an Ogg file")).map(|packet| packet.data);
    packets.skip(20).take(75).collect()
}

/// Hands on what a sink is given: the packet, and how many were lost before it.
struct Listener(heard::Sender<(Vec<u8>, u32)>);

impl PacketSink for Listener {
    fn send(&mut self, packet: &OutPacket<'_>) {
        let _ = self.0.send((packet.opus.to_vec(), packet.lost_before));
    }
}

fn open(endpoints: [&Endpoint; 2], media: [&RoomMedia; 2]) -> [(OpenChannel, mpsc::Receiver<LinkEvent>); 2] {
    let reservations = endpoints.map(|endpoint| endpoint.reserve(ROOM).expect("a port"));
    let [left, right] = [reservations[0].address(), reservations[1].address()];
    let mut peers = [right, left].into_iter().zip(media);
    reservations.map(|reservation| {
        let (peer, media) = peers.next().expect("one for each");
        let (sender, events) = mpsc::channel(4);
        (
            reservation.open(peer, media, sender).expect("the peer can be sent to"),
            events,
        )
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_a_speaker_is_heard_on_the_other_side_byte_by_byte_and_not_by_himself() {
    let pool = MediaPool::new(NonZeroUsize::MIN).unwrap();
    let [left, right] = [pool.room("left"), pool.room("right")];
    let endpoints = [(); 2].map(|()| Endpoint::bind(&Vdp::loopback(0)).unwrap());
    let [(near, _near_events), (far, mut far_events)] = open([&endpoints[0], &endpoints[1]], [&left, &right]);
    let event = tokio::time::timeout(LIMIT, far_events.recv()).await;
    assert_eq!(event, Ok(Some(LinkEvent::Heard)));

    let speaker = left.add_source(SourceSpec::new("speaker"));
    let (sender, own) = heard::channel();
    let _own = left.add_sink(
        SinkSpec::new("speaker").except(speaker.id()),
        Box::new(Listener(sender)),
    );
    let (sender, others) = heard::channel();
    let _others = right.add_sink(SinkSpec::new("listener"), Box::new(Listener(sender)));

    let speech = speech();
    let missing = 30;
    for (sequence, opus) in (0..).zip(&speech) {
        if sequence != missing {
            let received = Instant::now();
            speaker.push(&InPacket {
                opus,
                sequence,
                media_time: None,
                level: Some(20),
                marks: None,
                received,
            });
        }
        tokio::time::sleep(PACKET).await;
    }

    let deadline = Instant::now() + LIMIT;
    let mut arrived = Vec::new();
    while arrived.len() + 1 < speech.len() {
        assert!(
            Instant::now() < deadline,
            "only {} of {} packets arrived",
            arrived.len(),
            speech.len() - 1
        );
        arrived.extend(others.try_iter());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let lost: u32 = arrived.iter().map(|(_, lost_before)| lost_before).sum();
    assert_eq!(lost, 1, "what the speaker's network lost shows at the listener");
    let expected = (0..)
        .zip(&speech)
        .filter(|(sequence, _)| *sequence != missing)
        .map(|(_, opus)| opus);
    // The spurt may end with silence frames of the engine.
    assert!(arrived.iter().map(|(opus, _)| opus).take(speech.len() - 1).eq(expected));

    assert_eq!(own.try_iter().count(), 0, "the speaker hears himself");
    assert_eq!(near.stats().received, 0, "the far side sends back what it hears");
    assert_eq!(far.stats().lost, 1);
    assert_eq!(near.stats().send_failures, 0);
}
