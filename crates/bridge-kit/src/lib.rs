//! What both bridges share: configuration, telemetry, lifecycle, the Matrix end and the UDP end of VDP.
//!
//! This crate is the shell around the pure crates: it owns sockets, clocks, tasks and threads, and knows
//! neither Discord nor WebRTC.

pub mod channel;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod health;
mod instruments;
pub mod lifecycle;
pub mod matrix;
pub mod media;
mod notify;
mod program;
pub mod supervise;
pub mod telemetry;
pub mod udp;
pub mod vdp;

pub use self::instruments::INSTRUMENTS;
