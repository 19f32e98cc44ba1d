//! Bench `codec`: instructions for each packet, beside plain rmp-serde derive.

mod work;

use crate::benches::Bench;
use crate::callgrind;
use crate::plan::Plan;
use crate::report::{Report, SETUP, Table};
use anyhow::{Context as _, Result};
use work::{Order, WORK, Work};

pub(crate) const BENCH: Bench = Bench {
    name: NAME,
    about: "instructions for a packet encoded, decoded, sealed and opened, beside plain rmp-serde derive (needs Valgrind)",
    run,
    part,
};

const NAME: &str = "codec";

/// Instructions are the same in every run, so that there is nothing to shorten.
fn run(_: &Plan) -> Result<Report> {
    let mut report = Report::new();
    if !callgrind::is_there() {
        report.missing("Valgrind", SETUP);
        return Ok(report);
    }
    let mut table = Table::new(
        "Instructions for one packet, room id of 32 bytes, 160 bytes of voice",
        &["", "instructions"],
    );
    let mut add = |name: &str, what: &str, instructions: Result<f64>| match instructions {
        Ok(instructions) => {
            table.row([what.to_owned(), format!("{instructions:.0}")]);
            report.figure(name, instructions, "instructions");
        }
        Err(error) => report.failed(name, &format!("{error:#}")),
    };
    for work in WORK {
        add(work.name, work.what, instructions(&work));
    }
    let others = Order::others().map(|order| callgrind::instructions(NAME, order.name()));
    let dearest = others.reduce(|dearest, other| Ok(dearest?.max(other?)));
    add(
        "decode_any_order",
        "decode, the dearest other order of keys",
        dearest.context("there are other orders")?,
    );
    report.table(table);
    Ok(report)
}

fn instructions(work: &Work) -> Result<f64> {
    // A packet opens once only, so each round seals one first.
    let with_it = callgrind::instructions(NAME, work.name)?;
    let before = match work.after {
        Some(name) => callgrind::instructions(NAME, name)?,
        None => 0.0,
    };
    Ok(with_it - before)
}

/// Does one thing as often as asked: the name of what to do, and how often.
fn part(arguments: &[String]) -> Result<()> {
    let [name, rounds] = arguments else {
        anyhow::bail!("a name and a number of rounds are wanted");
    };
    let rounds = rounds.parse()?;
    if let Some(order) = Order::others().find(|order| order.name() == name) {
        work::decode_in(order, rounds);
        return Ok(());
    }
    let work = WORK.iter().find(|work: &&Work| work.name == name);
    (work.with_context(|| format!("{name} is unknown"))?.run)(rounds);
    Ok(())
}
