//! The answering side's voice channel: entered when a channel is asked for, left when it is over.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use ruma::OwnedRoomId;
use signalling::{Audience, Ending, Input, Notice, Person, Refusal, RejectReason};

use super::handler::{AnswerHandler, Entered};
use super::registry::Place;
use super::room::{Program, lost};
use crate::media::RoomMedia;
use crate::supervise::{self, Task, TaskEnd};

/// A room's voice channel, as the handler gives it. What the handler does for one room never overlaps.
pub(super) struct Voice<H: AnswerHandler> {
    handler: Arc<H>,
    room_id: OwnedRoomId,
    stage: Stage,
    _place: Place,
}

enum Stage {
    Out,
    Entering {
        task: Task<Result<Entered, Refusal>>,
        /// How the channel ended that it was entered for, if it did.
        over: Option<Ending>,
    },
    In(Entered),
    Leaving {
        task: Task<()>,
        /// Whether it is wanted again.
        wanted: bool,
    },
}

impl<H: AnswerHandler> Voice<H> {
    pub(super) const fn new(handler: Arc<H>, room_id: OwnedRoomId, place: Place) -> Self {
        Self {
            handler,
            room_id,
            stage: Stage::Out,
            _place: place,
        }
    }

    fn enter(&mut self) {
        let (handler, room_id) = (Arc::clone(&self.handler), self.room_id.clone());
        let task = supervise::spawn(
            "channel.enter",
            &self.room_id,
            async move { handler.open(&room_id).await },
        );
        self.stage = Stage::Entering { task, over: None };
    }

    fn leave(&mut self, ending: Option<Ending>) {
        self.stage = Stage::Leaving {
            wanted: ending.is_none(),
            task: self.leaving(ending),
        };
    }

    fn leaving(&self, ending: Option<Ending>) -> Task<()> {
        let (handler, room_id) = (Arc::clone(&self.handler), self.room_id.clone());
        supervise::spawn("channel.leave", &self.room_id, async move {
            handler.closed(&room_id, ending.as_ref()).await;
        })
    }

    /// The handler has decided; nothing comes of it where the channel is over meanwhile.
    fn entered(&mut self, result: Result<Result<Entered, Refusal>, TaskEnd>) -> Option<Input> {
        let over = match &mut self.stage {
            Stage::Entering { over, .. } => over.take(),
            _ => None,
        };
        self.stage = Stage::Out;
        match (result, over) {
            (Ok(Ok(channel)), None) => {
                self.stage = Stage::In(channel);
                Some(Input::Admitted)
            }
            (Ok(Ok(_channel)), Some(ending)) => {
                self.leave(Some(ending));
                None
            }
            (Ok(Err(refusal)), None) => Some(Input::Refused(refusal)),
            (Err(end), None) => Some(Input::Refused(Refusal::new(
                RejectReason::InternalError,
                end.to_string(),
            ))),
            (Ok(Err(_)) | Err(_), Some(_)) => None,
        }
    }

    fn left(&mut self) {
        let wanted = matches!(self.stage, Stage::Leaving { wanted: true, .. });
        self.stage = Stage::Out;
        if wanted {
            self.enter();
        }
    }
}

impl<H: AnswerHandler> Program for Voice<H> {
    fn media(&self) -> Option<&RoomMedia> {
        match &self.stage {
            Stage::In(channel) => Some(&channel.media),
            Stage::Out | Stage::Entering { .. } | Stage::Leaving { .. } => None,
        }
    }

    fn people(&mut self) -> Option<Vec<Person>> {
        match &mut self.stage {
            Stage::In(channel) => Some(channel.people.borrow_and_update().clone()),
            Stage::Out | Stage::Entering { .. } | Stage::Leaving { .. } => None,
        }
    }

    fn audience(&mut self) -> Audience {
        match &mut self.stage {
            Stage::In(channel) => *channel.audience.borrow_and_update(),
            Stage::Out | Stage::Entering { .. } | Stage::Leaving { .. } => Audience::UNKNOWN,
        }
    }

    fn admit(&mut self) {
        match &mut self.stage {
            // Whoever asks while the last decision is on its way gets that one.
            Stage::Entering { over, .. } => *over = None,
            Stage::Leaving { wanted, .. } => *wanted = true,
            Stage::Out => self.enter(),
            // It is lost.
            Stage::In(_) => self.leave(None),
        }
    }

    fn notify(&mut self, _: Notice) {}

    fn finish(&mut self, ending: Ending) {
        match &mut self.stage {
            Stage::Out => {}
            Stage::Entering { over, .. } => *over = Some(ending),
            Stage::In(_) => self.leave(Some(ending)),
            Stage::Leaving { wanted, .. } => *wanted = false,
        }
    }

    async fn next(&mut self) -> Option<Input> {
        match &mut self.stage {
            Stage::Out => pending().await,
            Stage::In(channel) => {
                let changed = tokio::select! {
                    changed = channel.people.changed() => changed,
                    changed = channel.audience.changed() => changed,
                };
                if changed.is_err() {
                    // Nobody tells any more who is there.
                    return pending().await;
                }
                None
            }
            Stage::Entering { task, .. } => {
                let result = task.finished().await;
                self.entered(result)
            }
            Stage::Leaving { task, .. } => {
                // A handler that panics is counted, and has left as far as it could.
                let _ = task.finished().await;
                self.left();
                None
            }
        }
    }

    fn is_at_rest(&self) -> bool {
        matches!(self.stage, Stage::Out)
    }
}

/// The room's task is gone, perhaps by a panic: the voice channel is left all the same.
impl<H: AnswerHandler> Drop for Voice<H> {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Out) {
            Stage::Out => {}
            Stage::In(_) => self.leaving(Some(lost())).detach(),
            Stage::Leaving { task, .. } => task.detach(),
            Stage::Entering { task, .. } => {
                let (handler, room_id) = (Arc::clone(&self.handler), self.room_id.clone());
                supervise::spawn("channel.leave", &self.room_id, async move {
                    if let Ok(Ok(_channel)) = task.join().await {
                        handler.closed(&room_id, Some(&lost())).await;
                    }
                })
                .detach();
            }
        }
    }
}

impl<H: AnswerHandler> fmt::Debug for Voice<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Out => "out",
            Stage::Entering { .. } => "entering",
            Stage::In(_) => "in",
            Stage::Leaving { .. } => "leaving",
        };
        f.debug_struct("Voice").field("stage", &stage).finish_non_exhaustive()
    }
}
