use proptest::prelude::*;

use super::*;

const EVERY: Duration = Duration::from_millis(100);
const BURST: u32 = 3;

fn ledger(hold: Duration) -> Ledger<u8, u8> {
    Ledger::new(Terms {
        pace: Pace::new(BURST, EVERY),
        hold,
        most: 6,
    })
}

/// What happens to a ledger.
#[derive(Debug, Clone)]
enum Step {
    Wish(u8, Option<u8>),
    Found(u8, u8),
    Forget(u8),
    /// Time passes; what becomes due in it is begun.
    Wait(u16),
    /// What is under way comes to this end. A failure may come after the deed.
    End(Outcome, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Written),
        1 => (0..5_000_u64).prop_map(|ms| Outcome::Limited(Duration::from_millis(ms))),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Refused),
    ];
    prop_oneof![
        6 => (0..8_u8, prop::option::of(0..3_u8)).prop_map(|(key, wish)| Step::Wish(key, wish)),
        1 => (0..8_u8, 0..3_u8).prop_map(|(key, there)| Step::Found(key, there)),
        1 => (0..8_u8).prop_map(Step::Forget),
        4 => (0..3_000_u16).prop_map(Step::Wait),
        6 => (outcome, any::<bool>()).prop_map(|(outcome, deed)| Step::End(outcome, deed)),
    ]
}

/// A far end, and what was ever asked of it.
struct World {
    ledger: Ledger<u8, u8>,
    now: Instant,
    /// What is really there.
    there: BTreeMap<u8, u8>,
    /// The last wishes that the ledger has not forgotten, and did not turn away.
    wishes: BTreeMap<u8, Option<u8>>,
    refused: BTreeMap<u8, Option<u8>>,
    under_way: Option<Write<u8, u8>>,
    begun: Vec<Instant>,
    quiet_until: Option<Instant>,
}

impl World {
    fn new(hold: Duration) -> Self {
        Self {
            ledger: ledger(hold),
            now: Instant::now(),
            there: BTreeMap::new(),
            wishes: BTreeMap::new(),
            refused: BTreeMap::new(),
            under_way: None,
            begun: Vec::new(),
            quiet_until: None,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Wish(key, wish) => {
                let outcome = self.ledger.wish(self.now, key, wish);
                if outcome != Wished::Full && (wish.is_some() || self.wishes.contains_key(&key)) {
                    self.wishes.insert(key, wish);
                }
                if outcome == Wished::Changed {
                    self.refused.remove(&key);
                }
            }
            Step::Found(key, there) => self.find(key, there),
            Step::Forget(key) => {
                // Whoever forgets a thing has no hold on it any more.
                self.ledger.forget(&key);
                self.wishes.remove(&key);
                self.there.remove(&key);
            }
            Step::Wait(millis) => self.wait(Duration::from_millis(millis.into())),
            Step::End(outcome, deed) => self.end(outcome, deed),
        }
        self.begin();
    }

    /// Somebody reads what is there, when nothing is known of it.
    fn find(&mut self, key: u8, there: u8) {
        let is_under_way = self.under_way.as_ref().is_some_and(|write| write.key == key);
        if !is_under_way && !self.wishes.contains_key(&key) && self.ledger.entries.len() < 6 {
            self.there.insert(key, there);
            self.wishes.insert(key, Some(there));
            self.ledger.found(self.now, key, there);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, _)) = self.ledger.due().filter(|(due, _)| *due <= end) {
            self.now = self.now.max(due);
            self.begin();
        }
        self.now = end;
    }

    fn begin(&mut self) {
        let Some(write) = self.ledger.next(self.now) else {
            return;
        };
        assert!(self.under_way.is_none(), "one at a time");
        assert!(
            self.quiet_until.is_none_or(|until| until <= self.now),
            "it was asked for patience"
        );
        assert_eq!(self.wishes.get(&write.key), Some(&write.to), "the last wish");
        self.begun.push(self.now);
        self.under_way = Some(write);
    }

    fn end(&mut self, outcome: Outcome, deed: bool) {
        let Some(write) = self.under_way.take() else {
            return;
        };
        let is_done = outcome == Outcome::Written || (outcome == Outcome::Failed && deed);
        if is_done && self.wishes.contains_key(&write.key) {
            match write.to {
                Some(value) => self.there.insert(write.key, value),
                None => self.there.remove(&write.key),
            };
        }
        if outcome == Outcome::Refused && self.wishes.get(&write.key) == Some(&write.to) {
            self.refused.insert(write.key, write.to);
        }
        if let Outcome::Limited(patience) = outcome {
            self.quiet_until = Some(self.now + patience);
        }
        self.ledger.finish(self.now, outcome);
    }

    /// Lets everything succeed until there is nothing left to do.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.end(Outcome::Written, false);
            self.begin();
            if self.under_way.is_none() {
                let Some((due, _)) = self.ledger.due() else {
                    return;
                };
                self.now = self.now.max(due);
                self.begin();
            }
        }
        panic!("it never comes to rest");
    }
}

proptest! {
    /// The last wish is what is there in the end, whatever happened on the way, at no more than the allowed pace.
    #[test]
    fn the_last_wish_wins_within_the_pace(hold in 0..500_u64, steps in prop::collection::vec(step(), 0..200)) {
        let mut world = World::new(Duration::from_millis(hold));
        for step in steps {
            world.take(&step);
        }
        world.settle();
        for (key, wish) in &world.wishes {
            if !world.refused.contains_key(key) {
                prop_assert_eq!(world.there.get(key), wish.as_ref(), "thing {}", key);
            }
        }
        for (n, first) in world.begun.iter().enumerate() {
            let window = EVERY * 10;
            let within = world.begun[n..].iter().take_while(|begun| **begun - *first < window).count();
            prop_assert!(within <= 10 + BURST as usize, "{} writes in {:?}", within, window);
        }
        prop_assert!(world.ledger.entries.len() <= 6, "it is bounded");
        prop_assert_eq!(world.ledger.waiting(), 0);
    }
}

/// Many come, change and go at once: each far end is written at its own pace, and who is gone before his turn never is.
#[test]
fn a_storm_is_coalesced() {
    let mut ledger = Ledger::<u8, u8>::new(Terms {
        pace: Pace::new(20, EVERY),
        hold: Duration::ZERO,
        most: 1_000,
    });
    let start = Instant::now();
    let (mut writes, mut now) = (0, start);
    let mut there = BTreeMap::new();
    for round in 0..4_u8 {
        for person in 0..60 {
            let wish = (round < 3).then_some(round);
            ledger.wish(now, person, wish);
            while let Some(write) = ledger.next(now) {
                writes += 1;
                there.insert(write.key, write.to);
                ledger.finish(now, Outcome::Written);
            }
            now += Duration::from_millis(10);
        }
    }
    while let Some((due, why)) = ledger.due() {
        assert_eq!(why, Why::Pace);
        now = now.max(due);
        let write = ledger.next(now).expect("it is due");
        writes += 1;
        there.insert(write.key, write.to);
        ledger.finish(now, Outcome::Written);
    }
    assert!(there.values().all(Option::is_none), "{there:?}");
    assert_eq!(ledger.len(), 0);
    assert!(writes < 100, "{writes} writes for 240 changes");
}

#[test]
fn a_change_that_is_taken_back_in_time_is_not_written() {
    let mut ledger = ledger(Duration::from_secs(3));
    let now = Instant::now();
    assert_eq!(ledger.wish(now, 1, Some(7)), Wished::Changed);
    assert_eq!(ledger.due(), Some((now + Duration::from_secs(3), Why::Hold)));
    assert_eq!(ledger.next(now), None);
    ledger.wish(now, 1, None);
    assert_eq!((ledger.due(), ledger.waiting(), ledger.entries.len()), (None, 0, 0));
}

#[test]
fn whoever_asks_for_patience_gets_it_and_failures_wait_longer_each_time() {
    let mut ledger = ledger(Duration::ZERO);
    let mut now = Instant::now();
    ledger.wish(now, 1, Some(7));
    let mut rest = |outcome: Outcome| {
        assert!(ledger.next(now).is_some());
        ledger.finish(now, outcome);
        let (due, why) = ledger.due().expect("it is not written");
        let rest = due - now;
        now = due;
        (rest.as_secs(), why)
    };
    let patience = Duration::from_secs(7);
    assert_eq!(rest(Outcome::Limited(patience)), (7, Why::Limited));
    let failed: Vec<u64> = (0..8).map(|_| rest(Outcome::Failed).0).collect();
    assert_eq!(failed, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(rest(Outcome::Limited(patience)), (7, Why::Limited));
    assert_eq!(rest(Outcome::Failed), (1, Why::Failed));
}

#[test]
fn what_is_left_over_is_taken_back_and_what_is_still_right_is_not_written() {
    let mut ledger = ledger(Duration::ZERO);
    let now = Instant::now();
    ledger.found(now, 1, 7);
    ledger.found(now, 2, 8);
    assert_eq!(ledger.due(), None);
    assert_eq!(ledger.wish(now, 1, Some(7)), Wished::Same);
    ledger.wish(now, 2, None);
    let write = ledger.next(now).expect("a left-over");
    assert_eq!((write.key, write.from, write.to), (2, Some(8), None));
    ledger.finish(now, Outcome::Written);
    assert_eq!((ledger.due(), ledger.len()), (None, 1));
    assert_eq!(ledger.keys_from(0).collect::<Vec<_>>(), [&1]);
}

/// Somebody was wished for before it was read that he is there.
#[test]
fn what_is_found_to_be_as_wished_is_not_written() {
    let mut ledger = ledger(Duration::ZERO);
    let now = Instant::now();
    ledger.wish(now, 1, Some(7));
    ledger.wish(now, 2, Some(7));
    ledger.found(now, 1, 7);
    ledger.found(now, 2, 8);
    let write = ledger.next(now).expect("the other one");
    assert_eq!((write.key, write.from, write.to), (2, Some(8), Some(7)));
    ledger.finish(now, Outcome::Written);
    assert_eq!(ledger.due(), None);
}

#[test]
fn what_is_refused_is_tried_again_when_something_else_is_wished_for() {
    let mut ledger = ledger(Duration::ZERO);
    let now = Instant::now();
    ledger.wish(now, 1, Some(7));
    assert!(ledger.next(now).is_some());
    ledger.finish(now, Outcome::Refused);
    assert_eq!(ledger.due(), None);
    assert_eq!(ledger.wish(now, 1, Some(7)), Wished::Same);
    assert_eq!(ledger.due(), None);
    ledger.wish(now, 1, Some(8));
    assert!(ledger.next(now).is_some());
    ledger.finish(now, Outcome::Refused);
    assert_eq!(ledger.due(), None);
    ledger.retry(now, 1);
    assert!(ledger.due().is_some());
}
