//! How many packets a second one core takes in and sends on through the real UDP ends of VDP, beside the bare forwarder.
//!
//! Packets are piled up in front of a process that stands still; then it goes on and works them off. So every batch is
//! full, for whatever is measured and however busy the machine is, and nobody has to be faster than what is measured.

mod bridge;
mod form;
mod people;

use self::bridge::Bridge;
use self::form::Form;
use self::people::People;
use crate::benches::Bench;
use crate::cpu::{cpu_time, median, percentile};
use crate::plan::Plan;
use crate::report::{Report, Table};
use crate::systems::forwarder::Forwarder;
use crate::systems::{Running, System};
use anyhow::{Context as _, Result, ensure};
use std::thread::sleep;
use std::time::Duration;

/// The bench.
pub const BENCH: Bench = Bench {
    name: NAME,
    about: "packets a second a core through the real UDP ends of VDP, plain and sealed, beside the bare forwarder",
    run,
    part: bridge::run,
};

const NAME: &str = "relay";

/// Rooms whose packets come by turns.
const ROOMS: usize = 40;

/// Packets that are piled up: ten batches of both systems, which the queue of a socket holds on every Linux.
const PILE: usize = 320;

/// The least share of the packets that must come through: who loses more does less work.
const LEAST_HEARD: f64 = 0.99;

/// What a process showed in one turn.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// Packets in a second of CPU.
    rate: f64,
    /// Share of the packets that came through.
    heard: f64,
}

fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new();
    let mut table = Table::new(
        "Packets a second of one core, room id of 32 bytes, 160 bytes of voice (medians)",
        &[
            "form",
            "system",
            "packets a second",
            "bridge to it",
            "in single turns",
            "heard",
        ],
    );
    for form in plan.choose(&Form::ALL, |form| form.name())? {
        match compare(*form, plan) {
            Ok(turns) => tell(*form, &turns, &mut table, &mut report),
            Err(error) => report.failed(form.name(), &format!("{error:#}")),
        }
    }
    report.table(table);
    Ok(report)
}

/// Ours and the bare forwarder by turns.
fn compare(form: Form, plan: &Plan) -> Result<Vec<[Shown; 2]>> {
    let (turns, piles) = if plan.quick { (3, 50) } else { (11, 300) };
    let shown = |system: &dyn System| measure(form, system, piles).with_context(|| system.name());
    let turn = |_| Ok([shown(&Bridge(form))?, shown(&Forwarder)?]);
    (0..turns).map(turn).collect()
}

fn measure(form: Form, system: &dyn System, piles: u32) -> Result<Shown> {
    let mut people = People::new(form)?;
    let relay = system.start(ROOMS, &people.addresses()?)?;
    people.meet(&relay)?;
    // Each thread makes its buffers.
    work_off(&relay, &mut people, 10)?;
    let (idle, ()) = used_by(&relay, || stand_still(&relay, piles))?;
    let (busy, heard) = used_by(&relay, || work_off(&relay, &mut people, piles))?;
    let sent = u64::from(piles) * PILE as u64;
    let heard_share = heard as f64 / sent as f64;
    ensure!(
        heard_share >= LEAST_HEARD,
        "only {:.1} % of the packets came through",
        heard_share * 100.0
    );
    Ok(Shown {
        rate: rate(heard, busy, idle).context("working packets off took no time")?,
        heard: heard_share,
    })
}

/// Has the process work off piles of packets, and counts those that came through.
fn work_off(relay: &Running, people: &mut People, piles: u32) -> Result<u64> {
    let mut heard = 0;
    for _ in 0..piles {
        relay.pause()?;
        people.speak(PILE);
        relay.go_on()?;
        heard += people.listen(PILE)?;
    }
    Ok(heard)
}

/// Has the process stand still and go on as often, with nothing to do.
fn stand_still(relay: &Running, times: u32) -> Result<()> {
    for _ in 0..times {
        relay.pause()?;
        relay.go_on()?;
        // Long enough that all its threads have gone to sleep again.
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The CPU time that the process uses meanwhile.
fn used_by<T>(relay: &Running, meanwhile: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let before = cpu_time(relay.process())?;
    let result = meanwhile()?;
    Ok((cpu_time(relay.process())?.saturating_sub(before), result))
}

/// Packets in a second of the time that was used for them: all of it, less what standing still costs by itself.
fn rate(packets: u64, busy: Duration, idle: Duration) -> Option<f64> {
    let used = busy.checked_sub(idle).filter(|used| !used.is_zero())?;
    Some(packets as f64 / used.as_secs_f64())
}

/// How much of the second's rate the first has, in each turn.
fn shares(turns: &[[Shown; 2]]) -> Vec<f64> {
    turns.iter().map(|[ours, bare]| ours.rate / bare.rate).collect()
}

/// Puts what was found into the table, and the shares among the figures.
fn tell(form: Form, turns: &[[Shown; 2]], table: &mut Table, report: &mut Report) {
    let shares = shares(turns);
    let share = median(shares.iter().copied());
    report.figure(form.name(), share, "");
    let [least, most] = [0.0, 1.0].map(|at| percentile(shares.iter().copied(), at));
    for (system, name) in ["bridge", "bare forwarder"].into_iter().enumerate() {
        let shown = || turns.iter().filter_map(move |turn| turn.get(system));
        let (share, spread) = if system == 0 {
            ("1.000".to_owned(), String::new())
        } else {
            (format!("{share:.3}"), format!("{least:.2} to {most:.2}"))
        };
        table.row([
            form.name().to_owned(),
            name.to_owned(),
            format!("{:.0}", median(shown().map(|shown| shown.rate))),
            share,
            spread,
            format!("{:.1} %", median(shown().map(|shown| shown.heard)) * 100.0),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_still_is_not_counted_as_work() {
        let [busy, idle] = [3_000, 1_000].map(Duration::from_millis);
        assert!((rate(1_000, busy, idle).unwrap() - 500.0).abs() < 1e-9);
        assert_eq!(rate(1_000, idle, busy), None);
        assert_eq!(rate(1_000, idle, idle), None);
    }

    #[test]
    fn turns_are_compared_each_with_its_own() {
        let shown = |rate| Shown { rate, heard: 1.0 };
        // The machine became slower and slower: the shares do not show it.
        let turns = [(90.0, 100.0), (40.0, 50.0), (7.0, 10.0)].map(|(ours, bare)| [shown(ours), shown(bare)]);
        let expected = [0.9, 0.8, 0.7];
        for (share, expected) in shares(&turns).into_iter().zip(expected) {
            assert!((share - expected).abs() < 1e-9);
        }
        let mut report = Report::new();
        tell(Form::Sealed, &turns, &mut Table::new("", &[]), &mut report);
        assert!((report.get("sealed").unwrap().value - 0.8).abs() < 1e-9);
    }
}
