//! Which event belongs to which call, and which invites become calls.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bridge_kit::matrix::{EventId, OwnedEventId, OwnedRoomId, RoomEvent, RoomId};
use bridge_kit::supervise::{self, Task, TaskEnd};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;

use super::event::{Body, CallEvent, HangupReason, Invite, Version};
use super::identity::Identity;
use super::machine::{Addressing, EndReason, Incoming, Inherited, Parties};
use super::metrics::{self, PassedOver};
use super::past::{Orphan, Past};
use super::recent::{CallKey, Early, Latest};
use super::task::{self, Delivery, Surroundings};
use crate::call::Calls;
use crate::ports::Homeserver;
use crate::webrtc::Port;

/// Calls by `m.call` events that one room may have: one for each participant that a call takes.
const MAX_CALLS_PER_ROOM: usize = 32;
/// Calls by `m.call` events in all rooms.
const MAX_CALLS: usize = 512;
/// Events that may wait for one call.
const QUEUE: usize = 64;
/// Calls that are remembered as over.
const MAX_OVER: usize = 512;
/// Events that are remembered as dealt with: those that the homeserver may still repeat.
const MAX_HANDLED: usize = 8192;

/// Gives each `m.call.*` event to its call, and starts calls.
pub struct Switchboard {
    identity: Identity,
    surroundings: Surroundings,
    live: HashMap<CallKey, Live>,
    /// A repeated invite does not bring these back.
    over: Latest<CallKey>,
    /// What a timeline showed comes again as it happened, and so does all that an earlier run did not acknowledge.
    handled: Latest<OwnedEventId>,
    early: Early,
    ends: FuturesUnordered<BoxFuture<'static, (CallKey, Result<(), TaskEnd>)>>,
}

struct Live {
    party_id: Option<String>,
    deliveries: mpsc::Sender<Delivery>,
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switchboard")
            .field("live", &self.live.len())
            .finish_non_exhaustive()
    }
}

impl Switchboard {
    /// Prepares for calls.
    pub fn new(identity: Identity, homeserver: Arc<dyn Homeserver>, calls: Calls, port: Arc<Port>) -> Self {
        Self {
            identity,
            surroundings: Surroundings {
                homeserver,
                calls,
                port,
            },
            live: HashMap::new(),
            over: Latest::new(MAX_OVER),
            handled: Latest::new(MAX_HANDLED),
            early: Early::default(),
            ends: FuturesUnordered::new(),
        }
    }

    /// How many calls ring or run.
    pub fn calls(&self) -> usize {
        self.live.len()
    }

    /// Takes a room's event; all but call events and members' leaving is passed over.
    pub fn handle(&mut self, event: &RoomEvent) {
        if let Some((user, membership)) = event.membership() {
            if matches!(membership, "leave" | "ban") {
                self.on_left(&event.room_id, user);
            }
        } else if event.state_key.is_none() && event.kind.starts_with("m.call.") {
            self.on_call_event(event);
        }
    }

    /// Takes a room's recent past, oldest first, at start or after the homeserver was away: invites that are still
    /// alive are answered, and calls that an earlier run of this bridge had answered are taken over. Those of which
    /// too little is left are hung up.
    pub fn catch_up(&mut self, events: &[RoomEvent]) {
        let past = Past::read(&self.identity, events);
        for event in events {
            if past.is_ringing(event) {
                self.handle(event);
            } else if !self.is_live(event) {
                self.handled.add(event.event_id.clone());
            }
        }
        for orphan in past.orphans() {
            self.adopt(orphan, events);
        }
    }

    /// Waits for calls to end and clears up behind them; never returns. Cancel-safe.
    pub async fn tidy(&mut self) {
        loop {
            match self.ends.next().await {
                Some((key, end)) => self.on_ended(key, &end),
                None => std::future::pending().await,
            }
        }
    }

    /// Hangs up every call, and waits for the goodbyes for at most `limit`.
    pub async fn stop(mut self, limit: Duration) {
        for live in self.live.values() {
            // A call with a full queue ends when the queue's sender is dropped with the switchboard.
            let _ = live.deliveries.try_send(Delivery::HangUp(EndReason::Stopping));
        }
        let all = async { while self.ends.next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!("some calls did not end in time");
        }
    }

    fn on_call_event(&mut self, event: &RoomEvent) {
        if event.sender == self.identity.user_id || event.sender == self.identity.peer {
            return metrics::passed_over(PassedOver::Own);
        }
        if !self.handled.add(event.event_id.clone()) {
            return metrics::passed_over(PassedOver::Duplicate);
        }
        match CallEvent::from_json(&event.kind, &event.content) {
            Ok(Some(call_event)) => {
                metrics::event();
                self.dispatch(event, call_event);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, kind = event.kind, "a call event cannot be read");
                metrics::passed_over(PassedOver::Unreadable);
            }
        }
    }

    fn dispatch(&mut self, room_event: &RoomEvent, event: CallEvent) {
        let key = CallKey {
            room: room_event.room_id.clone(),
            caller: room_event.sender.clone(),
            call_id: event.call_id.clone(),
        };
        let age = room_event.age();
        if let Body::Invite(invite) = event.body {
            let caller = Caller {
                party_id: event.party_id,
                version: event.version,
            };
            return self.on_invite(key, caller, invite, age);
        }
        let delivery = Delivery::Event {
            sender: room_event.sender.to_string(),
            age,
            event,
        };
        match self.live.get(&key) {
            Some(live) => live.deliver(delivery),
            None => self.on_early(key, &room_event.event_id, delivery),
        }
    }

    /// An event without a call: from somebody else than the caller, late, or before its invite.
    fn on_early(&mut self, key: CallKey, event_id: &EventId, delivery: Delivery) {
        if self.over.contains(&key) || self.has_call(&key.room, &key.call_id) {
            metrics::passed_over(PassedOver::NoCall);
        } else {
            self.early.add(Instant::now(), key, event_id.to_owned(), delivery);
        }
    }

    fn has_call(&self, room: &RoomId, call_id: &str) -> bool {
        self.live
            .keys()
            .any(|live| live.room == room && live.call_id == call_id)
    }

    fn is_live(&self, event: &RoomEvent) -> bool {
        let call_id = event.content.get("call_id").and_then(serde_json::Value::as_str);
        call_id.is_some_and(|call_id| self.has_call(&event.room_id, call_id))
    }

    fn on_invite(&mut self, key: CallKey, caller: Caller, invite: Invite, age: Duration) {
        let Some(addressing) = Addressing::of(invite.invitee.as_deref(), &self.identity.user_id) else {
            return metrics::passed_over(PassedOver::ForOthers);
        };
        if age >= invite.lifetime {
            return metrics::passed_over(PassedOver::Expired);
        }
        if self.live.contains_key(&key) || self.over.contains(&key) {
            return metrics::passed_over(PassedOver::Duplicate);
        }
        self.supersede(&key, &caller);
        if self.is_full(&key.room) {
            return metrics::passed_over(PassedOver::TooManyCalls);
        }
        let parties = Parties {
            call_id: key.call_id.clone(),
            caller: key.caller.to_string(),
            party_id: caller.party_id,
            version: caller.version,
            addressing,
            own_party: self.identity.party_id.clone(),
        };
        self.ring(key, Incoming { parties, invite, age });
    }

    /// A device that calls anew has lost its earlier call, by a page that was loaded again, say.
    fn supersede(&self, key: &CallKey, caller: &Caller) {
        for (other, live) in &self.live {
            let same_device = other.room == key.room && other.caller == key.caller && live.party_id == caller.party_id;
            if same_device {
                live.deliver(Delivery::HangUp(EndReason::Superseded));
            }
        }
    }

    fn is_full(&self, room: &RoomId) -> bool {
        let in_room = self.live.keys().filter(|key| key.room == room).count();
        self.live.len() >= MAX_CALLS || in_room >= MAX_CALLS_PER_ROOM
    }

    fn ring(&mut self, key: CallKey, incoming: Incoming) {
        let (live, receiver) = Live::new(incoming.parties.party_id.clone());
        for (_, delivery) in self.early.take(Instant::now(), &key) {
            live.deliver(delivery);
        }
        let call = task::run(self.surroundings.clone(), key.room.clone(), incoming, receiver);
        self.start(key, live, call);
    }

    /// Goes on with a call of an earlier run, or hangs it up where that cannot be. A call that this run has ended
    /// without being able to say so is hung up too.
    fn adopt(&mut self, orphan: Orphan, past: &[RoomEvent]) {
        if self.has_call(&orphan.room, &orphan.call_id) {
            return;
        }
        match orphan.inherited {
            Some((key, inherited)) if !self.over.contains(&key) && !self.is_full(&key.room) => {
                self.take_over(key, inherited, past);
            }
            _ => self.hang_up_abandoned(orphan.room, orphan.call_id),
        }
    }

    fn take_over(&mut self, key: CallKey, inherited: Inherited, past: &[RoomEvent]) {
        let (live, receiver) = Live::new(inherited.parties.party_id.clone());
        let known: HashSet<&EventId> = past.iter().map(|event| &*event.event_id).collect();
        for (event_id, delivery) in self.early.take(Instant::now(), &key) {
            if !known.contains(&*event_id) {
                live.deliver(delivery);
            }
        }
        let call = task::take_over(self.surroundings.clone(), key.room.clone(), inherited, receiver);
        self.start(key, live, call);
    }

    fn start(&mut self, key: CallKey, live: Live, call: impl Future<Output = ()> + Send + 'static) {
        let task = supervise::spawn("voip.call", &key.room, call);
        self.live.insert(key.clone(), live);
        self.ends.push(Box::pin(ended(key, task)));
    }

    fn on_left(&mut self, room: &RoomId, user: &str) {
        let bot_left = user == self.identity.user_id.as_str();
        for (key, live) in self.live.iter().filter(|(key, _)| key.room == room) {
            if bot_left {
                live.deliver(Delivery::HangUp(EndReason::Stopping));
            } else if key.caller.as_str() == user {
                live.deliver(Delivery::MemberLeft);
            }
        }
    }

    fn on_ended(&mut self, key: CallKey, end: &Result<(), TaskEnd>) {
        self.live.remove(&key);
        if let Err(TaskEnd::Panicked(_)) = end {
            self.hang_up_abandoned(key.room.clone(), key.call_id.clone());
        }
        self.over.add(key);
    }

    /// Says that a call is over that no task of ours can speak for any more.
    fn hang_up_abandoned(&self, room: OwnedRoomId, call_id: String) {
        let event = CallEvent {
            call_id,
            party_id: Some(self.identity.party_id.clone()),
            version: Version::One,
            body: Body::Hangup {
                reason: HangupReason::UnknownError,
            },
        };
        let (kind, content) = event.to_json();
        let sent = self.surroundings.homeserver.send(&room, kind, content);
        let goodbye = async move {
            if sent.await.is_err() {
                tracing::debug!("an abandoned call could not be hung up");
            }
        };
        // It ends by itself: the homeserver's patience bounds it.
        supervise::spawn("voip.goodbye", room, goodbye).detach();
    }
}

/// The calling end of an invite.
struct Caller {
    party_id: Option<String>,
    version: Version,
}

impl Live {
    fn new(party_id: Option<String>) -> (Self, mpsc::Receiver<Delivery>) {
        let (deliveries, receiver) = mpsc::channel(QUEUE);
        (Self { party_id, deliveries }, receiver)
    }

    fn deliver(&self, delivery: Delivery) {
        if self.deliveries.try_send(delivery).is_err() {
            metrics::passed_over(PassedOver::Full);
        }
    }
}

async fn ended(key: CallKey, task: Task<()>) -> (CallKey, Result<(), TaskEnd>) {
    let end = task.join().await;
    (key, end)
}
