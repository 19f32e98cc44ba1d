//! Opus packets, jitter buffer and the forward-or-mix engine, without any I/O.
//!
//! Nothing in this crate reads a clock, opens a socket or starts a thread: time comes in as an argument, so hours of
//! a call run in a test in seconds. One [`Engine`] serves one room. Its owner
//!
//! 1. gives it packets with [`Engine::handle_packet`],
//! 2. calls [`Engine::handle_timeout`] when [`Engine::poll_timeout`] is due,
//! 3. and after either drains [`Engine::poll_packet`] until there is nothing left.
//!
//! One active speaker is forwarded to a listener byte by byte, in the call that brought his packet. Where a listener
//! would hear several, their voices are decoded, mixed and encoded every 20 ms.
//!
//! # Units
//! Times of media are samples at 48 kHz whatever the coded bandwidth is, as in RTP (RFC 7587 §4.1). Levels are
//! −dBov, 0 (loudest) to 127 (silence), as in RFC 6464. Packets that leave the engine last exactly
//! [`FRAME_SAMPLES`].

#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "virtual time needs an instant to count from")
)]

mod codec;
mod engine;
mod framer;
mod limiter;
pub mod opus;
mod place;
mod ports;
mod ring;
mod speech;
mod stretch;
mod timeline;
mod waits;

use std::time::Duration;

pub use self::engine::{Engine, EngineError, Stats};
pub use self::ports::{
    Channels, Except, Groups, InPacket, OutPacket, SinkClock, SinkId, SinkSpec, SourceId, SourceSpec,
};
pub use self::waits::Waits;

/// Samples a second of every time and duration in this crate (RFC 7587 §4.1).
pub const SAMPLE_RATE: u32 = 48_000;

/// Samples of each packet that leaves an engine: 20 ms, the only duration Discord takes.
pub const FRAME_SAMPLES: u32 = 960;

/// How long a packet of [`FRAME_SAMPLES`] lasts.
pub const FRAME: Duration = Duration::from_millis(20);

/// Largest Opus packet that enters or leaves an engine, in bytes: one frame of the largest size that RFC 6716 §3.4
/// allows (R2).
pub const MAX_OPUS: usize = 1_275;
