//! The log of what went over gateway websockets.

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    clock::Clock,
    control::types::{GatewayMessage, GatewayMessages, Sender},
    journal::Journal,
    snowflake::Snowflake,
};

/// Messages that are kept.
const KEPT: usize = 10_000;
/// Messages that one answer of the control interface holds.
const ANSWERED: usize = 1_000;

/// Events and operations, in order.
#[derive(Debug)]
pub(crate) struct GatewayLog {
    clock: Clock,
    messages: Mutex<Journal<GatewayMessage>>,
}

impl GatewayLog {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self {
            clock,
            messages: Mutex::new(Journal::new(KEPT)),
        }
    }

    /// Notes an event.
    pub(super) fn event(&self, user: Snowflake, sequence: u64, name: &str, data: &Value) {
        self.push(Sender::Server, Some(user), 0, Some((name, sequence)), data);
    }

    /// Notes an operation of a client.
    pub(super) fn operation(&self, user: Option<Snowflake>, op: u64, data: &Value) {
        self.push(Sender::Client, user, op, None, data);
    }

    fn push(&self, sender: Sender, user: Option<Snowflake>, op: u64, event: Option<(&str, u64)>, data: &Value) {
        let at_ns = self.clock.now_ns();
        self.messages.lock().push(|index| GatewayMessage {
            index,
            at_ns,
            sender,
            user_id: user.map(|user| user.to_string()),
            op,
            name: event.map(|(name, _)| name.to_owned()),
            sequence: event.map(|(_, sequence)| sequence),
            data: data.clone(),
        });
    }

    /// Messages from number `since` on.
    pub(crate) fn since(&self, since: u64) -> GatewayMessages {
        let (messages, next) = self.messages.lock().since(since, ANSWERED);
        GatewayMessages { messages, next }
    }
}
