//! Bad networks: what each does to the packets of each trace.

use crate::ground::{FRAME, Ground, Reach, Talker, greet, wait_until};
use crate::speech::Talk;
use crate::wire::Stream;
use anyhow::Result;
use discord_standin::types::Impairment;
use discord_standin::{Fate, Impairer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vdp_proto::MAX_DATAGRAM;

/// A bad network.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// Share of packets that are lost.
    loss: f64,
    /// How many are lost in a row, on average; 0 where each is lost by itself.
    burst: f64,
    /// Packets are late by up to this, in ms.
    jitter_ms: u32,
    /// Share of packets that are overtaken, each held back by 50 ms.
    reorder: f64,
    /// Share of packets that come twice.
    duplicate: f64,
    /// How much too slow the clock of whoever speaks is, in millionths.
    drift_ppm: f64,
}

/// A network that harms nobody.
const CLEAN: Network = Network {
    name: "clean",
    loss: 0.0,
    burst: 0.0,
    jitter_ms: 0,
    reorder: 0.0,
    duplicate: 0.0,
    drift_ppm: 0.0,
};

/// The network that has a goal.
pub(super) const OF_THE_GOAL: &str = "loss-5-jitter-30";

/// All of them.
pub(super) const NETWORKS: [Network; 13] = [
    CLEAN,
    Network {
        name: OF_THE_GOAL,
        ..losing(0.05, 0.0, 30)
    },
    Network {
        name: "loss-2",
        ..losing(0.02, 0.0, 0)
    },
    Network {
        name: "loss-10",
        ..losing(0.1, 0.0, 0)
    },
    Network {
        name: "loss-20",
        ..losing(0.2, 0.0, 0)
    },
    Network {
        name: "burst-5",
        ..losing(0.05, 3.0, 0)
    },
    Network {
        name: "burst-20",
        ..losing(0.2, 3.0, 0)
    },
    Network {
        name: "jitter-30",
        ..losing(0.0, 0.0, 30)
    },
    Network {
        name: "jitter-80",
        ..losing(0.0, 0.0, 80)
    },
    Network {
        name: "loss-10-jitter-80",
        ..losing(0.1, 0.0, 80)
    },
    Network {
        name: "reorder",
        reorder: 0.1,
        ..CLEAN
    },
    Network {
        name: "duplicates",
        duplicate: 0.2,
        ..CLEAN
    },
    Network {
        name: "drift",
        drift_ppm: 300.0,
        ..CLEAN
    },
];

const fn losing(loss: f64, burst: f64, jitter_ms: u32) -> Network {
    Network {
        loss,
        burst,
        jitter_ms,
        ..CLEAN
    }
}

impl Network {
    /// When each of `count` packets comes, by its number, in the order in which they come.
    pub(super) fn trace(&self, seed: u64, count: u64) -> Vec<(Duration, u64)> {
        let mut impairer = Impairer::new(Impairment {
            loss: self.loss,
            loss_burst: self.burst,
            jitter_ms: self.jitter_ms,
            reorder: self.reorder,
            reorder_ms: 50,
            duplicate: self.duplicate,
            seed,
            ..Impairment::default()
        });
        let mut trace = Vec::new();
        for number in 0..count {
            let sent = FRAME.as_secs_f64() * number as f64 * (1.0 + self.drift_ppm / 1e6);
            let sent = Duration::from_secs_f64(sent);
            let fate = impairer.meet(u64::try_from(sent.as_nanos()).unwrap_or_default());
            if let Fate::Arrives { at_ns, twice } = fate {
                let copies = 1 + usize::from(twice);
                trace.extend(std::iter::repeat_n((Duration::from_nanos(at_ns), number), copies));
            }
        }
        trace.sort_by_key(|&(at, _)| at);
        trace
    }
}

/// Somebody in each room who speaks through a bad network, and somebody who only listens.
#[derive(Debug)]
pub(super) struct Speakers<'a> {
    /// What comes from whom when: the room, and the number of the packet.
    schedule: Vec<(Duration, usize, u64)>,
    talks: &'a [Talk],
    start: Instant,
}

impl<'a> Speakers<'a> {
    /// A room for each trace, whose speakers begin at `start`, evenly spread over 20 ms.
    pub(super) fn new(network: &Network, traces: usize, count: u64, talks: &'a [Talk], start: Instant) -> Self {
        let of_room = |room: usize| {
            let phase = phase(room, traces);
            let trace = network.trace(room as u64 + 1, count).into_iter();
            trace.map(move |(at, number)| (at + phase, room, number))
        };
        let mut schedule: Vec<_> = (0..traces).flat_map(of_room).collect();
        schedule.sort_by_key(|&(at, ..)| at);
        Self { schedule, talks, start }
    }
}

/// Who speaks in a room.
pub(super) fn speaker(talks: &[Talk], room: usize) -> Option<&Talk> {
    talks.get(room % talks.len().max(1))
}

/// When a room begins to speak, after the first one.
pub(super) fn phase(room: usize, rooms: usize) -> Duration {
    FRAME.mul_f64(room as f64 / rooms.max(1) as f64)
}

impl Talker for Speakers<'_> {
    fn talk(&self, ground: &Ground, reach: &Reach, over: &AtomicBool) -> Result<()> {
        greet(ground, reach, 1);
        let mut datagram = [0; MAX_DATAGRAM];
        for &(at, room, number) in &self.schedule {
            wait_until(self.start + at);
            if over.load(Ordering::Relaxed) {
                break;
            }
            let to = reach.to.first().and_then(|to| to.get(room));
            let (Some(&to), Some(talk)) = (to, speaker(self.talks, room)) else {
                continue;
            };
            let stream = Stream::new(reach.wire, room);
            let length = stream.write_as(number, talk.packet(number), &mut datagram);
            ground.send(0, datagram.get(..length).unwrap_or_default(), to);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str) -> Network {
        NETWORKS.into_iter().find(|network| network.name == name).unwrap()
    }

    #[test]
    fn a_seed_makes_the_same_trace_again_and_another_does_not() {
        let network = network(OF_THE_GOAL);
        assert_eq!(network.trace(1, 500), network.trace(1, 500));
        assert_ne!(network.trace(1, 500), network.trace(2, 500));
    }

    #[test]
    fn a_trace_does_what_its_network_says() {
        let lost = |name| 10_000 - network(name).trace(3, 10_000).len();
        assert!((400..600).contains(&lost(OF_THE_GOAL)), "{}", lost(OF_THE_GOAL));
        assert_eq!(lost("clean"), 0);
        assert!(network("duplicates").trace(3, 1_000).len() > 1_100);
        let order: Vec<u64> = network("reorder")
            .trace(3, 1_000)
            .iter()
            .map(|&(_, number)| number)
            .collect();
        assert!(!order.is_sorted(), "some are overtaken");
        let drifted = network("drift").trace(3, 10_001)[10_000];
        assert_eq!(drifted, (Duration::from_millis(200_060), 10_000));
    }
}
