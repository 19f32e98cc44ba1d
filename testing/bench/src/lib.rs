//! Benches: what the bridges cost and how good they are, beside what they are compared to in the same run.
//!
//! `cargo xtask bench` builds this in release mode and calls it. A bench is a file or folder of its own with a
//! [`Bench`](benches::Bench) that [`benches::BENCHES`] lists. Its `run` gives back a [`Report`](report::Report): tables for people
//! to read, and *figures*, of which each may have a goal in `goals.toml`. What has to run in a process of its own is a
//! *part* of the bench: [`benches::part`] starts this very program anew for it.
//!
//! `docs/performance.md` says how each bench measures, and what it found.

#![expect(
    clippy::cast_precision_loss,
    reason = "numbers of rooms and packets are far below 2^52"
)]

pub mod benches;
mod callgrind;
mod codec;
pub mod cpu;
pub mod goals;
pub mod ground;
pub mod impaired;
pub mod latency;
pub mod machine;
pub mod plan;
pub mod relay;
pub mod report;
pub mod rooms;
pub mod speech;
pub mod systems;
pub mod tally;
pub mod wire;
