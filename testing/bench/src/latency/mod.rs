//! How much later voice leaves than it came.

mod through;
mod tick;

use self::through::{Delays, Direction, Load, through};
use crate::benches::Bench;
use crate::cpu::percentile;
use crate::plan::Plan;
use crate::report::{Report, Table};
use crate::systems::System;
use crate::systems::bridge::{Bridge, Mixes};
use crate::systems::forwarder::Forwarder;
use anyhow::{Context as _, Result};
use std::time::Duration;

/// The bench.
pub const BENCH: Bench = Bench {
    name: NAME,
    about: "Delay that one bridge process adds, each way, idle and loaded, beside the bare forwarder, and into Discord's tick",
    run,
    part: tick::part,
};

const NAME: &str = "latency";

/// Where it is measured, by the name on the command line.
const PARTS: [(&str, Place); 4] = [
    ("rooms-1", Place::Through(1)),
    ("rooms-50", Place::Through(50)),
    ("rooms-200", Place::Through(200)),
    ("tick", Place::Tick),
];

/// Where delay is measured.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Through one process, with so many rooms.
    Through(usize),
    /// Into Discord's tick.
    Tick,
}

/// The part that has a goal.
const ROOMS_OF_THE_GOAL: usize = 50;

fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new();
    let mut table = Table::new(
        "Delay added by one process, in ms, from the sender's socket to the listener's",
        &["rooms", "direction", "load", "system", "p50", "p99", "max"],
    );
    let parts = plan.choose(&PARTS, |part| part.0)?;
    for &&(_, place) in &parts {
        match place {
            Place::Through(rooms) => measure_through(rooms, plan, &mut table, &mut report),
            Place::Tick => measure_tick(plan, &mut table, &mut report),
        }
    }
    report.table(table);
    Ok(report)
}

fn measure_through(rooms: usize, plan: &Plan, table: &mut Table, report: &mut Report) {
    for direction in [Direction::ToTheFarEnd, Direction::FromTheFarEnd] {
        for load in [Load::Idle, Load::Busy] {
            let has_goal = rooms == ROOMS_OF_THE_GOAL && load == Load::Idle;
            let figure = if has_goal {
                format!("{}_over_forwarder", direction.figure())
            } else {
                format!("rooms-{rooms} {}, {}", direction.words(), load.words())
            };
            let [ours, bare] = match compare(rooms, direction, load, plan) {
                Ok(delays) => delays,
                Err(error) => {
                    report.failed(&figure, &format!("{error:#}"));
                    continue;
                }
            };
            if has_goal {
                report.figure(&figure, ours.at(0.99) - bare.at(0.99), "ms");
            }
            for (system, delays) in [("bridge", ours), ("bare forwarder", bare)] {
                let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| format!("{:.2}", delays.at(share)));
                let words = [&rooms.to_string(), direction.words(), load.words(), system].map(str::to_owned);
                table.row(words.into_iter().chain([p50, p99, max]));
            }
        }
    }
}

fn measure_tick(plan: &Plan, table: &mut Table, report: &mut Report) {
    let joins = if plan.quick { 3 } else { 20 };
    let delays = match tick::measure(joins) {
        Ok(delays) => delays,
        Err(error) => {
            for figure in ["tick_p50", "tick_p99", "tick_p99_after_stall"] {
                report.failed(figure, &format!("{error:#}"));
            }
            return;
        }
    };
    for (when, delays, [at_half, at_most]) in [
        ("idle", delays.steady, [Some("tick_p50"), Some("tick_p99")]),
        (
            "1 s after a stall",
            delays.after_stall,
            [None, Some("tick_p99_after_stall")],
        ),
    ] {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| percentile(delays.iter().copied(), share));
        for (figure, value) in [(at_half, p50), (at_most, p99)] {
            if let Some(figure) = figure {
                report.figure(figure, value, "ms");
            }
        }
        let words = ["1", "into Discord's tick", when, "bridge"].map(str::to_owned);
        table.row(words.into_iter().chain([p50, p99, max].map(|ms| format!("{ms:.2}"))));
    }
}

/// Ours and the bare forwarder by turns.
fn compare(rooms: usize, direction: Direction, load: Load, plan: &Plan) -> Result<[Delays; 2]> {
    let systems: [&dyn System; 2] = [&Bridge(Mixes::Shipped), &Forwarder];
    let mut all = [Delays::default(), Delays::default()];
    let (turns, measured) = if plan.quick { (1, 3) } else { (3, 5) };
    for _ in 0..turns {
        for (system, all) in systems.iter().zip(&mut all) {
            let delays = through(*system, rooms, direction, load, Duration::from_secs(measured));
            all.add(delays.with_context(|| system.name())?);
        }
    }
    Ok(all)
}
