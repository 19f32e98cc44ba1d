//! Counts instructions with Callgrind, a tool of Valgrind.
//!
//! A part of a bench is run twice under it, for a number of rounds and for twice as many. The difference, divided, is
//! what one round costs: what the program does before and after has no part in it, and nothing has to be marked in it.

use crate::benches;
use anyhow::{Context as _, Result, ensure};
use std::process::{Command, Stdio};

/// Enough that what happens only sometimes, such as a page that is touched first, counts for less than one instruction.
const ROUNDS: u64 = 2_000;

/// Whether Valgrind is there.
pub(crate) fn is_there() -> bool {
    let mut command = Command::new("valgrind");
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null());
    command
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Instructions of one round of a part that takes its name and a number of rounds.
pub(crate) fn instructions(bench: &str, part: &str) -> Result<f64> {
    let once = total(bench, part, ROUNDS)?;
    let twice = total(bench, part, 2 * ROUNDS)?;
    let rounds = twice
        .checked_sub(once)
        .context("twice the rounds took fewer instructions")?;
    #[expect(clippy::cast_precision_loss, reason = "a few million are exact")]
    Ok(rounds as f64 / ROUNDS as f64)
}

fn total(bench: &str, part: &str, rounds: u64) -> Result<u64> {
    let program = benches::part(bench)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program.get_program())
        .args(program.get_args())
        .args([part, &rounds.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{part} failed under Valgrind: {said}");
    collected(&said).with_context(|| format!("Valgrind counted nothing: {said}"))
}

/// The count in what Callgrind says: `==123== Collected : 456`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_count_is_found() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(super::collected(said), Some(123_456));
        assert_eq!(super::collected("==7== nothing"), None);
    }
}
