//! One mix of a room, and the encoder for it.

use opus2::Error;

use super::ducking::Ducking;
use super::mask::Mask;
use crate::MAX_OPUS;
use crate::codec::{Coding, Encoder};
use crate::limiter::Limiter;

/// An encoder that nobody heard for this many ticks (1 s) is given back.
const IDLE_TICKS: u32 = 50;

/// Names an encoder and the sinks that share it.
pub(super) type GroupId = u64;

/// One mix: what several sinks hear who leave nobody out who speaks.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) coding: Coding,
    pub(super) ducking: Ducking,
    encoder: Encoder,
    limiter: Limiter,
    /// Ticks since it was last heard.
    idle: u32,
}

/// What makes the mixes of two sinks equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) heard: Mask,
    pub(super) coding: Coding,
}

impl Group {
    pub(super) fn new(id: GroupId, coding: Coding) -> Result<Self, Error> {
        Ok(Self {
            id,
            coding,
            ducking: Ducking::new(),
            encoder: Encoder::new(coding)?,
            limiter: Limiter::new(),
            idle: 0,
        })
    }

    pub(super) fn encode(
        &mut self,
        samples: &mut [f32],
        alone: bool,
        packet: &mut [u8; MAX_OPUS],
    ) -> Result<usize, Error> {
        self.idle = 0;
        self.limiter.apply(samples, self.coding.channels.count());
        self.encoder.encode(samples, alone, packet)
    }

    /// Whether it may serve sinks that have not heard it in this tick.
    pub(super) fn is_free(&self) -> bool {
        self.idle > 0
    }

    /// Ends a tick; `false` when it has not been heard for so long that it is to be given back.
    pub(super) fn end_tick(&mut self) -> bool {
        self.idle += 1;
        self.idle <= IDLE_TICKS
    }
}
