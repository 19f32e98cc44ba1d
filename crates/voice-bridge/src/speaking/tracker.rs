//! Decides who is shown as a speaker, and when that is worth telling: time comes in, nothing is waited for.

use std::time::{Duration, Instant};

use super::{Speaker, Speakers};

/// How long somebody is shown who is no longer among those who speak: the other bridge bridges pauses between words, and
/// this the jumps of a network.
const FADE: Duration = Duration::from_millis(100);

/// How often a client is told at most, and in which time.
const MOST: usize = 4;
const PERIOD: Duration = Duration::from_secs(1);

/// Follows who speaks, for one client that is told of it.
#[derive(Debug)]
pub struct Tracker {
    speakers: Speakers,
    /// By the last packet.
    heard: u64,
    /// Who is shown.
    shown: u64,
    /// When these are shown no longer.
    fading: Option<(Instant, u64)>,
    /// What the client knows; `None` where that is not sure.
    told: Option<Vec<Speaker>>,
    /// When it was told the last few times, the oldest at `next`.
    times: [Option<Instant>; MOST],
    next: usize,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            speakers: Speakers::default(),
            heard: 0,
            shown: 0,
            fading: None,
            told: Some(Vec::new()),
            times: [None; MOST],
            next: 0,
        }
    }
}

impl Tracker {
    /// A packet says that these speak, and nobody else.
    pub fn hear(&mut self, now: Instant, bits: u64) {
        self.settle(now);
        self.heard = bits;
        self.shown |= bits;
        self.fading = match self.fading {
            Some((until, fading)) if fading & !bits != 0 => Some((until, fading & !bits)),
            _ => self.missing().map(|missing| (now + FADE, missing)),
        };
    }

    /// These may speak.
    pub fn announce(&mut self, speakers: Speakers) {
        self.speakers = speakers;
    }

    /// What the client is to be told now, after which it counts as told.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<Speaker>> {
        self.settle(now);
        let speakers = self.untold()?;
        if self.free_from().is_some_and(|free| now < free) {
            return None;
        }
        if let Some(time) = self.times.get_mut(self.next) {
            *time = Some(now);
        }
        self.next = (self.next + 1) % MOST;
        self.told = Some(speakers.clone());
        Some(speakers)
    }

    /// What was told last may not have arrived.
    pub fn not_told(&mut self) {
        self.told = None;
    }

    /// When [`poll`](Self::poll) is worth the next try, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let fading = self.fading.map(|(until, _)| until);
        let telling = self.untold().and_then(|_| self.free_from());
        fading.into_iter().chain(telling).min()
    }

    /// Who is shown, if the client does not know.
    fn untold(&self) -> Option<Vec<Speaker>> {
        let shown = self.speakers.marked(self.shown);
        (self.told.as_ref() != Some(&shown)).then_some(shown)
    }

    /// From when on the client may be told again.
    fn free_from(&self) -> Option<Instant> {
        let oldest = self.times.get(self.next).copied().flatten()?;
        Some(oldest + PERIOD)
    }

    /// Those who are shown and do not speak any more.
    fn missing(&self) -> Option<u64> {
        Some(self.shown & !self.heard).filter(|missing| *missing != 0)
    }

    fn settle(&mut self, now: Instant) {
        while let Some((until, fading)) = self.fading.filter(|(until, _)| *until <= now) {
            self.shown &= !fading;
            self.fading = self.missing().map(|missing| (until + FADE, missing));
        }
    }
}

#[cfg(test)]
mod tests {
    use bridge_kit::channel::{Person, PersonId, SpeakerId};

    use super::*;

    const ADA: u64 = 1;
    const BOB: u64 = 2;

    /// A tracker that knows two people, and its time.
    struct Bench {
        tracker: Tracker,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let mut tracker = Tracker::default();
            tracker.announce(people());
            Self {
                tracker,
                start: Instant::now(),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn hear(&mut self, ms: u64, bits: u64) {
            self.tracker.hear(self.at(ms), bits);
        }

        /// What is told at a time, as ids.
        fn told(&mut self, ms: u64) -> Option<String> {
            let speakers = self.tracker.poll(self.at(ms))?;
            Some(speakers.into_iter().map(|speaker| speaker.id).collect())
        }

        fn due(&self) -> Option<u64> {
            let due = self.tracker.poll_timeout()?.saturating_duration_since(self.start);
            Some(u64::try_from(due.as_millis()).expect("small"))
        }
    }

    fn people() -> Speakers {
        let people = ["a", "b"].iter().zip(0..).map(|(id, number)| Person {
            speaker: SpeakerId::new(number),
            ..Person::new(PersonId::new(*id).expect("an id"))
        });
        Speakers::of(&people.collect::<Vec<_>>())
    }

    #[test]
    fn s11_a_speaker_is_told_of_at_once_and_taken_back_when_he_has_been_missing_for_100_ms() {
        let mut bench = Bench::new();
        assert_eq!((bench.told(0), bench.due()), (None, None));
        bench.hear(10, ADA);
        assert_eq!(bench.told(10).as_deref(), Some("a"));
        assert_eq!((bench.told(10), bench.due()), (None, None));
        bench.hear(500, 0);
        assert_eq!((bench.told(599), bench.due()), (None, Some(600)));
        assert_eq!(bench.told(600).as_deref(), Some(""));
        assert_eq!((bench.told(600), bench.due()), (None, None));
    }

    #[test]
    fn s11_a_short_absence_is_not_told() {
        let mut bench = Bench::new();
        bench.hear(0, ADA | BOB);
        assert_eq!(bench.told(0).as_deref(), Some("ab"));
        for turn in 1..50 {
            bench.hear(turn * 100, BOB);
            bench.hear(turn * 100 + 99, ADA | BOB);
            assert_eq!(bench.told(turn * 100 + 99), None);
        }
        bench.hear(6_000, BOB);
        bench.hear(6_050, 0);
        assert_eq!(bench.told(6_100).as_deref(), Some("b"), "each has his own time");
        assert_eq!(bench.due(), Some(6_200));
        assert_eq!(bench.told(6_200).as_deref(), Some(""));
    }

    #[test]
    fn s11_a_client_is_told_at_most_four_times_a_second_and_of_the_last_state_in_any_case() {
        let mut bench = Bench::new();
        let mut told = Vec::new();
        for ms in 0..6_000 {
            if ms < 3_300 && ms % 110 == 0 {
                bench.hear(ms, if ms % 220 == 0 { ADA } else { BOB });
            }
            told.extend(bench.told(ms).map(|speakers| (ms, speakers)));
        }
        for times in told.windows(MOST + 1) {
            assert!(times[MOST].0 - times[0].0 >= 1_000, "{told:?}");
        }
        assert!(told.len() > 3 * MOST, "as often as may be: {told:?}");
        assert_eq!(
            told.last().map(|(_, speakers)| speakers.as_str()),
            Some("b"),
            "{told:?}"
        );
        assert_eq!(bench.due(), None);
    }

    #[test]
    fn s11_what_did_not_arrive_is_told_again() {
        let mut bench = Bench::new();
        bench.hear(0, ADA);
        assert_eq!(bench.told(0).as_deref(), Some("a"));
        bench.tracker.not_told();
        assert_eq!(bench.told(1).as_deref(), Some("a"));
        bench.hear(10, 0);
        assert_eq!(bench.told(110).as_deref(), Some(""));
        bench.tracker.not_told();
        assert_eq!(bench.told(120).as_deref(), Some(""), "also that nobody speaks");
    }

    #[test]
    fn s11_who_is_announced_late_is_told_of_then_and_unknown_ids_are_nobody() {
        let mut bench = Bench::new();
        bench.tracker.announce(Speakers::default());
        bench.hear(0, ADA);
        assert_eq!((bench.told(0), bench.due()), (None, None));
        bench.tracker.announce(people());
        assert_eq!(bench.told(50).as_deref(), Some("a"));
        bench.hear(60, 1 << 40);
        assert_eq!(bench.told(160).as_deref(), Some(""));
    }
}
