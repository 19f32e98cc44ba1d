//! The bridge takes itself out of the call.

use std::time::Instant;

use super::backoff::Failures;
use super::vocabulary::{Action, Refusal};
use super::{Actions, State};
use crate::matrixrtc::moment::Moment;

#[derive(Debug)]
pub(super) struct Leaving {
    /// The delayed leave that would do it too.
    delayed: Option<String>,
    after: After,
    pub(super) retry_at: Option<Instant>,
    failures: Failures,
}

/// What comes after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next call.
    Idle,
    /// None: the room is encrypted now.
    Barred,
    /// The end of the program.
    Ended,
}

impl After {
    pub(super) fn state(self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Barred => State::Barred { told: false },
            Self::Ended => State::Ended,
        }
    }
}

impl Leaving {
    pub(super) fn start(delayed: Option<String>, after: After, actions: &mut Actions) -> Self {
        actions.push(Action::Leave);
        Self {
            delayed,
            after,
            retry_at: None,
            failures: Failures::default(),
        }
    }

    pub(super) fn on_left(mut self, now: Moment, answer: Result<(), Refusal>, actions: &mut Actions) -> State {
        match answer {
            Ok(()) => {
                actions.extend(self.delayed.map(|id| Action::CancelLeave { id }));
                self.after.state()
            }
            // The delayed leave probably does it too; but it may have gone off too early.
            Err(Refusal::Later) => {
                self.retry_at = Some(self.failures.soon(now.instant));
                State::Leaving(self)
            }
            // Nothing else is left but the delayed leave and the end of the membership's time.
            Err(_) => self.after.state(),
        }
    }

    pub(super) fn on_timeout(mut self, now: Moment, actions: &mut Actions) -> State {
        if self.retry_at.is_some_and(|at| at <= now.instant) {
            self.retry_at = None;
            actions.push(Action::Leave);
        }
        State::Leaving(self)
    }

    /// There will be no more calls here for that reason.
    pub(super) fn then(self, after: After) -> Self {
        let after = if self.after == After::Ended {
            After::Ended
        } else {
            after
        };
        Self { after, ..self }
    }
}
