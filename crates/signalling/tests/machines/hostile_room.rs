//! Both machines over a room that loses, repeats and reorders, by seeded schedules.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use signalling::{
    Action, Answerer, Asker, BrokenReason, ChannelRecord, CloseReason, Connection, Event, Input, Machine, Phase, Timing,
};

use crate::bench::{ANSWERER, ASKER, ROOM, address, answerer, call, end, start};

/// What the room does to one event.
#[derive(Debug, Clone)]
struct Fate {
    /// Delays of the copies that arrive, in milliseconds; none at all: it is lost.
    delays: Vec<u64>,
}

/// What happens from outside, and when.
#[derive(Debug, Clone)]
struct Incident {
    at: Duration,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// No packet arrives in either direction for some seconds.
    LinkDown(u64),
    /// A side is killed and started again, without any memory.
    AskerRestarts,
    AnswererRestarts,
    /// A side wants it over.
    AskerEnds,
    AnswererEnds,
    /// The answering side is thrown out of its voice channel.
    VoiceLost,
}

/// After this no more events are lost or delayed, and links work: quiescence must follow.
const CALM: Duration = Duration::from_mins(1);
/// Longer than every time-out after the calm has begun.
const END: Duration = Duration::from_secs(60 + 150);
/// How soon a silent link is noticed.
const SILENCE: Duration = Duration::from_secs(6);

fn fate() -> impl Strategy<Value = Fate> {
    let delay = prop_oneof![4 => 1..50_u64, 1 => 50..5_000_u64];
    let copies = prop_oneof![1 => Just(0_usize), 4 => Just(1_usize), 1 => Just(2_usize)];
    copies
        .prop_flat_map(move |copies| prop::collection::vec(delay.clone(), copies))
        .prop_map(|delays| Fate { delays })
}

fn incident() -> impl Strategy<Value = Incident> {
    let what = prop_oneof![
        4 => (1..20_u64).prop_map(What::LinkDown),
        2 => Just(What::AskerRestarts),
        2 => Just(What::AnswererRestarts),
        1 => Just(What::AskerEnds),
        1 => Just(What::AnswererEnds),
        2 => Just(What::VoiceLost),
    ];
    (0..CALM.as_secs(), what).prop_map(|(at, what)| Incident {
        at: Duration::from_secs(at),
        what,
    })
}

/// One side: its machine and its end of the link.
struct End<M> {
    machine: M,
    side: u8,
    link: Option<Link>,
}

struct Link {
    connection: Connection,
    /// Since when nothing was heard on it.
    quiet_since: Instant,
    heard: bool,
}

struct World {
    now: Instant,
    begun: Instant,
    asker: End<Asker>,
    answerer: End<Answerer>,
    /// Events on their way: when they arrive, in which order they were sent, to whom.
    room: BTreeSet<(Instant, usize)>,
    letters: Vec<(u8, Event)>,
    fates: Vec<Fate>,
    down_until: Instant,
    /// What the control room's state remembers.
    record: Option<ChannelRecord>,
    calls: u32,
    over: bool,
}

impl World {
    fn new(fates: Vec<Fate>) -> Self {
        let now = start();
        let (asker, first) = Asker::start(now, call("t0"), Timing::default(), 5);
        let mut world = Self {
            now,
            begun: now,
            asker: End {
                machine: asker,
                side: ASKER,
                link: None,
            },
            answerer: End {
                machine: answerer(),
                side: ANSWERER,
                link: None,
            },
            room: BTreeSet::new(),
            letters: Vec::new(),
            fates,
            down_until: now,
            record: None,
            calls: 0,
            over: false,
        };
        world.act(ASKER, first);
        world
    }

    fn run(&mut self, mut incidents: Vec<Incident>) {
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.at));
        while self.now < self.begun + END {
            let next = incidents.last().map(|incident| self.begun + incident.at);
            if next.is_some_and(|at| at <= self.now)
                && let Some(incident) = incidents.pop()
            {
                self.happen(incident.what);
                continue;
            }
            self.links();
            if !self.deliver() && !self.fire() {
                // Nothing is due: on to the next tick of the links.
                self.now += Duration::from_millis(100);
            }
        }
    }

    fn happen(&mut self, what: What) {
        let reason = CloseReason::CallEnded;
        match what {
            What::LinkDown(seconds) => self.down_until = self.now + Duration::from_secs(seconds),
            What::AskerRestarts => {
                self.asker.link = None;
                if self.over {
                    return;
                }
                self.calls += 1;
                let call = call(&format!("t{}", self.calls));
                let (machine, first) = Asker::start(self.now, call, Timing::default(), 5);
                self.asker.machine = machine;
                self.act(ASKER, first);
            }
            What::AnswererRestarts => {
                self.answerer.link = None;
                self.answerer.machine = Answerer::new(
                    ROOM,
                    vec![signalling::Format::SealedOpusChaCha],
                    Timing::default(),
                    1_000 + u64::from(self.calls),
                );
                if let Some(record) = self.record.take() {
                    self.send(ANSWERER, &Answerer::resume(&record));
                }
            }
            What::AskerEnds => {
                self.over = true;
                self.input(
                    ASKER,
                    Input::End {
                        reason,
                        text: String::new(),
                    },
                );
            }
            What::AnswererEnds => self.input(
                ANSWERER,
                Input::End {
                    reason,
                    text: String::new(),
                },
            ),
            What::VoiceLost => self.input(ANSWERER, Input::VoiceLost { text: String::new() }),
        }
    }

    fn input(&mut self, side: u8, input: Input) {
        let actions = if side == ASKER {
            self.asker.machine.handle(self.now, input)
        } else {
            self.answerer.machine.handle(self.now, input)
        };
        self.act(side, actions);
    }

    fn act(&mut self, side: u8, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(event) => self.send(side, &event),
                Action::Admit => self.input(side, Input::Admitted),
                Action::Reserve { epoch, .. } => {
                    self.input(
                        side,
                        Input::Reserved {
                            epoch,
                            end: end(side, epoch),
                        },
                    );
                }
                Action::Connect(connection) => {
                    *self.link(side) = Some(Link {
                        connection,
                        quiet_since: self.now,
                        heard: false,
                    });
                }
                Action::Finish(_) => *self.link(side) = None,
                Action::Record(record) => self.record = record.map(|record| *record),
                Action::Notify(_) => {}
            }
        }
    }

    fn link(&mut self, side: u8) -> &mut Option<Link> {
        if side == ASKER {
            &mut self.asker.link
        } else {
            &mut self.answerer.link
        }
    }

    fn send(&mut self, from: u8, event: &Event) {
        let to = if from == ASKER { ANSWERER } else { ASKER };
        let calm = self.now >= self.begun + CALM;
        let fate = if calm { None } else { self.fates.pop() };
        for delay in fate.map_or_else(|| vec![20], |fate| fate.delays) {
            self.letters.push((to, event.clone()));
            self.room
                .insert((self.now + Duration::from_millis(delay), self.letters.len() - 1));
        }
    }

    fn deliver(&mut self) -> bool {
        let due = self.room.first().copied().filter(|(at, _)| *at <= self.now);
        let Some(letter) = due else {
            return false;
        };
        self.room.remove(&letter);
        let (to, event) = self.letters.get(letter.1).cloned().expect("it was sent");
        self.input(to, Input::Received(event));
        true
    }

    fn fire(&mut self) -> bool {
        let timers = [
            (ASKER, self.asker.machine.poll_timeout()),
            (ANSWERER, self.answerer.machine.poll_timeout()),
        ];
        for (side, timeout) in timers {
            if let Some((at, timer)) = timeout
                && at <= self.now
            {
                self.input(side, Input::Timeout(timer));
                return true;
            }
        }
        false
    }

    /// A side hears the other if both links name each other and nothing is cut; what is quiet for long is lost.
    fn links(&mut self) {
        let matched = match (&self.asker.link, &self.answerer.link) {
            (Some(ours), Some(theirs)) => {
                ours.connection.channel == theirs.connection.channel
                    && transcript(&ours.connection) == transcript(&theirs.connection)
                    && ours.connection.peer == address(ANSWERER, ours.connection.channel.epoch)
                    && theirs.connection.peer == address(ASKER, theirs.connection.channel.epoch)
            }
            _ => false,
        };
        let flows = matched && self.now >= self.down_until;
        for side in [self.asker.side, self.answerer.side] {
            let now = self.now;
            let Some(link) = self.link(side) else {
                continue;
            };
            let epoch = link.connection.channel.epoch;
            let input = if flows {
                link.quiet_since = now;
                (!std::mem::replace(&mut link.heard, true)).then_some(Input::Heard { epoch })
            } else {
                (now - link.quiet_since >= SILENCE).then(|| {
                    link.quiet_since = now;
                    Input::Lost {
                        epoch,
                        reason: BrokenReason::Silent,
                        text: String::new(),
                    }
                })
            };
            if let Some(input) = input {
                self.input(side, input);
            }
        }
    }

    fn phases(&self) -> (Phase, Phase) {
        (self.asker.machine.status().phase, self.answerer.machine.status().phase)
    }
}

/// Ends with different transcripts have different keys.
fn transcript(connection: &Connection) -> [u8; 32] {
    connection.seal.expect("a sealed channel").transcript
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn they_end_in_the_same_epoch_or_both_closed(
        fates in prop::collection::vec(fate(), 0..120),
        incidents in prop::collection::vec(incident(), 0..5),
    ) {
        let mut world = World::new(fates);
        world.run(incidents);
        let (asker, answerer) = world.phases();
        match asker {
            Phase::Open => {
                prop_assert_eq!(answerer, Phase::Open);
                let ends = (&world.asker.link, &world.answerer.link);
                let (Some(ours), Some(theirs)) = ends else {
                    return Err(TestCaseError::fail("open without a link"));
                };
                prop_assert_eq!(ours.connection.channel, theirs.connection.channel);
                prop_assert!(ours.heard && theirs.heard);
                prop_assert_eq!(world.record.map(|record| record.channel), Some(ours.connection.channel));
            }
            Phase::Ended => {
                prop_assert_eq!(answerer, Phase::Idle);
                prop_assert!(world.asker.link.is_none() && world.answerer.link.is_none());
                prop_assert_eq!(world.answerer.machine.poll_timeout(), None);
                prop_assert_eq!(world.record, None);
            }
            other => return Err(TestCaseError::fail(format!("no rest: {other:?}, {answerer:?}"))),
        }
        prop_assert!(world.room.is_empty(), "events still on their way");
    }

    #[test]
    fn without_faults_one_exchange_is_enough(delays in prop::collection::vec(1..200_u64, 3)) {
        let fates = delays.into_iter().map(|delay| Fate { delays: vec![delay] }).collect();
        let mut world = World::new(fates);
        world.run(Vec::new());
        prop_assert_eq!(world.phases(), (Phase::Open, Phase::Open));
        prop_assert_eq!(world.letters.len(), 3, "request, offer, accept");
    }

    #[test]
    fn repeats_and_reordering_alone_never_break_a_call(fates in prop::collection::vec(fate(), 0..60)) {
        let fates = fates.into_iter().filter(|fate| !fate.delays.is_empty()).collect();
        let mut world = World::new(fates);
        world.run(Vec::new());
        prop_assert_eq!(world.phases(), (Phase::Open, Phase::Open));
        prop_assert_eq!(world.asker.machine.status().epoch, world.answerer.machine.status().epoch);
    }
}
