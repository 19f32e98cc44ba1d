//! Through one process: packets that say when they were sent.

use crate::cpu::percentile;
use crate::ground::{Arrival, Ground, Listener, Script, Steady};
use crate::systems::System;
use anyhow::{Result, ensure};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Two people, and the far end of VDP.
const PARTIES: usize = 3;

/// How long everything runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// Bytes of a packet: those of speech at 48 kbit/s.
const LENGTH: usize = 120;

/// The first byte of an Opus packet of one CELT frame of 20 ms.
const TOC: u8 = 0xf8;

/// The least share of the packets that must arrive.
const LEAST_HEARD: f64 = 0.95;

/// Which way voice goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From somebody on the bridge's own side to the far end of VDP.
    ToTheFarEnd,
    /// From the far end of VDP to the people on the bridge's own side.
    FromTheFarEnd,
}

/// What else the machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// Nothing.
    Idle,
    /// As many threads as there are cores want to run all the time.
    Busy,
}

impl Direction {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::ToTheFarEnd => "to VDP",
            Self::FromTheFarEnd => "from VDP",
        }
    }

    pub(super) fn figure(self) -> &'static str {
        match self {
            Self::ToTheFarEnd => "to_vdp_p99",
            Self::FromTheFarEnd => "from_vdp_p99",
        }
    }

    fn speaker(self) -> usize {
        match self {
            Self::ToTheFarEnd => 0,
            Self::FromTheFarEnd => PARTIES - 1,
        }
    }
}

impl Load {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "loaded",
        }
    }
}

/// Delays of packets, in ms.
#[derive(Debug, Clone, Default)]
pub(super) struct Delays(Vec<f64>);

impl Delays {
    /// The delay that this share of the packets does not exceed.
    pub(super) fn at(&self, share: f64) -> f64 {
        percentile(self.0.iter().copied(), share)
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// Measures the delays of what one speaks in each room.
pub(super) fn through(
    system: &dyn System,
    rooms: usize,
    direction: Direction,
    load: Load,
    measured: Duration,
) -> Result<Delays> {
    let ground = Ground::new(PARTIES)?;
    let running = system.start(rooms, &ground.addresses()?)?;
    let start = Instant::now();
    let clocks = Steady(Clock {
        start,
        speaker: direction.speaker(),
    });
    let from = start + WARM_UP;
    let new_ear = || Ear {
        start,
        from,
        delays: Delays::default(),
    };
    let mut ears: Vec<Ear> = (0..PARTIES).map(|_| new_ear()).collect();
    ground.run(&running.reach, &clocks, &mut ears, || {
        under(load, WARM_UP + measured);
        Ok(())
    })?;
    let mut delays = Delays::default();
    for ear in ears {
        delays.add(ear.delays);
    }
    // Towards the far end the other person hears the speaker too.
    let expected = (PARTIES - 1) as f64 * rooms as f64 * 50.0 * measured.as_secs_f64();
    let heard = delays.0.len() as f64 / expected;
    ensure!(
        heard > LEAST_HEARD || load == Load::Busy,
        "only {:.1} % of the packets arrived",
        heard * 100.0
    );
    Ok(delays)
}

/// Lets so much time pass under load.
fn under(load: Load, time: Duration) {
    let over = AtomicBool::new(false);
    let cores = match load {
        Load::Idle => 0,
        Load::Busy => thread::available_parallelism().map_or(1, usize::from),
    };
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
}

/// Somebody whose every word is the time.
struct Clock {
    start: Instant,
    speaker: usize,
}

impl Script for Clock {
    fn speakers(&self) -> Range<usize> {
        self.speaker..self.speaker + 1
    }

    fn say(&self, _room: usize, _party: usize, _number: u64, opus: &mut Vec<u8>) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or_default();
        opus.push(TOC);
        opus.extend_from_slice(&now.to_be_bytes());
        opus.resize(LENGTH, 0x55);
    }
}

/// Compares the time that was said with the time at which it was heard.
struct Ear {
    start: Instant,
    from: Instant,
    delays: Delays,
}

impl Listener for Ear {
    fn hear(&mut self, arrival: &Arrival<'_>) {
        let said = arrival.voice.opus.get(1..9).and_then(|time| time.try_into().ok());
        let Some(said) = said.map(u64::from_be_bytes).map(Duration::from_nanos) else {
            return;
        };
        if arrival.at >= self.from {
            let delay = arrival.at.saturating_duration_since(self.start + said);
            self.delays.0.push(delay.as_secs_f64() * 1_000.0);
        }
    }
}
