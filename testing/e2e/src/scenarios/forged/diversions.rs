//! Somebody on the way sends on the voice bridge's packets from an address of his own: late, or as the newest.

use super::figures::record;
use crate::audio::unix_ms;
use crate::scenarios::bench::{Bench, note};
use crate::scenarios::talk::{Back, NONE, Talk};
use crate::stack::{End, Relay, Stack, wait_for};
use anyhow::{Context as _, Result};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;
use vdp_proto::Packet;
use vdp_proto::sealed::OVERHEAD;

/// Where he is.
const ELSEWHERE: &str = "127.0.0.5:0";
/// How late he sends what he held up.
const LATE: Duration = Duration::from_secs(2);
/// How long he sends on all voice: less than it takes to find the channel broken.
const LASTING: Duration = Duration::from_secs(4);
/// An address that has proven nothing gets one keep-alive a second: at once, and after each second.
const MOST_KEEP_ALIVES: usize = 5;
/// How long is waited for what should not come, and how long both talk on.
const QUIET: Duration = Duration::from_secs(3);
/// How long it may take until voice passes.
const WITHIN: Duration = Duration::from_secs(5);

/// Somebody on the way.
struct Elsewhere {
    socket: Arc<UdpSocket>,
    /// Whom he sends to.
    target: SocketAddr,
    /// The length of a keep-alive; voice is longer.
    keep_alive: usize,
}

pub(super) async fn run(bench: &mut Bench, stack: &Stack, relay: &Relay, talk: &mut Talk) -> Result<()> {
    let elsewhere = Elsewhere::new(stack, &talk.room.id)?;
    let before = record(stack, &talk.room.id).await?;
    let from = unix_ms();
    elsewhere.sends_one_late(bench, stack, relay).await?;
    talk.heard_from = from;
    talk.away_checks(bench, NONE, None).await?;

    let at = elsewhere.sends_on(bench, stack, relay).await?;
    let what = "packets came from the peer again";
    talk.away_checks(bench, NONE, Some(Back { what, at })).await?;
    let now = record(stack, &talk.room.id).await?;
    bench.check(
        "no diversion breaks the channel",
        now == before,
        format!("epoch {} before, {} now", before["epoch"], now["epoch"]),
    );
    Ok(())
}

impl Elsewhere {
    fn new(stack: &Stack, room: &str) -> Result<Self> {
        let socket = UdpSocket::bind(ELSEWHERE)?;
        socket.set_nonblocking(true)?;
        let keep_alive = Packet {
            room,
            voice: &[],
            // As long as the index is now, some 20 seconds after it began, and for 20 minutes on.
            index: 256,
        };
        Ok(Self {
            socket: Arc::new(socket),
            target: stack.discord_bridge.vdp,
            keep_alive: keep_alive.encoded_len() + OVERHEAD,
        })
    }

    /// A packet that is not the newest any more tells the other side nothing of where its peer is.
    async fn sends_one_late(&self, bench: &mut Bench, stack: &Stack, relay: &Relay) -> Result<()> {
        let held = Arc::<Mutex<Option<Vec<u8>>>>::default();
        let (holds, keep_alive) = (Arc::clone(&held), self.keep_alive);
        relay.inspect(move |from, datagram| {
            let mut held = holds.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = held.is_none() && from == End::First && datagram.len() > keep_alive;
            if taken {
                *held = Some(datagram.to_vec());
            }
            !taken
        });
        let take = || held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let packet = wait_for("voice to be held up", WITHIN, || async { Ok(take()) }).await?;
        relay.inspect_no_more();
        sleep(LATE).await;
        let late = late_packets(stack).await?;
        self.socket.send_to(&packet, self.target)?;
        sleep(QUIET).await;
        let opened = late_packets(stack).await? - late;
        let received = self.received();
        bench.check(
            "a packet that was held up and comes from elsewhere moves nothing",
            format!("{opened}") == "1" && received.is_empty(),
            format!(
                "{opened} late packet taken, {} datagrams sent elsewhere",
                received.len()
            ),
        );
        Ok(())
    }

    /// The newest packets come from here, but no answer to what is sent here. Gives when that was over.
    async fn sends_on(&self, bench: &mut Bench, stack: &Stack, relay: &Relay) -> Result<f64> {
        let passed = Arc::<AtomicU64>::default();
        let (counts, keep_alive, target) = (Arc::clone(&passed), self.keep_alive, self.target);
        let socket = Arc::clone(&self.socket);
        relay.inspect(move |from, datagram| {
            let taken = from == End::First && datagram.len() > keep_alive;
            if taken && socket.send_to(datagram, target).is_ok() {
                counts.fetch_add(1, Ordering::SeqCst);
            }
            !taken
        });
        sleep(LASTING).await;
        relay.inspect_no_more();
        let at = unix_ms();
        sleep(QUIET).await;
        let received = self.received();
        let longest = received.iter().max().copied().unwrap_or_default();
        bench.check(
            "an address that has proven nothing gets a keep-alive a second and no voice",
            (1..=MOST_KEEP_ALIVES).contains(&received.len()) && longest <= self.keep_alive,
            format!(
                "{} datagrams in {} s, the longest of {longest} bytes (a keep-alive has {}), for {} packets that came from there",
                received.len(),
                LASTING.as_secs(),
                self.keep_alive,
                passed.load(Ordering::SeqCst),
            ),
        );
        let status = stack.discord_bridge.status().await?;
        let channel = status["channels"].get(0).context("the bridge has no channel")?;
        note("voice withheld meanwhile", format!("{} packets", channel["withheld"]));
        Ok(at)
    }

    /// The lengths of all that has arrived here.
    fn received(&self) -> Vec<usize> {
        let mut datagram = [0; 2_000];
        std::iter::from_fn(|| self.socket.recv(&mut datagram).ok()).collect()
    }
}

/// How many packets the Discord bridge has taken that had been missing.
async fn late_packets(stack: &Stack) -> Result<f64> {
    let metrics = stack.discord_bridge.metrics().await?;
    Ok(metrics.sum("vdp_packets_late_total", &[]))
}
