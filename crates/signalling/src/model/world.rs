//! What the two bridges make of what happens.

use std::time::Instant;

use super::bridges::{Bridges, Cause, Faults, Link, Shell};
use super::room::Letter;
use super::steps::Step;
use super::who::Who;
use crate::rules::{Rule, Rules};
use crate::{
    Action, Answerer, Asker, Backoff, BrokenReason, Call, ChannelRecord, CloseReason, Event, Format, Input, Machine,
    Phase, Refusal, RejectReason, Timer, Timing, TransactionId,
};

pub(super) const ROOM: &str = "!room:example.org";

/// Two bridges to which these faults happen, and which perhaps break a rule.
#[derive(Debug)]
pub(super) struct World {
    pub(super) faults: Faults,
    pub(super) broken: Option<Rule>,
    pub(super) now: Instant,
    /// What is none of a side's business.
    pub(super) strangers: Vec<(Who, Event)>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can be had in no other way; time stands still from here on"
    )]
    pub(super) fn new(faults: Faults, broken: Option<Rule>, strangers: Vec<(Who, Event)>) -> Self {
        Self {
            faults,
            broken,
            now: Instant::now(),
            strangers,
        }
    }

    /// The usual waits, but none grows: how long they are is nothing to a world in which time stands still.
    fn timing() -> Timing {
        let usual = Timing::default();
        let constant = |backoff: Backoff| Backoff {
            most: backoff.first,
            ..backoff
        };
        Timing {
            repeat: constant(usual.repeat),
            renegotiate: constant(usual.renegotiate),
            recover_within: usual.open_within,
            ..usual
        }
    }

    /// The asking side after so many crashes: each call has a transaction of its own.
    pub(super) fn asker(&self, crashes: u8) -> (Asker, Vec<Action>) {
        let call = Call {
            room_id: ROOM.to_owned(),
            transaction_id: TransactionId::from_number(u128::from(crashes) + 1),
            formats: vec![Format::SealedOpusChaCha],
            after_epoch: 0,
        };
        let (mut asker, first) = Asker::start(self.now, call, Self::timing(), 1);
        asker.rules = Rules { broken: self.broken };
        (asker, first)
    }

    pub(super) fn answerer(&self, crashes: u8) -> Answerer {
        let mut answerer = Answerer::new(ROOM, vec![Format::SealedOpusChaCha], Self::timing(), crashes.into());
        answerer.rules = Rules { broken: self.broken };
        answerer
    }

    /// Lets this happen.
    pub(super) fn advance(&self, state: &mut Bridges, step: &Step) {
        match step {
            Step::Deliver(letter) => {
                state.room.take(letter);
                self.deliver(state, letter);
            }
            Step::DeliverTwice(letter) => {
                state.left.duplicates -= 1;
                self.deliver(state, letter);
            }
            Step::Lose(letter) => {
                state.left.losses -= 1;
                state.room.take(letter);
            }
            Step::Fire(who, timer) => self.fire(state, *who, *timer),
            Step::Admit => {
                state.admitting = false;
                self.tell(state, Who::Answerer, Input::Admitted);
            }
            Step::Refuse => {
                state.over.get_or_insert(Cause::Refused);
                self.refuse(state, RejectReason::NoPermission);
            }
            Step::RefuseForNow => {
                state.left.hitches -= 1;
                // A request is refused for good.
                if state.phase(Who::Answerer) == Phase::Requested {
                    state.over.get_or_insert(Cause::Refused);
                }
                self.refuse(state, RejectReason::AtCapacity);
            }
            Step::Hear(who) => {
                let link = state.shell_mut(*who).link.as_mut().expect("it hears on it");
                link.heard = true;
                let epoch = link.epoch();
                self.tell(state, *who, Input::Heard { epoch });
            }
            Step::Miss(who) => {
                let lost = Input::Lost {
                    epoch: state.link(*who).expect("it is silent").epoch(),
                    reason: BrokenReason::Silent,
                    text: String::new(),
                };
                self.tell(state, *who, lost);
            }
            Step::Cut => {
                state.left.cuts -= 1;
                for who in Who::BOTH {
                    state.shell_mut(who).link.as_mut().expect("voice flows").cut = true;
                }
            }
            Step::LoseVoiceChannel => {
                state.left.voice_losses -= 1;
                self.tell(state, Who::Answerer, Input::VoiceLost { text: String::new() });
            }
            Step::Crash(who) => self.crash(state, *who),
            Step::Resume => {
                let (asker, first) = self.asker(state.asker_shell.crashes);
                state.resuming = false;
                state.before = None;
                state.asker = Some(asker);
                self.perform(state, Who::Asker, first);
            }
            Step::Abandon => {
                state.over.get_or_insert(Cause::CallLost);
                state.resuming = false;
                let said = state.before.take().map(|record| Action::Send(Asker::abandon(&record)));
                self.perform(state, Who::Asker, said.into_iter().collect());
            }
            Step::End(who) => {
                state.left.ends -= 1;
                state.over.get_or_insert(Cause::Ended(*who));
                let end = Input::End {
                    reason: CloseReason::CallEnded,
                    text: String::new(),
                };
                self.tell(state, *who, end);
            }
        }
    }

    fn tell(&self, state: &mut Bridges, who: Who, input: Input) {
        let actions = match (who, &mut state.asker) {
            (Who::Asker, Some(asker)) => asker.handle(self.now, input),
            (Who::Asker, None) => answer_without_a_call(state.before.as_ref(), &input),
            (Who::Answerer, _) => state.answerer.handle(self.now, input),
        };
        self.perform(state, who, actions);
    }

    pub(super) fn perform(&self, state: &mut Bridges, who: Who, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(event) => state.room.put(Letter::new(who.other(), event)),
                Action::Admit => state.admitting = true,
                Action::Reserve { epoch, .. } => {
                    let end = state.shell(who).end(who, epoch);
                    self.tell(state, who, Input::Reserved { epoch, end });
                }
                Action::Connect(connection) => {
                    let shell = state.shell_mut(who);
                    let last = shell.link.as_ref().map(Link::epoch);
                    let fell = last.is_some_and(|last| connection.channel.epoch <= last);
                    shell.link = Some(Link {
                        connection,
                        heard: false,
                        cut: false,
                    });
                    state.epoch_fell |= fell;
                }
                Action::Record(record) => state.record = record.map(|record| *record),
                Action::Notify(_) => {}
                Action::Finish(_) => {
                    state.shell_mut(who).link = None;
                    match who {
                        Who::Asker => state.asker = None,
                        Who::Answerer => state.admitting = false,
                    }
                }
            }
        }
    }

    fn deliver(&self, state: &mut Bridges, letter: &Letter) {
        let received = || Input::Received(Event::clone(&letter.event));
        self.tell(state, letter.to, received());
        state.repeat_had_effect |= match letter.to {
            Who::Asker => state
                .asker
                .as_ref()
                .is_some_and(|asker| self.changes(asker, received())),
            Who::Answerer => self.changes(&state.answerer, received()),
        };
    }

    fn changes<M: Machine + Clone + PartialEq>(&self, machine: &M, input: Input) -> bool {
        let mut other = machine.clone();
        let _ = other.handle(self.now, input);
        other != *machine
    }

    fn fire(&self, state: &mut Bridges, who: Who, timer: Timer) {
        match timer {
            Timer::GiveUp => _ = state.over.get_or_insert(Cause::GaveUp(who)),
            Timer::Admission if state.phase(Who::Answerer) == Phase::Requested => {
                _ = state.over.get_or_insert(Cause::Refused);
            }
            Timer::Admission | Timer::RequestRepeat | Timer::OfferRepeat | Timer::Renegotiate => {}
        }
        self.tell(state, who, Input::Timeout(timer));
    }

    fn refuse(&self, state: &mut Bridges, reason: RejectReason) {
        state.admitting = false;
        self.tell(state, Who::Answerer, Input::Refused(Refusal::new(reason, "")));
    }

    fn crash(&self, state: &mut Bridges, who: Who) {
        let shell = state.shell_mut(who);
        *shell = Shell {
            crashes: shell.crashes + 1,
            link: None,
        };
        let crashes = shell.crashes;
        match who {
            Who::Asker => {
                state.left.asker_crashes -= 1;
                state.asker = None;
                state.resuming = true;
                state.before = state.record.clone();
            }
            Who::Answerer => {
                state.left.answerer_crashes -= 1;
                state.answerer = self.answerer(crashes);
                state.admitting = false;
                let said = state
                    .record
                    .take()
                    .map(|record| Action::Send(Answerer::resume(&record)));
                self.perform(state, Who::Answerer, said.into_iter().collect());
            }
        }
    }
}

/// What the asking side says where the room has no call: nothing of one that may go on.
fn answer_without_a_call(before: Option<&ChannelRecord>, input: &Input) -> Vec<Action> {
    let Input::Received(event) = input else {
        return Vec::new();
    };
    let may_go_on = before.is_some_and(|record| record.header.transaction_id == event.header.transaction_id);
    let answer = Asker::answer_unknown(event).filter(|_| !may_go_on);
    answer.map(Action::Send).into_iter().collect()
}
