//! Hands on what the peer says: in order, each event once.

use std::time::Duration;

use ruma::OwnedEventId;
use tokio::sync::mpsc;

use super::ignored;
use crate::channel::Incoming;
use crate::matrix::RoomEvent;
use crate::matrix::seen::Seen;

/// Events that may wait for the machines. What does not fit is dropped and counted; the machines repeat.
const QUEUE: usize = 256;

/// How many events are known again.
const REMEMBERED: usize = 1024;

/// How old an event may be to be read from the timeline after a start. What is older has timed out on both sides.
const FRESH: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Inbox {
    queue: mpsc::Sender<Incoming>,
    seen: Seen<OwnedEventId>,
    /// Events that came while the timeline was being read: they follow what stands there.
    meanwhile: Option<Vec<RoomEvent>>,
}

impl Inbox {
    pub(super) fn new() -> (Self, mpsc::Receiver<Incoming>) {
        let (queue, incoming) = mpsc::channel(QUEUE);
        (
            Self {
                queue,
                seen: Seen::new(REMEMBERED),
                meanwhile: None,
            },
            incoming,
        )
    }

    /// Takes an event of the peer.
    pub(super) fn take(&mut self, event: &RoomEvent) {
        match &mut self.meanwhile {
            Some(meanwhile) if meanwhile.len() < QUEUE => meanwhile.push(event.clone()),
            Some(_) => ignored("overflow"),
            None => self.hand_on(event),
        }
    }

    /// Holds back what comes until [`replay`](Self::replay).
    pub(super) fn hold(&mut self) {
        self.meanwhile.get_or_insert_default();
    }

    /// Hands on the fresh ones of the timeline's events, the oldest first, then what was held back.
    pub(super) fn replay(&mut self, timeline: impl Iterator<Item = RoomEvent>) {
        let meanwhile = self.meanwhile.take().unwrap_or_default();
        for event in timeline.filter(|event| event.age() <= FRESH).chain(meanwhile) {
            self.hand_on(&event);
        }
    }

    fn hand_on(&mut self, event: &RoomEvent) {
        if !self.seen.insert(event.event_id.clone()) {
            return;
        }
        let incoming = Incoming {
            kind: event.kind.clone(),
            content: event.content.clone(),
            age: event.age(),
        };
        if self.queue.try_send(incoming).is_err() {
            ignored("overflow");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(id: &str, age_ms: u64) -> RoomEvent {
        let event = json!({
            "room_id": "!control", "event_id": id, "sender": "@peer:hs", "type": "vdp.channel.request",
            "content": { "id": id }, "unsigned": { "age": age_ms },
        });
        RoomEvent::from_json(event, None).expect("an event")
    }

    fn drain(incoming: &mut mpsc::Receiver<Incoming>) -> Vec<String> {
        let mut ids = Vec::new();
        while let Ok(event) = incoming.try_recv() {
            ids.push(event.content["id"].as_str().expect("an id").to_owned());
        }
        ids
    }

    #[tokio::test]
    async fn the_timeline_comes_first_and_nothing_comes_twice() {
        let (mut inbox, mut incoming) = Inbox::new();
        inbox.hold();
        inbox.take(&event("$2", 0));
        inbox.take(&event("$3", 0));
        assert_eq!(drain(&mut incoming), Vec::<String>::new());
        let timeline = [event("$0", 61_000), event("$1", 59_000), event("$2", 10)];
        inbox.replay(timeline.into_iter());
        inbox.take(&event("$3", 0));
        inbox.take(&event("$4", 0));
        assert_eq!(drain(&mut incoming), ["$1", "$2", "$3", "$4"]);
    }

    #[tokio::test]
    async fn a_flood_is_bounded() {
        let (mut inbox, mut incoming) = Inbox::new();
        for i in 0..QUEUE + 10 {
            inbox.take(&event(&format!("${i}"), 0));
        }
        assert_eq!(drain(&mut incoming).len(), QUEUE);
    }
}
