//! How long to wait for what, and how repeats spread out.

use std::time::{Duration, Instant};

/// How long each side waits, and how often it repeats itself. The defaults are those of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// How a request or an offer is repeated that gets no answer.
    pub repeat: Backoff,
    /// How the answering side spaces out renegotiations of a channel that breaks again before anything was heard.
    pub renegotiate: Backoff,
    /// How long to wait until a new channel carries packets: the asking side from its request, the answering
    /// side from its first offer.
    pub open_within: Duration,
    /// How long the answering side may take to decide and to enter the voice channel.
    pub admit_within: Duration,
    /// How long a channel that broke may take until it carries packets again.
    pub recover_within: Duration,
    /// How long after its start the asking side waits for its calls to ask again for the channels that were open before,
    /// until it closes them.
    pub resume_within: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            repeat: Backoff {
                first: Duration::from_secs(2),
                most: Duration::from_secs(8),
            },
            renegotiate: Backoff {
                first: Duration::from_secs(1),
                most: Duration::from_secs(8),
            },
            open_within: Duration::from_secs(30),
            admit_within: Duration::from_secs(20),
            recover_within: Duration::from_mins(1),
            resume_within: Duration::from_secs(15),
        }
    }
}

/// A wait that doubles up to a limit, with jitter of up to a fifth either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Backoff {
    /// The wait before the given attempt, which counts from 0.
    ///
    /// The jitter follows from the seed and the attempt alone, so that equal machines stay equal.
    pub fn delay(&self, attempt: u8, seed: u64) -> Duration {
        let doubled = self.doubled(attempt);
        let thousandths = 800 + mix(seed.wrapping_add(attempt.into())) % 401;
        let share = u32::try_from(thousandths).unwrap_or(1_000);
        doubled.min(self.most).saturating_mul(share) / 1_000
    }

    /// Counts attempts up to where the wait stops to grow.
    fn next(self, attempt: u8) -> u8 {
        if self.doubled(attempt) < self.most {
            next_attempt(attempt)
        } else {
            attempt
        }
    }

    fn doubled(self, attempt: u8) -> Duration {
        self.first.saturating_mul(1 << attempt.min(MOST_DOUBLINGS))
    }
}

/// Beyond these the wait is at its limit for any sensible setting, and the count of attempts stands still.
const MOST_DOUBLINGS: u8 = 10;

/// Something that is said again and again until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Repeat {
    /// When to say it again.
    pub(crate) at: Instant,
    attempt: u8,
}

impl Repeat {
    /// Said for the first time now.
    pub(crate) fn first(now: Instant, backoff: Backoff, seed: u64) -> Self {
        Self {
            at: now + backoff.delay(0, seed),
            attempt: 0,
        }
    }

    /// Said once more now.
    pub(crate) fn again(self, now: Instant, backoff: Backoff, seed: u64) -> Self {
        let attempt = backoff.next(self.attempt);
        Self {
            at: now + backoff.delay(attempt, seed),
            attempt,
        }
    }
}

/// Counts attempts up to where they stop to matter.
pub(crate) fn next_attempt(attempt: u8) -> u8 {
    attempt.saturating_add(1).min(MOST_DOUBLINGS)
}

/// A bijection that scatters its input over all 64 bits (the finaliser of `SplitMix64`).
pub(crate) const fn mix(input: u64) -> u64 {
    let mut bits = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
