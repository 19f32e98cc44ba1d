//! Both machines of a room, and what a test says to them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use signalling::{
    Action, Answerer, Asker, Body, BrokenReason, Call, Connection, End, Ending, Event, Extensions, Format, Input,
    KeyShare, Machine, Notice, Timing, TransactionId,
};

/// The bridged room.
pub(crate) const ROOM: &str = "!room:example.org";

/// When a test begins.
#[expect(
    clippy::disallowed_methods,
    reason = "an instant can be had in no other way; from here on time is virtual"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Where a side hears in an epoch: each side and epoch has its own port.
pub(crate) fn address(side: u8, epoch: u32) -> SocketAddr {
    let port = 10_000 + u16::try_from(epoch).expect("few epochs");
    SocketAddr::from(([127, 0, 0, side], port))
}

/// A side's end of an epoch: its address there, and a share that is different each time.
pub(crate) fn end(side: u8, epoch: u32) -> End {
    let mut share = [side; 32];
    share[..4].copy_from_slice(&epoch.to_be_bytes());
    End {
        address: address(side, epoch),
        share: Some(KeyShare(share)),
        extensions: Extensions::ALL,
    }
}

/// The loopback address of the asking side.
pub(crate) const ASKER: u8 = 1;
/// The loopback address of the answering side.
pub(crate) const ANSWERER: u8 = 2;

pub(crate) fn transaction(name: &str) -> TransactionId {
    TransactionId::new(name).expect("an id")
}

pub(crate) fn call(name: &str) -> Call {
    Call {
        room_id: ROOM.to_owned(),
        transaction_id: transaction(name),
        formats: vec![Format::SealedOpusChaCha],
        after_epoch: 0,
    }
}

pub(crate) fn answerer() -> Answerer {
    Answerer::new(ROOM, vec![Format::SealedOpusChaCha], Timing::default(), 77)
}

/// The shell has noticed that the path of an epoch is silent.
pub(crate) fn lost(epoch: u32) -> Input {
    Input::Lost {
        epoch,
        reason: BrokenReason::Silent,
        text: String::new(),
    }
}

/// One machine in virtual time, with a shell that reserves addresses at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bench<M> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    side: u8,
}

/// What a machine did, without the reservations that the bench saw to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) sent: Vec<Event>,
    pub(crate) connected: Vec<Connection>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) endings: Vec<Ending>,
    pub(crate) records: Vec<bool>,
    pub(crate) admissions: usize,
}

impl Done {
    /// The bodies of what was sent.
    pub(crate) fn bodies(&self) -> Vec<&Body> {
        self.sent.iter().map(|event| &event.body).collect()
    }

    /// The one event that was sent.
    pub(crate) fn only(&self) -> Event {
        let [event] = &self.sent[..] else {
            panic!("not one event: {self:?}")
        };
        event.clone()
    }

    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Bench<Asker> {
    pub(crate) fn asking(name: &str) -> (Self, Done) {
        Self::asking_for(call(name))
    }

    pub(crate) fn asking_for(call: Call) -> (Self, Done) {
        let now = start();
        let (machine, actions) = Asker::start(now, call, Timing::default(), 33);
        let mut bench = Self {
            machine,
            now,
            side: ASKER,
        };
        let done = bench.act(actions);
        (bench, done)
    }
}

impl Bench<Answerer> {
    pub(crate) fn answering() -> Self {
        Self {
            machine: answerer(),
            now: start(),
            side: ANSWERER,
        }
    }
}

impl<M: Machine> Bench<M> {
    pub(crate) fn handle(&mut self, input: Input) -> Done {
        let actions = self.machine.handle(self.now, input);
        self.act(actions)
    }

    pub(crate) fn receive(&mut self, event: &Event) -> Done {
        self.handle(Input::Received(event.clone()))
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Waits for the machine's next deadline, and lets it act.
    pub(crate) fn wait(&mut self) -> Done {
        let (at, timer) = self.machine.poll_timeout().expect("a deadline");
        self.now = self.now.max(at);
        self.handle(Input::Timeout(timer))
    }

    fn act(&mut self, actions: Vec<Action>) -> Done {
        let mut done = Done::default();
        for action in actions {
            match action {
                Action::Send(event) => done.sent.push(event),
                Action::Admit => done.admissions += 1,
                Action::Reserve { epoch, .. } => {
                    let reserved = Input::Reserved {
                        epoch,
                        end: end(self.side, epoch),
                    };
                    let more = self.handle(reserved);
                    done.add(more);
                }
                Action::Connect(connection) => done.connected.push(connection),
                Action::Record(record) => done.records.push(record.is_some()),
                Action::Notify(notice) => done.notices.push(notice),
                Action::Finish(ending) => done.endings.push(ending),
            }
        }
        done
    }
}

impl Done {
    fn add(&mut self, more: Self) {
        self.sent.extend(more.sent);
        self.connected.extend(more.connected);
        self.notices.extend(more.notices);
        self.endings.extend(more.endings);
        self.records.extend(more.records);
        self.admissions += more.admissions;
    }
}

/// Both sides with an open channel that both have heard of the other on.
pub(crate) fn open_pair() -> (Bench<Asker>, Bench<Answerer>) {
    let (mut asker, request) = Bench::asking("t1");
    let mut answerer = Bench::answering();
    assert_eq!(answerer.receive(&request.only()).admissions, 1);
    let offer = answerer.handle(Input::Admitted).only();
    let accept = asker.receive(&offer).only();
    let opened = answerer.receive(&accept);
    assert_eq!(opened.connected.len(), 1);
    assert!(asker.handle(Input::Heard { epoch: 1 }).is_nothing());
    assert!(answerer.handle(Input::Heard { epoch: 1 }).is_nothing());
    (asker, answerer)
}
