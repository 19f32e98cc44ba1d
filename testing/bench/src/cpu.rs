//! What processes cost, by the operating system's own accounting.

use anyhow::{Context as _, Result};
use nix::time::ClockId;
use nix::unistd::Pid;
use std::time::Duration;

/// The CPU time (user and system) that all threads of a process have used so far.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let process = Pid::from_raw(i32::try_from(process)?);
    let clock = ClockId::pid_cpu_clock_id(process);
    let time = clock.and_then(ClockId::now);
    Ok(time.context("the CPU time of a process cannot be read")?.into())
}

/// The middle one of some numbers, or the mean of both in the middle; what is no number if there are none.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    match middle.checked_sub(1).and_then(|lower| sorted.get(lower)) {
        Some(lower) if sorted.len().is_multiple_of(2) => f64::midpoint(*lower, upper),
        _ => upper,
    }
}

/// The number below which the given share of all lies; what is no number if there are none.
pub fn percentile(numbers: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list in memory"
    )]
    let place = (share * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_shows_in_the_time_of_its_process() {
        let before = cpu_time(std::process::id()).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        let used = cpu_time(std::process::id()).unwrap().saturating_sub(before);
        assert!(used > Duration::from_millis(10), "{used:?}");
    }

    #[test]
    fn the_middle_is_found_in_any_order() {
        assert!((median([5.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
        assert!((median([5.0, 1.0]) - 3.0).abs() < 1e-9);
        assert!((percentile((0..=100).map(f64::from), 0.99) - 99.0).abs() < 1e-9);
        assert!(median([]).is_nan());
    }
}
