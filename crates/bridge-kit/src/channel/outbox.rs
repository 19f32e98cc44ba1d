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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use signalling::{Body, Broken, BrokenReason, Channel, ChannelId, Close, CloseReason, Format, Header};

    use super::super::port::{PortError, StateEntry};
    use super::*;

    /// Takes everything, and fails now and then.
    #[derive(Default)]
    struct Port {
        sent: Mutex<Vec<(String, Value)>>,
        fails: bool,
    }

    impl Port {
        fn take(&self, kind: &str, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
            self.sent.lock().expect("a lock").push((kind.to_owned(), content));
            let result = if self.fails {
                Err(PortError::new("away"))
            } else {
                Ok(())
            };
            async { result }.boxed()
        }

        fn kinds(&self) -> Vec<String> {
            self.sent
                .lock()
                .expect("a lock")
                .iter()
                .map(|(kind, _)| kind.clone())
                .collect()
        }
    }

    impl ControlPort for Port {
        fn send(&self, kind: &'static str, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
            self.take(kind, content)
        }

        fn set_state(&self, kind: &'static str, key: String, content: Value) -> BoxFuture<'_, Result<(), PortError>> {
            assert_eq!(key, "!room:h");
            self.take(kind, content)
        }

        fn state(&self, _: &'static str) -> BoxFuture<'_, Result<Vec<StateEntry>, PortError>> {
            async { Ok(Vec::new()) }.boxed()
        }
    }

    fn event(name: &str, body: Body) -> Event {
        let header = Header {
            room_id: "!room:h".to_owned(),
            transaction_id: TransactionId::new(name).expect("an id"),
            format: Format::SealedOpusChaCha,
        };
        Event { header, body }
    }

    fn broken(name: &str, epoch: u32) -> Event {
        let channel = Channel {
            id: ChannelId(7),
            epoch,
        };
        event(
            name,
            Body::Broken(Broken {
                channel,
                reason: BrokenReason::Silent,
                text: String::new(),
            }),
        )
    }

    fn close(name: &str) -> Event {
        event(
            name,
            Body::Close(Close {
                channel: None,
                reason: CloseReason::CallEnded,
                text: String::new(),
            }),
        )
    }

    fn drain(outbox: &mut Outbox) {
        while outbox.send_one().now_or_never().is_some() {}
        assert!(outbox.is_empty());
    }

    #[test]
    fn of_what_waits_only_the_latest_of_a_kind_and_transaction_is_sent() {
        let port = Arc::new(Port::default());
        let mut outbox = Outbox::new(port.clone());
        outbox.event(&broken("t1", 1));
        outbox.record("!room:h", Value::Null);
        outbox.event(&close("t1"));
        outbox.event(&broken("t2", 2));
        outbox.event(&broken("t1", 3));
        outbox.record("!room:h", serde_json::json!({ "epoch": 4 }));
        drain(&mut outbox);
        assert_eq!(
            port.kinds(),
            [names::CLOSE, names::BROKEN, names::BROKEN, names::CHANNEL]
        );
        let sent = port.sent.lock().expect("a lock");
        let epochs: Vec<_> = sent
            .iter()
            .filter_map(|(_, content)| content["epoch"].as_u64())
            .collect();
        assert_eq!(epochs, [2, 3, 4]);
    }

    #[test]
    fn what_waits_has_a_limit() {
        let port = Arc::new(Port::default());
        let mut outbox = Outbox::new(port.clone());
        for number in 0..100 {
            outbox.event(&close(&format!("t{number}")));
        }
        drain(&mut outbox);
        let sent = port.sent.lock().expect("a lock");
        assert_eq!(sent.len(), MOST_WAITING);
        assert_eq!(
            sent.last().map(|(_, content)| content["transaction_id"].clone()),
            Some("t99".into())
        );
    }

    #[test]
    fn a_failure_does_not_hold_up_the_rest() {
        let port = Arc::new(Port {
            fails: true,
            ..Port::default()
        });
        let mut outbox = Outbox::new(port.clone());
        outbox.event(&close("t1"));
        outbox.event(&close("t2"));
        drain(&mut outbox);
        assert_eq!(port.kinds().len(), 2);
    }
}
