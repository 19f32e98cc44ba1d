//! The bridge joins, is in the call, or joins again while its media goes on.

use std::time::{Duration, Instant};

use bridge_kit::matrix::OwnedEventId;

use super::backoff::Failures;
use super::guard::Guard;
use super::leaving::{After, Leaving};
use super::vocabulary::{Action, Refusal, Timer, Trouble};
use super::waiting::{Cause, Waiting};
use super::{Actions, Setup, State};
use crate::matrixrtc::event::Own;
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::moment::Moment;

/// How long after a failed renewal the next is tried.
const RENEW_RETRY: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Engaged {
    pub(super) focus: Focus,
    /// Media was started, and goes on while the bridge joins again.
    pub(super) connected: bool,
    guard: Guard,
    stage: Stage,
    /// Joins that the homeserver has not answered; only the last answer says how things stand.
    unanswered: u32,
    /// The last event of ours that the room has shown, and may have lost again, with the membership's beginning.
    shown: Option<(OwnedEventId, u64)>,
    /// When the membership began, once the room has shown it.
    created_ms: Option<u64>,
    leave_at: Option<Instant>,
    failures: Failures,
}

#[derive(Debug)]
enum Stage {
    /// The delayed leave comes first.
    Guarding,
    /// The membership is on its way.
    Joining,
    /// It did not get there, and media goes on meanwhile.
    Resting { until: Instant },
    /// The homeserver has it.
    Present {
        /// The event.
        event_id: OwnedEventId,
        /// Whether the room has shown it. Only after that does an empty place say that the bridge is out.
        seen: bool,
        renew_at: Instant,
        /// A newer one is on its way.
        renewing: bool,
    },
}

impl Engaged {
    pub(super) fn new(focus: Focus, setup: &Setup, failures: Failures, actions: &mut Actions) -> Self {
        Self {
            focus,
            connected: false,
            guard: Guard::ask(setup.leave_after, actions),
            stage: Stage::Guarding,
            unanswered: 0,
            shown: None,
            created_ms: None,
            leave_at: None,
            failures,
        }
    }

    pub(super) fn on_scheduled(
        mut self,
        now: Moment,
        answer: Result<Option<String>, Refusal>,
        setup: &Setup,
        actions: &mut Actions,
    ) -> Self {
        self.guard = self.guard.on_scheduled(now.instant, answer, setup, actions);
        self.join_if_guarded(now, setup, actions);
        self
    }

    pub(super) fn on_restarted(
        mut self,
        now: Moment,
        id: &str,
        answer: Result<(), Refusal>,
        setup: &Setup,
        actions: &mut Actions,
    ) -> Self {
        self.guard = self.guard.on_restarted(now.instant, id, answer, setup, actions);
        self
    }

    pub(super) fn on_joined(
        mut self,
        now: Moment,
        answer: Result<OwnedEventId, Refusal>,
        is_out: bool,
        setup: &Setup,
        actions: &mut Actions,
    ) -> State {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.unanswered > 0 {
            return State::Engaged(self);
        }
        match answer {
            Ok(event_id) => {
                self.connected = true;
                self.failures = Failures::default();
                // The room may have been faster than the answer.
                let shown = self.shown.as_ref().filter(|(shown, _)| *shown == event_id);
                let seen = shown.is_some();
                self.created_ms = self.created_ms.or(shown.map(|(_, created_ms)| *created_ms));
                self.stage = Stage::Present {
                    event_id,
                    seen,
                    renew_at: now.instant + setup.expires / 2,
                    renewing: false,
                };
                // It has shown the end of it too.
                if seen && is_out {
                    self.rejoin(now, setup, actions);
                }
                State::Engaged(self)
            }
            Err(Refusal::Later) if self.connected => {
                self.rest(now);
                State::Engaged(self)
            }
            Err(refusal) => self.give_up(now, refusal, actions),
        }
    }

    /// The homeserver does not let the bridge in: the delayed leave is taken back, and another attempt made later.
    /// Where the bridge was in, or its join may have come through, it leaves first.
    fn give_up(mut self, now: Moment, refusal: Refusal, actions: &mut Actions) -> State {
        if self.connected || refusal == Refusal::Later {
            return self.leave(After::Idle, actions);
        }
        self.guard.cancel(actions);
        let (until, cause) = if refusal == Refusal::Forbidden {
            actions.push(Action::Notify(Trouble::MissingPower));
            (self.failures.late(now.instant), Cause::Power)
        } else {
            (self.failures.soon(now.instant), Cause::Passing)
        };
        State::Waiting(Waiting {
            until,
            cause,
            failures: self.failures,
        })
    }

    /// Tries again later what the homeserver could not take now.
    fn rest(&mut self, now: Moment) {
        match &mut self.stage {
            Stage::Present { renew_at, renewing, .. } => {
                *renew_at = now.instant + RENEW_RETRY;
                *renewing = false;
            }
            Stage::Joining => {
                let until = self.failures.soon(now.instant);
                self.stage = Stage::Resting { until };
            }
            // Another attempt comes anyway.
            Stage::Guarding | Stage::Resting { .. } => {}
        }
    }

    /// The room has shown an event in the bridge's place: the bridge's own membership with its beginning, or none.
    pub(super) fn on_own_place(
        mut self,
        now: Moment,
        own: Option<(&OwnedEventId, u64)>,
        setup: &Setup,
        actions: &mut Actions,
    ) -> Self {
        if let Some((shown, created_ms)) = own {
            self.shown = Some((shown.clone(), created_ms));
            if let Stage::Present { event_id, seen, .. } = &mut self.stage
                && event_id == shown
            {
                *seen = true;
                self.created_ms.get_or_insert(created_ms);
            }
            return self;
        }
        // An empty place that was shown before the membership is an older story.
        if matches!(self.stage, Stage::Present { seen: true, .. }) {
            self.rejoin(now, setup, actions);
        }
        self
    }

    /// The bridge is out of the call without having left: its delayed leave came due while the homeserver could not
    /// be reached, or somebody removed it.
    fn rejoin(&mut self, now: Moment, setup: &Setup, actions: &mut Actions) {
        self.created_ms = None;
        self.stage = Stage::Guarding;
        let guard = std::mem::replace(&mut self.guard, Guard::Absent);
        self.guard = match guard {
            Guard::Armed(_) => {
                guard.cancel(actions);
                Guard::ask(setup.leave_after, actions)
            }
            other => other,
        };
        self.join_if_guarded(now, setup, actions);
    }

    fn join_if_guarded(&mut self, now: Moment, setup: &Setup, actions: &mut Actions) {
        if matches!(self.stage, Stage::Guarding) && self.guard.is_settled() {
            self.stage = Stage::Joining;
            self.join(now, setup, actions);
        }
    }

    /// Sets or clears the time to leave.
    pub(super) fn on_callers(&mut self, now: Moment, callers: usize, setup: &Setup) {
        if callers > 0 {
            self.leave_at = None;
        } else {
            self.leave_at.get_or_insert(now.instant + setup.linger);
        }
    }

    pub(super) fn on_timeout(mut self, now: Moment, setup: &Setup, actions: &mut Actions) -> State {
        if self.leave_at.is_some_and(|at| at <= now.instant) {
            return self.leave(After::Idle, actions);
        }
        self.guard = self.guard.on_timeout(now.instant, actions);
        match &mut self.stage {
            Stage::Present { renew_at, renewing, .. } if *renew_at <= now.instant && !*renewing => {
                *renewing = true;
                self.join(now, setup, actions);
            }
            // The delayed leave may have come due meanwhile.
            Stage::Resting { until } if *until <= now.instant => self.rejoin(now, setup, actions),
            _ => {}
        }
        State::Engaged(self)
    }

    /// Ends it. A join that is on its way is followed by the leave; one that has not been sent needs none.
    pub(super) fn leave(self, after: After, actions: &mut Actions) -> State {
        match self.stage {
            Stage::Guarding if !self.connected => {
                self.guard.cancel(actions);
                after.state()
            }
            _ => State::Leaving(Leaving::start(self.guard.into_id(), after, actions)),
        }
    }

    pub(super) fn next(&self) -> Option<(Instant, Timer)> {
        let renew = match &self.stage {
            Stage::Present {
                renew_at,
                renewing: false,
                ..
            } => Some((*renew_at, Timer::Renew)),
            Stage::Resting { until } => Some((*until, Timer::Retry)),
            _ => None,
        };
        let leave = self.leave_at.map(|at| (at, Timer::Linger));
        let guard = self.guard.next().map(|at| (at, Timer::RestartLeave));
        [renew, leave, guard].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Sends the membership as it is now. What it lasts counts from its beginning, so a renewal lasts longer.
    fn join(&mut self, now: Moment, setup: &Setup, actions: &mut Actions) {
        self.unanswered += 1;
        let age = self.created_ms.map(|created| now.unix_ms.saturating_sub(created));
        actions.push(Action::Join(Own {
            user: setup.cast.user.clone(),
            device: setup.cast.device.clone(),
            member_id: setup.member_id.clone(),
            focus: self.focus.clone(),
            created_ms: self.created_ms,
            expires: setup.expires + Duration::from_millis(age.unwrap_or_default()),
        }));
    }
}
