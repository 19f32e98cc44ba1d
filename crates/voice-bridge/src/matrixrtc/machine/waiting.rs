//! The bridge is out, and tries again later if there is still anybody in the call.

use std::time::Instant;

use super::backoff::Failures;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) until: Instant,
    pub(super) cause: Cause,
    pub(super) failures: Failures,
}

/// What it takes to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody who gives the bot the power.
    Power,
    /// Nothing but time, as far as is known.
    Passing,
}
