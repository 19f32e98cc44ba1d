//! What waits to be sent into the control room.

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use signalling::{Event, TransactionId, names};
use tokio::time::Instant;

use super::metrics;
use super::port::ControlPort;

/// The most that waits while the homeserver is away; beyond it the oldest goes. The machines repeat themselves.
const MOST_WAITING: usize = 32;

/// How long what no machine repeats waits before it is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends one thing after the other, and keeps of each kind only the latest of what has to wait.
pub(super) struct Outbox {
    port: Arc<dyn ControlPort>,
    waiting: VecDeque<Letter>,
    /// What is on its way. It comes back where it did not get through and has to be tried again.
    sending: Option<BoxFuture<'static, Option<Letter>>>,
    /// What is on its way need not be tried again.
    recalled: bool,
    /// [`PAUSE`], but for tests.
    pause: Duration,
}

#[derive(Clone)]
struct Letter {
    subject: Subject,
    content: Value,
    /// When to send it, where it did not get through before.
    not_before: Option<Instant>,
}

/// A later letter with the same subject makes this one pointless.
#[derive(Clone, PartialEq, Eq)]
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
            recalled: false,
            pause: PAUSE,
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
            not_before: None,
        });
    }

    /// Puts the record of a room's channel in the queue.
    pub(super) fn record(&mut self, room_id: &str, content: Value) {
        self.put(Letter {
            subject: Subject::Record {
                room_id: room_id.to_owned(),
            },
            content,
            not_before: None,
        });
    }

    /// The channel is over: what stood only as long as it was open need not be known any more.
    pub(super) fn over(&mut self) {
        self.waiting.retain(|letter| !letter.subject.stands());
        self.recalled = self.sending.is_some();
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
            let letter = self.next_letter().await;
            self.sending = Some(Box::pin(deliver(Arc::clone(&self.port), letter)));
        }
        let undelivered = match &mut self.sending {
            Some(sending) => sending.await,
            None => None,
        };
        self.sending = None;
        let recalled = std::mem::take(&mut self.recalled);
        if let Some(letter) = undelivered.filter(|letter| !recalled && !self.holds(&letter.subject)) {
            self.put(Letter {
                not_before: Some(Instant::now() + self.pause),
                ..letter
            });
        }
    }

    /// The first that may be sent, as soon as one may.
    async fn next_letter(&mut self) -> Letter {
        loop {
            let now = Instant::now();
            let due = |letter: &Letter| letter.not_before.is_none_or(|at| at <= now);
            if let Some(place) = self.waiting.iter().position(due)
                && let Some(letter) = self.waiting.remove(place)
            {
                return letter;
            }
            match self.waiting.iter().filter_map(|letter| letter.not_before).min() {
                Some(at) => tokio::time::sleep_until(at).await,
                None => return pending().await,
            }
        }
    }

    fn holds(&self, subject: &Subject) -> bool {
        self.waiting.iter().any(|letter| letter.subject == *subject)
    }
}

impl Subject {
    /// Whether it says how things stand until it is said anew, so that nothing mends it if it gets lost.
    fn stands(&self) -> bool {
        matches!(self, Self::Event { kind, .. } if [names::PEOPLE, names::AUDIENCE].contains(kind))
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

async fn deliver(port: Arc<dyn ControlPort>, letter: Letter) -> Option<Letter> {
    let again = letter.subject.stands().then(|| letter.clone());
    let (kind, result) = match letter.subject {
        Subject::Event { kind, .. } => (kind, port.send(kind, letter.content).await),
        Subject::Record { room_id } => (
            names::CHANNEL,
            port.set_state(names::CHANNEL, room_id, letter.content).await,
        ),
    };
    metrics::sent(kind, result.is_err());
    let error = result.err()?;
    tracing::warn!(kind, %error, "an event did not get into the control room");
    again
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use signalling::{Audience, Body, Broken, BrokenReason, Channel, ChannelId, Close, CloseReason, Format, Header};

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

    fn audience(listening: bool) -> Event {
        let channel = Channel {
            id: ChannelId(7),
            epoch: 1,
        };
        let audience = Audience {
            listening,
            ..Audience::UNKNOWN
        };
        event("t1", Body::Audience(channel, audience))
    }

    fn failing() -> (Arc<Port>, Outbox) {
        let port = Arc::new(Port {
            fails: true,
            ..Port::default()
        });
        let mut outbox = Outbox::new(port.clone());
        outbox.pause = Duration::from_millis(50);
        (port, outbox)
    }

    #[tokio::test]
    async fn what_stands_until_it_is_said_anew_is_sent_until_it_gets_through() {
        let (port, mut outbox) = failing();
        let start = Instant::now();
        outbox.event(&audience(false));
        outbox.event(&close("t2"));
        for _ in 0..3 {
            outbox.send_one().await;
        }
        assert_eq!(port.kinds(), [names::AUDIENCE, names::CLOSE, names::AUDIENCE]);
        assert!(start.elapsed() >= outbox.pause, "not before it makes sense");
        // Said anew, it is said at once, and only once.
        outbox.event(&audience(true));
        let said = outbox.next_letter().now_or_never().expect("no pause");
        assert_eq!(said.content["listening"], true);
        deliver(port.clone(), said).await;
        assert_eq!(port.sent.lock().expect("a lock")[3].1["listening"], true);
        assert!(outbox.waiting.is_empty());
    }

    #[tokio::test]
    async fn of_a_channel_that_is_over_nothing_is_tried_again() {
        let (port, mut outbox) = failing();
        outbox.event(&audience(false));
        outbox.send_one().await;
        outbox.over();
        assert!(outbox.is_empty());
        outbox.event(&audience(true));
        // On its way when the channel ends.
        let letter = outbox.next_letter().await;
        outbox.sending = Some(Box::pin(deliver(outbox.port.clone(), letter)));
        outbox.over();
        outbox.send_one().await;
        assert!(outbox.is_empty());
        assert_eq!(port.kinds().len(), 2);
    }
}
