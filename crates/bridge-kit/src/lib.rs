//! What both bridges share: configuration, telemetry, lifecycle, the Matrix end and the UDP end of VDP.
//!
//! This crate is the shell around the pure crates: it owns sockets, clocks, tasks and threads, and knows
//! neither Discord nor WebRTC.

pub mod channel;
pub mod matrix;
pub mod media;
pub mod vdp;
