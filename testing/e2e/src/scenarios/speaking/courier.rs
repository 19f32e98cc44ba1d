//! What a homeserver takes to bring an event to a device, while others are measured by such events.

use super::Lags;
use crate::stack::{Person, Stack};
use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two events; by then the device waits for the next.
const PAUSE: Duration = Duration::from_millis(300);

/// Somebody who sends events to his own device and waits for them, as clients do.
pub(super) struct Courier {
    person: Person,
    since: String,
    sent: u32,
    taken: Vec<f64>,
}

impl Courier {
    pub(super) async fn new(stack: &Stack) -> Result<Self> {
        let person = Person::register(&stack.synapse.url, "courier").await?;
        let answer = person.call(Method::GET, "sync?timeout=0", None).await?;
        Ok(Self {
            since: next_batch(&answer),
            person,
            sent: 0,
            taken: Vec::new(),
        })
    }

    /// Sends one event after the other; ends only where that cannot be done.
    pub(super) async fn run(&mut self) -> Result<()> {
        loop {
            self.sent += 1;
            let path = format!("sendToDevice/vdp.test/{}-{}", self.since, self.sent);
            let event = json!({ "messages": { self.person.user_id.as_str(): { "*": { "number": self.sent } } } });
            let sending = async {
                sleep(PAUSE).await;
                let started = Instant::now();
                self.person.call(Method::PUT, &path, Some(event)).await?;
                anyhow::Ok(started)
            };
            let arriving = async {
                let answer = arrival(&self.person, &self.since).await?;
                anyhow::Ok((next_batch(&answer), Instant::now()))
            };
            let (started, (since, arrived)) = tokio::try_join!(sending, arriving)?;
            self.since = since;
            self.taken.push(arrived.duration_since(started).as_secs_f64() * 1000.0);
        }
    }

    /// How long it took each time.
    pub(super) fn taken(self) -> Lags {
        Lags::new(self.taken)
    }
}

/// What the homeserver answers as soon as an event for the device is there.
async fn arrival(person: &Person, since: &str) -> Result<Value> {
    let mut since = since.to_owned();
    loop {
        let answer = person
            .call(Method::GET, &format!("sync?timeout=10000&since={since}"), None)
            .await?;
        let events = answer["to_device"]["events"].as_array();
        if events.is_some_and(|events| !events.is_empty()) {
            return Ok(answer);
        }
        since = next_batch(&answer);
    }
}

fn next_batch(answer: &Value) -> String {
    answer["next_batch"].as_str().unwrap_or_default().to_owned()
}
