//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng;

/// Waits that double from a first one up to a limit, each with jitter, so that many do not come back at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    limit: Duration,
}

impl Backoff {
    /// Starts with waits of about `first`, which grow to `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        Self {
            next: first,
            first,
            limit,
        }
    }

    /// Returns the next wait: between half of the current step and the whole of it.
    pub fn wait(&mut self, rng: &mut impl Rng) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.limit);
        step.mul_f64(rng.random_range(0.5..=1.0))
    }

    /// Starts from the first wait again, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_with_jitter_and_start_again_after_a_success() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        for step in [1, 2, 4, 5, 5] {
            let wait = backoff.wait(&mut rng);
            let step = Duration::from_secs(step);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} for {step:?}");
        }
        backoff.reset();
        assert!(backoff.wait(&mut rng) <= Duration::from_secs(1));
    }
}
