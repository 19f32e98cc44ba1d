//! What waits to be sent into the control room.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use signalling::{Event, TransactionId, names};

use super::metrics;
use super::port::ControlPort;

/// The most that waits while the homeserver is away; beyond it the oldest goes. The machines repeat themselves.
const MOST_WAITING: usize = 32;

/// Sends one thing after the other, and keeps of each kind only the latest of what has to wait.
pub(super) struct Outbox {
    port: Arc<dyn ControlPort>,
    waiting: VecDeque<Letter>,
    sending: Option<BoxFuture<'static, ()>>,
}

struct Letter {
    subject: Subject,
    content: Value,
}

/// A later letter with the same subject makes this one pointless.
#[derive(PartialEq, Eq)]
enum Subject {
    Event {
        kind: &'static str,
        transaction_id: TransactionId,
    },
    Record {
        room_id: String,
    },
}

impl Outbox {
    pub(super) fn new(port: Arc<dyn ControlPort>) -> Self {
        Self {
            port,
            waiting: VecDeque::new(),
            sending: None,
        }
    }

    /// Has nothing to send, and nothing on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sending.is_none()
    }

    /// Puts an event in the queue.
    pub(super) fn event(&mut self, event: &Event) {
        let transaction_id = event.header.transaction_id.clone();
        self.put(Letter {
            subject: Subject::Event {
                kind: event.kind(),
                transaction_id,
            },
            content: event.to_json(),
        });
    }

    /// Puts the record of a room's channel in the queue.
    pub(super) fn record(&mut self, room_id: &str, content: Value) {
        self.put(Letter {
            subject: Subject::Record {
                room_id: room_id.to_owned(),
            },
            content,
        });
    }

    fn put(&mut self, letter: Letter) {
        self.waiting.retain(|waiting| waiting.subject != letter.subject);
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(letter);
    }

    /// Sends until one thing more is sent; never returns while there is nothing to send. May be cancelled: what is
    /// on its way goes on with the next call.
    pub(super) async fn send_one(&mut self) {
        if self.sending.is_none() {
            let Some(letter) = self.waiting.pop_front() else {
                return pending().await;
            };
            self.sending = Some(Box::pin(deliver(Arc::clone(&self.port), letter)));
        }
        if let Some(sending) = &mut self.sending {
            sending.await;
        }
        self.sending = None;
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

async fn deliver(port: Arc<dyn ControlPort>, letter: Letter) {
    let (kind, result) = match letter.subject {
        Subject::Event { kind, .. } => (kind, port.send(kind, letter.content).await),
        Subject::Record { room_id } => (
            names::CHANNEL,
            port.set_state(names::CHANNEL, room_id, letter.content).await,
        ),
    };
    metrics::sent(kind, result.is_err());
    if let Err(error) = result {
        tracing::warn!(kind, %error, "an event did not get into the control room");
    }
}
