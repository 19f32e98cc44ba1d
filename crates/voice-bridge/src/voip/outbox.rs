//! The events of one call on their way to the room, one after the other.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bridge_kit::matrix::OwnedRoomId;
use futures_util::future::BoxFuture;

use super::event::CallEvent;
use crate::notice::Notice;
use crate::ports::{Homeserver, SendFailed};

/// Events that may wait. A call has a handful; only a peer that misbehaves makes more.
const CAPACITY: usize = 32;

/// Sends while its owner does other things.
pub(super) struct Outbox {
    room: OwnedRoomId,
    homeserver: Arc<dyn Homeserver>,
    waiting: VecDeque<Letter>,
    sending: Option<BoxFuture<'static, Result<(), SendFailed>>>,
}

enum Letter {
    Event(CallEvent),
    Notice(Notice),
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Outbox {
    pub(super) fn new(room: OwnedRoomId, homeserver: Arc<dyn Homeserver>) -> Self {
        Self {
            room,
            homeserver,
            waiting: VecDeque::new(),
            sending: None,
        }
    }

    /// Queues an event; an error if too many wait already.
    pub(super) fn send(&mut self, event: CallEvent) -> Result<(), SendFailed> {
        self.push(Letter::Event(event))
    }

    /// Queues a notice.
    pub(super) fn notify(&mut self, notice: Notice) -> Result<(), SendFailed> {
        self.push(Letter::Notice(notice))
    }

    fn push(&mut self, letter: Letter) -> Result<(), SendFailed> {
        if self.waiting.len() >= CAPACITY {
            return Err(SendFailed);
        }
        self.waiting.push_back(letter);
        Ok(())
    }

    /// Sends until an event cannot be sent; pending for ever when all is sent. Cancel-safe.
    pub(super) async fn failed(&mut self) -> SendFailed {
        loop {
            match self.next_sent().await {
                Some(Ok(())) => {}
                Some(Err(failed)) => return failed,
                None => std::future::pending().await,
            }
        }
    }

    /// Sends what is left, for at most `limit`.
    pub(super) async fn flush(&mut self, limit: Duration) {
        let all = async { while let Some(Ok(())) = self.next_sent().await {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::debug!("the last events of a call could not be sent in time");
        }
    }

    /// The outcome of the oldest letter; `None` if there is none.
    async fn next_sent(&mut self) -> Option<Result<(), SendFailed>> {
        if self.sending.is_none() {
            let letter = self.waiting.pop_front()?;
            self.sending = Some(self.post(letter));
        }
        let outcome = self.sending.as_mut()?.await;
        self.sending = None;
        Some(outcome)
    }

    fn post(&self, letter: Letter) -> BoxFuture<'static, Result<(), SendFailed>> {
        match letter {
            Letter::Event(event) => {
                let (kind, content) = event.to_json();
                self.homeserver.send(&self.room, kind, content)
            }
            Letter::Notice(notice) => {
                let posted = self.homeserver.notify(&self.room, notice);
                Box::pin(async move {
                    posted.await;
                    Ok(())
                })
            }
        }
    }
}
