//! What the edge to WebRTC allocates for a packet: not nothing, since str0m owns what it is given. Printed, and held where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::testing::{Caller, said, spoken};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Counting(Arc<AtomicU64>);

impl Ear for Counting {
    fn hear(&mut self, _: HeardPacket<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A session with a caller, on this thread alone, and how many of his packets were heard.
async fn connected(port: &Port) -> (Caller, Connection, Arc<AtomicU64>) {
    let heard = Arc::<AtomicU64>::default();
    let mut caller = Caller::new().await;
    let mut connection = Connection::new(port).hearing(Box::new(Counting(Arc::clone(&heard))));
    let answer = connection.accept(&caller.offer(false)).expect("answer");
    caller.accept(&answer.sdp);
    let mut reported = false;
    let connecting = async {
        while !(reported && caller.is_connected()) {
            tokio::select! {
                event = connection.next() => reported = event == ConnectionEvent::Connected,
                () = caller.turn() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, connecting).await.expect("in time");
    (caller, connection, heard)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test are small")]
fn each(allocations: u64, packets: u64) -> f64 {
    allocations as f64 / packets as f64
}

#[tokio::test]
async fn what_the_edge_to_webrtc_allocates_is_known() {
    const PACKETS: u64 = 200;
    let port = Port::on_loopback();
    let (mut caller, mut connection, heard) = connected(&port).await;

    let mut out = 0;
    for sequence in 0..PACKETS {
        let packet = spoken(1).remove(0);
        out += allocation_counter::measure(|| {
            connection.speak(SpokenPacket {
                // As it is made of what the engine lends.
                opus: Arc::from(&*packet.opus),
                sequence,
                media_time: sequence * 960,
                ..packet
            });
        })
        .count_total;
    }

    let (mut said, mut into) = (said(1).remove(0), 0);
    let deadline = Instant::now() + PATIENCE;
    while heard.load(Ordering::Relaxed) < PACKETS {
        assert!(Instant::now() < deadline, "waited in vain");
        said.sequence += 1;
        said.time += 960;
        caller.say(&said);
        let _ = tokio::time::timeout(Duration::from_millis(1), caller.turn()).await;
        into += allocation_counter::measure(|| _ = connection.next().now_or_never()).count_total;
    }
    let (out, into) = (each(out, PACKETS), each(into, heard.load(Ordering::Relaxed)));
    println!("allocations for a packet at the edge to WebRTC: {out:.1} on the way out, {into:.1} on the way in");
    assert!(out <= 4.0 && into <= 4.0, "out {out:.1}, in {into:.1}");
}
