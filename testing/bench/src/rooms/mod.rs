//! What rooms cost in which one, two or five people speak, beside Janus and beside the bare forwarder.

mod case;
mod sound;

pub use case::{CASES, Case};

use self::sound::Sound;
use crate::benches::Bench;
use crate::cpu::{cpu_time, median, percentile};
use crate::ground::{Ground, Script, Steady};
use crate::plan::Plan;
use crate::report::{Report, SETUP, Table};
use crate::speech::Talk;
use crate::systems::bridge::{self, Bridge, Mixes};
use crate::systems::forwarder::{self, Forwarder};
use crate::systems::janus::Janus;
use crate::systems::{Running, System};
use crate::tally::{Count, Tally};
use anyhow::{Result, bail, ensure};
use e2e::audio::Voice;
use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;

/// The bench.
pub const BENCH: Bench = Bench {
    name: "rooms",
    about: "CPU of one bridge process with one, two and five speakers a room, beside Janus and the bare forwarder",
    run,
    part,
};

/// How long everything runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// The least share of the packets that must be heard: who loses more does less work.
const LEAST_HEARD: f64 = 0.98;

/// Packets of somebody who speaks, a second.
const RATE: f64 = 50.0;

/// The complexity of our encoders. Janus is set to the same.
const COMPLEXITY: u32 = 5;

/// What one system showed in one turn.
#[derive(Debug)]
struct Shown {
    /// CPU for each room, in percent of a core.
    cpu: f64,
    /// Share of the packets that should have been heard that were.
    heard: f64,
    sound: Sound,
}

/// What a system showed in all turns.
struct Row {
    name: String,
    turns: Vec<Shown>,
    /// Why it has no more turns.
    failure: Option<String>,
}

impl Shown {
    /// Fails unless everything was heard as it should be.
    fn checked(self) -> Result<Self> {
        ensure!(self.sound.passes, "does not sound as it should: {}", self.sound.text);
        ensure!(
            self.heard >= LEAST_HEARD,
            "lost packets: {:.1} % were heard",
            self.heard * 100.0
        );
        Ok(self)
    }
}

fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new();
    let janus = Janus::is_there();
    if !janus {
        report.missing("Janus", SETUP);
    }
    let length = WARM_UP + plan.measured() + Duration::from_secs(1);
    let talks = Talk::of_all(&Voice::ALL, length)?;
    let mut table = Table::new(
        "CPU of one process, user and system (medians)",
        &[
            "rooms and speakers",
            "system",
            "% of a core a room",
            "bridge to it",
            "in single turns",
            "heard",
            "sound in the first turn",
        ],
    );
    for case in plan.choose(&CASES, |case| case.name)? {
        let rows = compare(case, &case.systems(janus), &talks, plan);
        tell(case, &rows, &mut table, &mut report);
    }
    report.table(table);
    Ok(report)
}

/// Has all systems take turns. Who fails in one has no more, and without the first there is nothing to compare.
fn compare(case: &Case, systems: &[Box<dyn System>], talks: &[Talk], plan: &Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = systems
        .iter()
        .map(|system| Row {
            name: system.name(),
            turns: Vec::new(),
            failure: None,
        })
        .collect();
    for _ in 0..plan.turns() {
        for (system, row) in systems.iter().zip(&mut rows) {
            if row.failure.is_none() {
                match measure(case, system.as_ref(), talks, plan.measured()).and_then(Shown::checked) {
                    Ok(shown) => row.turns.push(shown),
                    Err(error) => row.failure = Some(format!("{}: {error:#}", row.name)),
                }
            }
        }
        if rows.first().is_none_or(|ours| ours.failure.is_some()) {
            break;
        }
    }
    rows
}

fn measure(case: &Case, system: &dyn System, talks: &[Talk], measured: Duration) -> Result<Shown> {
    let ground = Ground::new(case.parties)?;
    let running = system.start(case.rooms, &ground.addresses()?)?;
    let talkers = Steady(Conversation(talks.get(..case.speakers).unwrap_or_default()));
    let mut ears: Vec<Tally> = (0..case.parties).map(|_| Tally::default()).collect();
    let counts: Vec<Count> = ears
        .iter()
        .skip(case.first_listener())
        .map(|ear| ear.count.clone())
        .collect();
    let (cpu, packets) = ground.run(&running.reach, &talkers, &mut ears, || {
        sleep(WARM_UP);
        watch(&running, &counts, measured)
    })?;
    let expected = RATE * measured.as_secs_f64() * (case.rooms * counts.len()) as f64;
    let far_end = ears.last().map(|ear| &ear.first_room);
    Ok(Shown {
        cpu: cpu / case.rooms as f64 * 100.0,
        heard: packets as f64 / expected,
        sound: Sound::of(case, far_end, talks, WARM_UP + measured)?,
    })
}

/// Watches a process for so long: which share of a core it used, and what was heard meanwhile.
fn watch(running: &Running, counts: &[Count], measured: Duration) -> Result<(f64, u64)> {
    let heard = || counts.iter().map(Count::so_far).sum::<u64>();
    let before = (cpu_time(running.process())?, heard());
    sleep(measured);
    let after = (cpu_time(running.process())?, heard());
    let cpu = after.0.saturating_sub(before.0).as_secs_f64() / measured.as_secs_f64();
    Ok((cpu, after.1 - before.1))
}

/// Puts what was found into the table, and what has a goal among the figures.
fn tell(case: &Case, rows: &[Row], table: &mut Table, report: &mut Report) {
    let Some((ours, _)) = rows.split_first() else {
        return;
    };
    for row in rows {
        let figure = case.figure(&row.name);
        if let Some(reason) = ours.failure.as_ref().or(row.failure.as_ref()) {
            let name = figure.unwrap_or_else(|| format!("{} {}", case.name, row.name));
            report.failed(&name, reason);
            continue;
        }
        let turns = ours.turns.iter().zip(&row.turns);
        let ratios: Vec<f64> = turns.map(|(ours, other)| ours.cpu / other.cpu).collect();
        let ratio = median(ratios.iter().copied());
        let [least, most] = [0.0, 1.0].map(|share| percentile(ratios.iter().copied(), share));
        if let Some(figure) = figure {
            report.figure(&figure, ratio, "");
        }
        let first = row.turns.first();
        table.row([
            case.title(),
            row.name.clone(),
            format!("{:.3}", median(row.turns.iter().map(|turn| turn.cpu))),
            format!("{ratio:.3}"),
            format!("{least:.2} to {most:.2}"),
            format!("{:.1} %", median(row.turns.iter().map(|turn| turn.heard)) * 100.0),
            first.map(|turn| turn.sound.text.clone()).unwrap_or_default(),
        ]);
    }
}

/// People who all speak all the time, each room at another place of what they say.
struct Conversation<'a>(&'a [Talk]);

impl Script for Conversation<'_> {
    fn speakers(&self) -> Range<usize> {
        0..self.0.len()
    }

    fn say(&self, room: usize, party: usize, number: u64, opus: &mut Vec<u8>) {
        if let Some(talk) = self.0.get(party) {
            opus.extend_from_slice(talk.packet(number + room as u64 * 37));
        }
    }
}

fn part(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((part, rest)) if part == bridge::PART => bridge::run(rest),
        Some((part, rest)) if part == forwarder::PART => forwarder::run(rest),
        _ => bail!("the parts are {} and {}", bridge::PART, forwarder::PART),
    }
}

impl Case {
    /// Our bridge first, then what it is compared to.
    fn systems(&self, janus: bool) -> Vec<Box<dyn System>> {
        // Where one speaks nothing is encoded, so that the settings of mixes do not matter.
        let mixes = if self.speakers == 1 {
            Mixes::Shipped
        } else {
            Mixes::Mono
        };
        let mut systems: Vec<Box<dyn System>> = vec![Box::new(Bridge(mixes))];
        if self.beside_janus && janus {
            systems.push(Box::new(Janus {
                prebuffering: 2,
                complexity: COMPLEXITY,
            }));
        }
        if self.speakers == 1 {
            systems.push(Box::new(Forwarder));
        } else {
            systems.push(Box::new(Bridge(Mixes::Shipped)));
        }
        systems
    }
}
