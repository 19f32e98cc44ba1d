//! What the index of a packet says: new, late, a duplicate, lost packets before it, a sender that counts anew.

use crate::seen::{Seen, WINDOW};

/// How many indices may be skipped at once: 60 s of 20 ms packets. A channel breaks after far less.
pub const MAX_JUMP: u64 = 3_000;

/// How many packets in a row, each outside the window or a duplicate and each with an index 1 to this many above the
/// one before, show that the sender counts anew.
pub const RESTART_RUN: u32 = 16;

/// What the index of a packet says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the newest.
    Next {
        /// How many indices were skipped just before it. They count as lost until they come late.
        lost_before: u64,
    },
    /// It fills a gap: it was overtaken on the way.
    Late,
    /// It was received before, and must be dropped.
    Duplicate,
    /// It is so far behind or ahead that it says nothing, and must be dropped.
    Outside,
    /// It ends a run that shows that the sender counts anew. It is the newest; the window begins again with it.
    Restarted,
}

impl Verdict {
    /// Whether the packet is to be used.
    pub const fn is_fresh(self) -> bool {
        match self {
            Self::Next { .. } | Self::Late | Self::Restarted => true,
            Self::Duplicate | Self::Outside => false,
        }
    }
}

/// Counts of a [`Window`] since it was made, in packets, keep-alives included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct WindowStats {
    /// Packets to be used: each index once.
    pub received: u64,
    /// Indices above the first one received that were skipped and have not come late.
    pub lost: u64,
    /// Packets that were overtaken on the way, and still used.
    pub late: u64,
    /// Packets dropped as duplicates.
    pub duplicates: u64,
    /// Packets dropped as too far behind or ahead.
    pub outside: u64,
    /// How often the sender was found to count anew.
    pub restarts: u64,
}

/// Judges the indices of one room's packets in one direction.
///
/// The first index received may be any: what was sent before the receiver listened is not lost. Of packets that
/// are dropped, a long enough orderly run restarts the window ([`RESTART_RUN`]), so that a sender that begins to
/// count anew without being told to is heard again soon.
#[derive(Debug, Clone)]
pub struct Window {
    /// The first index since the start or the last restart; `None` before any.
    first: Option<u64>,
    highest: u64,
    seen: Seen,
    /// Added to an index, wrapping, gives its place in an order that runs on over restarts.
    offset: u64,
    run: Run,
    stats: WindowStats,
}

/// Dropped packets in a row whose indices rise.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    last: u64,
    length: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// A window that has seen nothing.
    pub const fn new() -> Self {
        Self {
            first: None,
            highest: 0,
            seen: Seen::NONE,
            offset: 0,
            run: Run { last: 0, length: 0 },
            stats: WindowStats {
                received: 0,
                lost: 0,
                late: 0,
                duplicates: 0,
                outside: 0,
                restarts: 0,
            },
        }
    }

    /// Takes note of a packet's index and judges it.
    #[must_use]
    pub fn accept(&mut self, index: u64) -> Verdict {
        let verdict = self.judge(index);
        match verdict {
            Verdict::Next { lost_before } => {
                self.advance(index);
                self.stats.lost += lost_before;
            }
            Verdict::Late => {
                self.seen.mark(index);
                self.stats.late += 1;
                if self.first.is_some_and(|first| index > first) {
                    self.stats.lost = self.stats.lost.saturating_sub(1);
                }
            }
            Verdict::Duplicate => self.stats.duplicates += 1,
            Verdict::Outside => self.stats.outside += 1,
            Verdict::Restarted => {
                self.restart(index);
                self.stats.restarts += 1;
            }
        }
        if verdict.is_fresh() {
            self.run = Run::default();
            self.stats.received += 1;
        }
        verdict
    }

    /// The place of `index` in an order that rises with the index and, unlike it, runs on over restarts.
    pub const fn order(&self, index: u64) -> u64 {
        index.wrapping_add(self.offset)
    }

    /// The counts so far.
    pub const fn stats(&self) -> WindowStats {
        self.stats
    }

    fn judge(&mut self, index: u64) -> Verdict {
        if self.first.is_none() {
            return Verdict::Next { lost_before: 0 };
        }
        let verdict = match index.checked_sub(self.highest) {
            Some(0) => Verdict::Duplicate,
            Some(ahead) if ahead - 1 <= MAX_JUMP => return Verdict::Next { lost_before: ahead - 1 },
            Some(_) => Verdict::Outside,
            None if self.highest - index >= WINDOW => Verdict::Outside,
            None if self.seen.holds(index) => Verdict::Duplicate,
            None => return Verdict::Late,
        };
        if self.run.extend(index) {
            Verdict::Restarted
        } else {
            verdict
        }
    }

    fn advance(&mut self, index: u64) {
        if self.first.is_none() {
            self.first = Some(index);
        } else {
            self.seen.advance(self.highest, index);
        }
        self.highest = index;
        self.seen.mark(index);
    }

    fn restart(&mut self, index: u64) {
        self.offset = self.order(self.highest).wrapping_add(1).wrapping_sub(index);
        self.first = Some(index);
        self.highest = index;
        self.seen = Seen::NONE;
        self.seen.mark(index);
    }
}

impl Run {
    /// Adds a dropped packet, and says whether the run is complete.
    fn extend(&mut self, index: u64) -> bool {
        let follows = index
            .checked_sub(self.last)
            .is_some_and(|step| (1..=u64::from(RESTART_RUN)).contains(&step));
        self.length = if self.length > 0 && follows { self.length + 1 } else { 1 };
        self.last = index;
        self.length >= RESTART_RUN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window_after(indices: impl IntoIterator<Item = u64>) -> Window {
        let mut window = Window::new();
        for index in indices {
            let _ = window.accept(index);
        }
        window
    }

    #[test]
    fn packets_in_order_are_next() {
        let mut window = Window::new();
        for index in 0..5_000 {
            assert_eq!(window.accept(index), Verdict::Next { lost_before: 0 }, "{index}");
        }
        assert_eq!(
            window.stats(),
            WindowStats {
                received: 5_000,
                ..WindowStats::default()
            }
        );
    }

    #[test]
    fn what_was_sent_before_the_first_heard_is_not_lost() {
        let mut window = Window::new();
        assert_eq!(window.accept(700), Verdict::Next { lost_before: 0 });
        assert_eq!(window.accept(698), Verdict::Late);
        assert_eq!(window.accept(698), Verdict::Duplicate);
        assert_eq!(window.stats().lost, 0);
    }

    #[test]
    fn a_gap_is_lost_until_it_comes_late() {
        let mut window = window_after([10]);
        assert_eq!(window.accept(14), Verdict::Next { lost_before: 3 });
        assert_eq!(window.stats().lost, 3);
        assert_eq!(window.accept(12), Verdict::Late);
        assert_eq!(window.accept(12), Verdict::Duplicate);
        assert_eq!(
            window.stats(),
            WindowStats {
                received: 3,
                lost: 2,
                late: 1,
                duplicates: 1,
                ..WindowStats::default()
            }
        );
    }

    #[test]
    fn duplicates_are_told_over_the_whole_window_and_not_beyond() {
        let mut window = window_after(0..=2_000);
        assert_eq!(window.accept(2_000), Verdict::Duplicate);
        assert_eq!(window.accept(2_000 - WINDOW + 1), Verdict::Duplicate);
        assert_eq!(window.accept(2_000 - WINDOW), Verdict::Outside);
    }

    #[test]
    fn a_jump_wider_than_the_window_forgets_it() {
        let mut window = window_after(0..10);
        let jump = 9 + WINDOW + 500;
        assert_eq!(
            window.accept(jump),
            Verdict::Next {
                lost_before: WINDOW + 499
            }
        );
        for index in jump - WINDOW + 1..jump {
            assert_eq!(window.accept(index), Verdict::Late, "{index}");
        }
    }

    #[test]
    fn a_jump_is_taken_up_to_the_limit_and_dropped_beyond() {
        let mut window = window_after([0]);
        assert_eq!(window.accept(MAX_JUMP + 2), Verdict::Outside);
        assert_eq!(window.accept(u64::MAX), Verdict::Outside);
        assert_eq!(
            window.accept(1),
            Verdict::Next { lost_before: 0 },
            "a stray packet does no harm"
        );
        assert_eq!(window.accept(MAX_JUMP + 2), Verdict::Next { lost_before: MAX_JUMP });
        assert_eq!(window.stats().lost, MAX_JUMP);
    }

    fn assert_restart(mut window: Window, first: u64) {
        let before = window.stats();
        let last = first + u64::from(RESTART_RUN) - 1;
        for index in first..last {
            assert!(!window.accept(index).is_fresh(), "{index}");
        }
        assert_eq!(window.accept(last), Verdict::Restarted);
        assert_eq!(window.accept(last + 1), Verdict::Next { lost_before: 0 });
        assert_eq!(window.stats().lost, before.lost);
        assert_eq!(window.stats().restarts, 1);
        assert_eq!(window.stats().received, before.received + 2);
    }

    #[test]
    fn a_sender_that_counts_anew_is_heard_again_after_a_run() {
        assert_restart(window_after(0..100_000), 0);
        assert_restart(window_after(0..500), 0);
        assert_restart(window_after(0..500), 1_000_000);
    }

    #[test]
    fn a_run_may_have_small_gaps_but_not_go_back() {
        let mut window = window_after(0..500);
        for index in (0..).step_by(3).take(RESTART_RUN as usize - 1) {
            assert_eq!(window.accept(index), Verdict::Duplicate);
        }
        assert_eq!(window.accept(0), Verdict::Duplicate, "back: the run begins again");
        assert_eq!(window.accept(1), Verdict::Duplicate);
    }

    #[test]
    fn duplicates_between_fresh_packets_are_no_run() {
        let mut window = Window::new();
        for index in 0..100 {
            assert_eq!(window.accept(index), Verdict::Next { lost_before: 0 });
            assert_eq!(window.accept(index), Verdict::Duplicate);
        }
        assert_eq!(window.stats().restarts, 0);
    }

    #[test]
    fn the_order_runs_on_over_a_restart() {
        let mut window = window_after(0..500);
        assert_eq!(window.order(499), 499);
        for index in 0..u64::from(RESTART_RUN) {
            let _ = window.accept(index);
        }
        let first = u64::from(RESTART_RUN) - 1;
        assert_eq!(window.order(first), 500);
        assert_eq!(window.order(first + 10), 510);
    }
}
