//! What the machine of a room wants done by others: one thing after the other, beside the putting off of its leave.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bridge_kit::matrix::OwnedRoomId;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::event::{Place, Written, leave};
use super::machine::{Action, Input, Trouble};
use super::ports::{Desk, Foci};
use super::transport::Caller;
use crate::notice::Notice;
use crate::ports::Homeserver;

/// What every room's membership needs of the bridge.
#[derive(Clone)]
pub struct Surroundings {
    /// Where memberships are handed in.
    pub desk: Arc<dyn Desk>,
    /// Where SFUs are found.
    pub foci: Arc<dyn Foci>,
    /// Where people are told.
    pub homeserver: Arc<dyn Homeserver>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

/// Does things while its owner does others.
pub(super) struct Outbox {
    surroundings: Surroundings,
    room: OwnedRoomId,
    place: Place,
    caller: Caller,
    waiting: VecDeque<Action>,
    doing: Option<BoxFuture<'static, Option<Input>>>,
    /// A join may take longer than the delayed leave can wait.
    putting_off: FuturesUnordered<BoxFuture<'static, Input>>,
}

impl Outbox {
    pub(super) fn new(surroundings: Surroundings, place: Place, caller: Caller) -> Self {
        Self {
            surroundings,
            room: caller.room.clone(),
            place,
            caller,
            waiting: VecDeque::new(),
            doing: None,
            putting_off: FuturesUnordered::new(),
        }
    }

    /// Queues what somebody else has to do. The machine asks for a handful at most.
    pub(super) fn add(&mut self, action: Action) {
        if let Action::RestartLeave { id } = action {
            let answer = self.surroundings.desk.put_off(&id);
            self.putting_off.push(Box::pin(async move {
                let answer = answer.await;
                Input::LeaveRestarted { id, answer }
            }));
        } else {
            self.waiting.push_back(action);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.doing.is_none()
    }

    /// The next answer; pending for ever when nothing is to be done. Cancel-safe.
    pub(super) async fn answer(&mut self) -> Option<Input> {
        self.begin();
        tokio::select! {
            answer = do_next(&mut self.doing) => answer,
            Some(answer) = self.putting_off.next() => Some(answer),
        }
    }

    fn begin(&mut self) {
        if self.doing.is_none() {
            let next = self.waiting.pop_front();
            self.doing = next.map(|action| self.start(action));
        }
    }

    fn start(&self, action: Action) -> BoxFuture<'static, Option<Input>> {
        let desk = &self.surroundings.desk;
        match action {
            Action::FindFocus { offered } => {
                let found = self.surroundings.foci.find_focus(&self.caller, offered);
                Box::pin(async move { Some(Input::Focus(found.await)) })
            }
            Action::ScheduleLeave { delay } => {
                let taken = desk.put_later(&self.room, leave(&self.place), delay);
                Box::pin(async move { Some(Input::LeaveScheduled(taken.await)) })
            }
            Action::Join(own) => {
                let sent = desk.put(&self.room, own.to_event(&self.place, &self.room));
                Box::pin(async move { Some(Input::Joined(sent.await)) })
            }
            Action::Leave => {
                let sent = desk.put(&self.room, leave(&self.place));
                Box::pin(async move { Some(Input::Left(sent.await.map(drop))) })
            }
            Action::Sweep(place) => self.sweep(leave(&place)),
            Action::CancelLeave { id } => {
                let cancelled = desk.take_back(&id);
                Box::pin(async move {
                    // One that is gone already is as good as one that is taken back.
                    let _ = cancelled.await;
                    None
                })
            }
            Action::Notify(trouble) => {
                let told = self.surroundings.homeserver.notify(&self.room, notice(trouble));
                Box::pin(async move {
                    told.await;
                    None
                })
            }
            Action::RestartLeave { .. } | Action::Connect(_) | Action::Participants(_) => Box::pin(async { None }),
        }
    }

    fn sweep(&self, event: Written) -> BoxFuture<'static, Option<Input>> {
        let swept = self.surroundings.desk.put(&self.room, event);
        Box::pin(async move {
            if swept.await.is_err() {
                tracing::warn!("a membership of an earlier run could not be taken out of a call");
            }
            None
        })
    }
}

/// What is being done; pending for ever if that is nothing.
async fn do_next(doing: &mut Option<BoxFuture<'static, Option<Input>>>) -> Option<Input> {
    match doing {
        None => std::future::pending().await,
        Some(future) => {
            let answer = future.await;
            *doing = None;
            answer
        }
    }
}

fn notice(trouble: Trouble) -> Notice {
    match trouble {
        Trouble::MissingPower => Notice::MissingCallPower,
        Trouble::Encrypted => Notice::Encrypted,
        Trouble::NoFocus => Notice::NoSfu,
    }
}
