//! The delayed leave that takes the bridge out of the call when it dies.

use std::time::{Duration, Instant};

use super::vocabulary::{Action, Refusal};
use super::{Actions, Setup};

/// The wait before a restart that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Guard {
    /// There is none: the homeserver knows no delayed events.
    Absent,
    /// It was asked for.
    Asked { delay: Duration },
    /// It is to be asked for again.
    Missing { ask_at: Instant, delay: Duration },
    /// It stands.
    Armed(Armed),
}

#[derive(Debug)]
pub(super) struct Armed {
    id: String,
    delay: Duration,
    /// When to put it off; while that is under way it is not due.
    restart_at: Option<Instant>,
}

impl Guard {
    /// Asks for a delayed leave.
    pub(super) fn ask(delay: Duration, actions: &mut Actions) -> Self {
        actions.push(Action::ScheduleLeave { delay });
        Self::Asked { delay }
    }

    /// Takes the homeserver's answer to having asked.
    pub(super) fn on_scheduled(
        self,
        now: Instant,
        answer: Result<Option<String>, Refusal>,
        setup: &Setup,
        actions: &mut Actions,
    ) -> Self {
        let Self::Asked { delay } = self else {
            // An answer that nobody waits for any more: what it names must not go off.
            if let Ok(Some(id)) = answer {
                actions.push(Action::CancelLeave { id });
            }
            return self;
        };
        match answer {
            Ok(Some(id)) => Self::Armed(Armed {
                id,
                delay,
                restart_at: Some(now + restart_every(setup, delay)),
            }),
            Err(Refusal::DelayTooLong(most)) if most < delay && !most.is_zero() => Self::ask(most, actions),
            Err(Refusal::Later) => Self::Missing {
                ask_at: now + RETRY,
                delay,
            },
            Ok(None) | Err(_) => Self::Absent,
        }
    }

    /// Takes the homeserver's answer to having put it off.
    pub(super) fn on_restarted(
        self,
        now: Instant,
        id: &str,
        answer: Result<(), Refusal>,
        setup: &Setup,
        actions: &mut Actions,
    ) -> Self {
        let mut armed = match self {
            Self::Armed(armed) if armed.id == id => armed,
            other => return other,
        };
        match answer {
            Ok(()) => armed.restart_at = Some(now + restart_every(setup, armed.delay)),
            // It has gone off, or the homeserver has lost it.
            Err(Refusal::NotFound) => return Self::ask(armed.delay, actions),
            Err(Refusal::Unsupported) => return Self::Absent,
            Err(_) => armed.restart_at = Some(now + RETRY),
        }
        Self::Armed(armed)
    }

    /// Does what is due.
    pub(super) fn on_timeout(self, now: Instant, actions: &mut Actions) -> Self {
        match self {
            Self::Missing { ask_at, delay } if ask_at <= now => Self::ask(delay, actions),
            Self::Armed(mut armed) if armed.restart_at.is_some_and(|at| at <= now) => {
                armed.restart_at = None;
                actions.push(Action::RestartLeave { id: armed.id.clone() });
                Self::Armed(armed)
            }
            other => other,
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Instant> {
        match self {
            Self::Missing { ask_at, .. } => Some(*ask_at),
            Self::Armed(armed) => armed.restart_at,
            Self::Absent | Self::Asked { .. } => None,
        }
    }

    /// Whether a join may follow: it stands, or there can be none.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Absent | Self::Armed(_))
    }

    /// What it is called, while it stands.
    pub(super) fn into_id(self) -> Option<String> {
        match self {
            Self::Armed(armed) => Some(armed.id),
            Self::Absent | Self::Asked { .. } | Self::Missing { .. } => None,
        }
    }

    /// Takes it back, so that it cannot go off.
    pub(super) fn cancel(self, actions: &mut Actions) {
        actions.extend(self.into_id().map(|id| Action::CancelLeave { id }));
    }
}

/// A short delay is put off sooner.
fn restart_every(setup: &Setup, delay: Duration) -> Duration {
    setup.restart_every.min(delay / 2)
}
