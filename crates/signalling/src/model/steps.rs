//! What can happen to the two bridges.

use std::fmt;

use super::bridges::Bridges;
use super::room::Letter;
use super::who::Who;
use crate::Timer;

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Deliver(Letter),
    /// It will arrive once more.
    DeliverTwice(Letter),
    Lose(Letter),
    Fire(Who, Timer),
    Admit,
    Refuse,
    /// Refused for a reason that may pass.
    RefuseForNow,
    /// The first packet of the other side arrives.
    Hear(Who),
    /// Silence is noticed.
    Miss(Who),
    Cut,
    LoseVoiceChannel,
    Crash(Who),
    /// The call of the asking side goes on after a crash.
    Resume,
    /// It does not.
    Abandon,
    End(Who),
}

impl Step {
    /// Whether it takes longer than anything that is on its way.
    pub(super) const fn is_waited_for(&self) -> bool {
        matches!(self, Self::Fire(..) | Self::Miss(_) | Self::Abandon)
    }

    /// What comes by itself, and soon.
    pub(super) fn under_way(state: &Bridges) -> Vec<Self> {
        let mut steps: Vec<_> = state.room.letters().cloned().map(Self::Deliver).collect();
        if state.admitting {
            steps.push(Self::Admit);
        }
        if state.voice_flows() {
            let unheard = |who: &Who| state.link(*who).is_some_and(|link| !link.heard);
            steps.extend(Who::BOTH.into_iter().filter(unheard).map(Self::Hear));
        }
        steps
    }

    /// What comes by itself after a wait, but for giving up.
    pub(super) fn waited_for(state: &Bridges) -> Vec<Self> {
        let mut steps = Vec::new();
        if state.waits(Who::Answerer) {
            let timers = [Timer::OfferRepeat, Timer::Renegotiate, Timer::Admission];
            steps.extend(timers.map(|timer| Self::Fire(Who::Answerer, timer)));
        }
        if state.waits(Who::Asker) {
            steps.push(Self::Fire(Who::Asker, Timer::RequestRepeat));
        }
        if !state.voice_flows() {
            let linked = |who: &Who| state.link(*who).is_some();
            steps.extend(Who::BOTH.into_iter().filter(linked).map(Self::Miss));
        }
        steps
    }

    /// Nobody waits for ever.
    pub(super) fn giving_up(state: &Bridges) -> Vec<Self> {
        let waiting = Who::BOTH.into_iter().filter(|who| state.waits(*who));
        let mut steps: Vec<_> = waiting.map(|who| Self::Fire(who, Timer::GiveUp)).collect();
        if state.resuming {
            steps.push(Self::Abandon);
        }
        steps
    }

    /// What goes wrong, or is wanted by a program.
    pub(super) fn from_outside(state: &Bridges) -> Vec<Self> {
        let left = &state.left;
        let mut steps = Vec::new();
        if state.resuming {
            steps.push(Self::Resume);
        }
        for letter in state.room.letters() {
            if left.losses > 0 {
                steps.push(Self::Lose(letter.clone()));
            }
            if left.duplicates > 0 {
                steps.push(Self::DeliverTwice(letter.clone()));
            }
        }
        if state.admitting {
            steps.push(Self::Refuse);
            if left.hitches > 0 {
                steps.push(Self::RefuseForNow);
            }
        }
        if left.cuts > 0 && state.voice_flows() {
            steps.push(Self::Cut);
        }
        if left.voice_losses > 0 {
            steps.push(Self::LoseVoiceChannel);
        }
        if left.ends > 0 {
            steps.extend(Who::BOTH.map(Self::End));
        }
        if left.asker_crashes > 0 && state.asker.is_some() {
            steps.push(Self::Crash(Who::Asker));
        }
        if left.answerer_crashes > 0 {
            steps.push(Self::Crash(Who::Answerer));
        }
        steps
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asker => "asking side",
            Self::Answerer => "answering side",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver(letter) => write!(f, "the {} gets the {letter}", letter.to),
            Self::DeliverTwice(letter) => write!(f, "the {} gets the {letter}, and will again", letter.to),
            Self::Lose(letter) => write!(f, "the {letter} is lost"),
            Self::Fire(who, timer) => write!(f, "the timer {timer:?} of the {who} fires"),
            Self::Admit => f.write_str("the room is admitted"),
            Self::Refuse => f.write_str("the room is refused"),
            Self::RefuseForNow => f.write_str("the room is refused for now"),
            Self::Hear(who) => write!(f, "the {who} hears the other"),
            Self::Miss(who) => write!(f, "the {who} finds its link silent"),
            Self::Cut => f.write_str("the link is cut"),
            Self::LoseVoiceChannel => f.write_str("the answering side is thrown out of its voice channel"),
            Self::Crash(who) => write!(f, "the {who} crashes and starts again"),
            Self::Resume => f.write_str("the call goes on"),
            Self::Abandon => f.write_str("the call does not go on"),
            Self::End(who) => write!(f, "the program of the {who} ends the channel"),
        }
    }
}
