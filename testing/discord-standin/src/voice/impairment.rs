//! What a bad network does to voice: one decision for each datagram, the same ones for the same seed.
//!
//! Nothing here sends or waits. Time is a number that the caller brings.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::{
    control::types::{ActiveImpairment, Direction, Impairment, ImpairmentCounts},
    snowflake::Snowflake,
};

const MILLISECOND: u64 = 1_000_000;

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives.
    Arrives {
        /// When, by the clock of whoever asks, in nanoseconds.
        at_ns: u64,
        /// Whether it comes a second time.
        twice: bool,
    },
}

impl Fate {
    /// What becomes of a datagram that meets no impairment.
    pub(crate) const fn unharmed(now_ns: u64) -> Self {
        Self::Arrives {
            at_ns: now_ns,
            twice: false,
        }
    }
}

/// All impairments: those of single members, and those of everyone else.
#[derive(Debug, Default)]
pub(crate) struct Impairments(BTreeMap<(Direction, Option<Snowflake>), Impairer>);

impl Impairments {
    /// Puts an impairment in force, in place of the one before.
    pub(crate) fn set(&mut self, direction: Direction, user: Option<Snowflake>, impairment: Impairment) {
        self.0.insert((direction, user), Impairer::new(impairment));
    }

    /// Decides about one datagram; a member's own impairment goes before everyone's.
    pub(crate) fn meet(&mut self, direction: Direction, user: Option<Snowflake>, now_ns: u64) -> Fate {
        let own = (direction, user);
        let key = if self.0.contains_key(&own) {
            own
        } else {
            (direction, None)
        };
        self.0
            .get_mut(&key)
            .map_or(Fate::unharmed(now_ns), |impairer| impairer.meet(now_ns))
    }

    /// What is in force, and what it did.
    pub(crate) fn active(&self) -> Vec<ActiveImpairment> {
        let of = |(&(direction, user), impairer): (&(Direction, Option<Snowflake>), &Impairer)| ActiveImpairment {
            user_id: user.map(|user| user.to_string()),
            direction,
            impairment: impairer.impairment,
            counts: impairer.counts,
        };
        self.0.iter().map(of).collect()
    }
}

/// One impairment with its chance and its memory.
#[derive(Debug)]
pub struct Impairer {
    impairment: Impairment,
    chance: StdRng,
    /// Whether the datagram before was lost.
    losing: bool,
    /// When the latest datagram in order arrives.
    latest_ns: u64,
    counts: ImpairmentCounts,
}

impl Impairer {
    /// An impairment that has met no datagram yet.
    pub fn new(impairment: Impairment) -> Self {
        Self {
            chance: StdRng::seed_from_u64(impairment.seed),
            impairment,
            losing: false,
            latest_ns: 0,
            counts: ImpairmentCounts::default(),
        }
    }

    /// Decides about the next datagram.
    pub fn meet(&mut self, now_ns: u64) -> Fate {
        self.counts.seen += 1;
        if self.impairment.cut {
            self.counts.cut += 1;
            return Fate::Lost;
        }
        // Every datagram uses chance equally often, so that one kind of harm does not shift the others.
        let [lost, spread, held_back, twice]: [f64; 4] = std::array::from_fn(|_| self.chance.random());
        self.losing = lost < self.loss_now();
        if self.losing {
            self.counts.lost += 1;
            return Fate::Lost;
        }
        let at_ns = self.arrival(now_ns, spread, held_back < self.impairment.reorder);
        let twice = twice < self.impairment.duplicate;
        self.counts.duplicated += u64::from(twice);
        self.counts.delayed += u64::from(at_ns > now_ns);
        Fate::Arrives { at_ns, twice }
    }

    /// How likely the next datagram is lost: after a lost one as likely as makes bursts of the wanted length, after
    /// another as likely as makes the wanted share.
    fn loss_now(&self) -> f64 {
        let Impairment { loss, loss_burst, .. } = self.impairment;
        if loss_burst < 1.0 || loss >= 1.0 {
            return loss;
        }
        if self.losing {
            1.0 - 1.0 / loss_burst
        } else {
            loss / (loss_burst * (1.0 - loss))
        }
    }

    fn arrival(&mut self, now_ns: u64, spread: f64, held_back: bool) -> u64 {
        let Impairment {
            delay_ms,
            jitter_ms,
            reorder_ms,
            ..
        } = self.impairment;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the jitter"
        )]
        let jitter = (f64::from(jitter_ms) * spread * 1e6) as u64;
        let in_order = (now_ns + u64::from(delay_ms) * MILLISECOND + jitter).max(self.latest_ns);
        if held_back {
            self.counts.reordered += 1;
            return in_order + u64::from(reorder_ms) * MILLISECOND;
        }
        self.latest_ns = in_order;
        in_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 20 * MILLISECOND;

    /// The fates of datagrams that come every 20 ms.
    fn fates(impairment: Impairment, number: u64) -> (Vec<Fate>, ImpairmentCounts) {
        let mut impairer = Impairer::new(impairment);
        let fates = (0..number).map(|n| impairer.meet(n * TICK)).collect();
        (fates, impairer.counts)
    }

    fn lengths_of_bursts(fates: &[Fate]) -> Vec<usize> {
        fates
            .split(|fate| *fate != Fate::Lost)
            .map(<[Fate]>::len)
            .filter(|length| *length > 0)
            .collect()
    }

    #[test]
    fn the_default_changes_nothing() {
        let (fates, counts) = fates(Impairment::default(), 100);
        for (n, fate) in (0_u64..).zip(fates) {
            assert_eq!(fate, Fate::unharmed(n * TICK));
        }
        let seen = ImpairmentCounts {
            seen: 100,
            ..ImpairmentCounts::default()
        };
        assert_eq!(counts, seen);
    }

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let with_seed = |seed| Impairment {
            loss: 0.1,
            loss_burst: 3.0,
            jitter_ms: 40,
            reorder: 0.1,
            reorder_ms: 50,
            duplicate: 0.1,
            seed,
            ..Impairment::default()
        };
        assert_eq!(fates(with_seed(1), 1_000), fates(with_seed(1), 1_000));
        assert_ne!(fates(with_seed(1), 1_000).0, fates(with_seed(2), 1_000).0);
    }

    #[test]
    fn the_share_of_loss_is_what_was_asked_for_with_bursts_and_without() {
        for (loss_burst, mean) in [(0.0, 1.0 / 0.9), (4.0, 4.0)] {
            let impairment = Impairment {
                loss: 0.1,
                loss_burst,
                seed: 7,
                ..Impairment::default()
            };
            let (fates, counts) = fates(impairment, 100_000);
            assert!((9_000..11_000).contains(&counts.lost), "{counts:?}");
            let bursts = u32::try_from(lengths_of_bursts(&fates).len()).unwrap();
            let length = f64::from(u32::try_from(counts.lost).unwrap()) / f64::from(bursts);
            assert!(
                (length / mean - 1.0).abs() < 0.1,
                "bursts of {length} instead of {mean}"
            );
        }
    }

    #[test]
    fn jitter_keeps_the_order_and_stays_within_its_bounds() {
        let impairment = Impairment {
            delay_ms: 100,
            jitter_ms: 60,
            ..Impairment::default()
        };
        let (fates, counts) = fates(impairment, 1_000);
        assert_eq!(counts.delayed, 1_000);
        let mut before = 0;
        for (n, fate) in (0_u64..).zip(fates) {
            let Fate::Arrives { at_ns, twice: false } = fate else {
                panic!("{fate:?}");
            };
            assert!(at_ns >= before);
            assert!((100 * MILLISECOND..160 * MILLISECOND).contains(&(at_ns - n * TICK)));
            before = at_ns;
        }
    }

    #[test]
    fn what_is_held_back_lets_the_next_one_pass() {
        let impairment = Impairment {
            reorder: 0.2,
            reorder_ms: 30,
            ..Impairment::default()
        };
        let (fates, counts) = fates(impairment, 1_000);
        let late: Vec<u64> = (0_u64..)
            .zip(&fates)
            .filter(|(n, fate)| **fate != Fate::unharmed(n * TICK))
            .map(|(n, _)| n)
            .collect();
        assert_eq!(late.len() as u64, counts.reordered);
        assert!((100..300).contains(&counts.reordered));
        for n in late {
            let held = Fate::Arrives {
                at_ns: n * TICK + 30 * MILLISECOND,
                twice: false,
            };
            assert_eq!(fates[usize::try_from(n).unwrap()], held);
        }
    }

    #[test]
    fn a_cut_lets_nothing_through_and_duplicates_are_counted() {
        let cut = Impairment {
            cut: true,
            ..Impairment::default()
        };
        let (fates_of_cut, counts) = fates(cut, 10);
        assert!(fates_of_cut.iter().all(|fate| *fate == Fate::Lost));
        assert_eq!(counts.cut, 10);
        let twice = Impairment {
            duplicate: 1.0,
            ..Impairment::default()
        };
        assert_eq!(fates(twice, 10).1.duplicated, 10);
    }

    #[test]
    fn a_member_has_his_own_or_everyones() {
        let mut impairments = Impairments::default();
        let cut = Impairment {
            cut: true,
            ..Impairment::default()
        };
        impairments.set(Direction::ToServer, None, cut);
        impairments.set(Direction::ToServer, Some(Snowflake(1)), Impairment::default());
        assert_eq!(
            impairments.meet(Direction::ToServer, Some(Snowflake(1)), 5),
            Fate::unharmed(5)
        );
        assert_eq!(impairments.meet(Direction::ToServer, Some(Snowflake(2)), 5), Fate::Lost);
        assert_eq!(impairments.meet(Direction::ToServer, None, 5), Fate::Lost);
        assert_eq!(
            impairments.meet(Direction::FromServer, Some(Snowflake(2)), 5),
            Fate::unharmed(5)
        );
    }
}
