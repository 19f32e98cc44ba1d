//! One room's call: what its participants share, and the task that keeps the channel.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bridge_kit::channel::{
    AskError, Audience, CloseReason, Person, PersonId, Refusal, RejectReason, SessionEvent, Side,
};
use bridge_kit::matrix::{OwnedRoomId, RoomId};
use bridge_kit::media::{Overload, RoomMedia};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::member::Member;
use super::{ChannelState, Ended};
use crate::instruments;
use crate::notice::Notice;
use crate::ports::{Channel, Channels, Homeserver};
use crate::speaking::Speakers;

/// How often, and how long apart, a room whose last channel is still being closed is asked for again.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(250);
/// When it makes sense to call again after this bridge was overloaded.
const OVERLOAD_WAIT: Duration = Duration::from_secs(10);

/// What the participants of one call share. The last one's drop ends the call.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) media: RoomMedia,
    state: watch::Receiver<ChannelState>,
    members: Arc<Mutex<Members>>,
    speakers: watch::Receiver<Speakers>,
    _deserted: DropGuard,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    present: BTreeMap<u64, Member>,
    /// Who is on the other side.
    there: HashSet<PersonId>,
    /// Whether anybody of the present hears the other side.
    audience: watch::Sender<Audience>,
}

/// The task of one call.
pub(super) struct CoreTask {
    room: OwnedRoomId,
    media: RoomMedia,
    turn: Arc<tokio::sync::Mutex<()>>,
    tells: Tells,
    state: watch::Sender<ChannelState>,
    members: Arc<Mutex<Members>>,
    speakers: watch::Sender<Speakers>,
    deserted: CancellationToken,
    _counted: Counted,
}

/// Who is told of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// The people of the room.
    Room,
    /// They know already.
    Nobody,
}

/// Counts the call for as long as its task exists.
struct Counted;

impl Core {
    /// A call without participants yet, and the task that must run for it.
    pub(super) fn new(
        room: OwnedRoomId,
        media: RoomMedia,
        turn: Arc<tokio::sync::Mutex<()>>,
        tells: Tells,
    ) -> (Arc<Self>, CoreTask) {
        let (sender, state) = watch::channel(ChannelState::Asking);
        let (announcer, speakers) = watch::channel(Speakers::default());
        let deserted = CancellationToken::new();
        let members = Arc::<Mutex<Members>>::default();
        let core = Self {
            media: media.clone(),
            state,
            members: Arc::clone(&members),
            speakers,
            _deserted: deserted.clone().drop_guard(),
        };
        let task = CoreTask {
            room,
            media,
            turn,
            tells,
            state: sender,
            members,
            speakers: announcer,
            deserted,
            _counted: Counted::new(),
        };
        (Arc::new(core), task)
    }

    pub(super) fn state(&self) -> watch::Receiver<ChannelState> {
        self.state.clone()
    }

    /// Who may speak on the other side, and what stands for him in packets.
    pub(super) fn speakers(&self) -> watch::Receiver<Speakers> {
        self.speakers.clone()
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(*self.state.borrow(), ChannelState::Ended(_))
    }

    pub(super) fn participants(&self) -> usize {
        self.members().present.len()
    }

    pub(super) fn enter(&self, mut member: Member) -> u64 {
        let mut members = self.members();
        member.meet(&members.there);
        members.next += 1;
        let id = members.next;
        members.present.insert(id, member);
        members.count_listeners();
        id
    }

    pub(super) fn update(&self, id: u64, change: impl FnOnce(&mut Member)) {
        let mut members = self.members();
        if let Some(member) = members.present.get_mut(&id) {
            change(member);
            members.count_listeners();
        }
    }

    pub(super) fn leave(&self, id: u64) {
        let mut members = self.members();
        members.present.remove(&id);
        members.count_listeners();
    }

    pub(super) fn status(&self, room: &RoomId) -> Value {
        let members = self.members();
        let participants: Vec<Value> = members.present.values().map(Member::status).collect();
        let (word, epoch) = match *self.state.borrow() {
            ChannelState::Asking => ("requested", None),
            ChannelState::Open { epoch } => ("open", Some(epoch)),
            ChannelState::Broken => ("broken", None),
            ChannelState::Ended(_) => ("closed", None),
        };
        json!({"room_id": room.as_str(), "channel": word, "epoch": epoch, "participants": participants})
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

impl CoreTask {
    /// Keeps the channel until everybody has left. While there is an `overload`, none is asked for.
    pub(super) async fn run(
        self,
        channels: Arc<dyn Channels>,
        homeserver: Arc<dyn Homeserver>,
        overload: Option<Overload>,
    ) {
        let turn = self.turn.lock().await;
        if let Some(overload) = overload {
            self.ended(Ended::Full);
            self.tell_refusal(homeserver.as_ref(), full(overload)).await;
        } else if let Some(channel) = self.ask(channels.as_ref()).await {
            self.keep(channel, homeserver.as_ref()).await;
        }
        // Whoever calls next need not wait until the last one here has noticed the end.
        drop(turn);
        self.deserted.cancelled().await;
    }

    /// Asks for the channel; a predecessor that is still being closed is waited for.
    async fn ask(&self, channels: &dyn Channels) -> Option<Box<dyn Channel>> {
        for _ in 0..BUSY_TRIES {
            if self.deserted.is_cancelled() {
                return None;
            }
            match channels.ask(&self.room, self.media.clone()) {
                Ok(channel) => return Some(channel),
                Err(AskError::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
                Err(AskError::Full) => return self.end(Ended::Full),
                Err(_) => return self.end(Ended::Failed),
            }
        }
        self.end(Ended::Failed)
    }

    async fn keep(&self, mut channel: Box<dyn Channel>, homeserver: &dyn Homeserver) {
        let mut audience = lock(&self.members).audience.subscribe();
        loop {
            channel.set_audience(*audience.borrow_and_update());
            let event = tokio::select! {
                event = channel.next() => event,
                // Its sender lives as long as this task.
                _ = audience.changed() => continue,
                () = self.media.failed() => return self.ended(Ended::Failed),
                // Dropping the channel closes it.
                () = self.deserted.cancelled() => return,
            };
            match event {
                Some(SessionEvent::Open { epoch, .. }) => {
                    // The ids of the last epoch are no more; who is there is told anew.
                    self.speakers.send_replace(Speakers::default());
                    self.set(ChannelState::Open { epoch });
                }
                Some(SessionEvent::Broken { .. }) => self.set(ChannelState::Broken),
                Some(SessionEvent::People(people)) => self.meet(people),
                Some(SessionEvent::Rejected(refusal)) => {
                    self.ended(ended_by(&refusal.reason));
                    return self.tell_refusal(homeserver, refusal).await;
                }
                Some(SessionEvent::Closed { reason, text, by }) => {
                    self.ended(Ended::Closed);
                    if by == Side::Peer && reason != CloseReason::CallEnded {
                        let code = reason.code().to_owned();
                        homeserver.notify(&self.room, Notice::Closed { text, code }).await;
                    }
                    return;
                }
                None => return self.ended(Ended::Closed),
            }
        }
    }

    fn meet(&self, people: Vec<Person>) {
        self.speakers.send_replace(Speakers::of(&people));
        let there = people.into_iter().map(|person| person.id);
        lock(&self.members).meet(there.collect());
    }

    async fn tell_refusal(&self, homeserver: &dyn Homeserver, refusal: Refusal) {
        if self.tells == Tells::Room {
            homeserver.notify(&self.room, refused(refusal)).await;
        }
    }

    fn set(&self, state: ChannelState) {
        self.state.send_replace(state);
    }

    fn ended(&self, why: Ended) {
        self.set(ChannelState::Ended(why));
    }

    fn end<T>(&self, why: Ended) -> Option<T> {
        self.ended(why);
        None
    }
}

impl Members {
    /// These are on the other side now.
    fn meet(&mut self, there: HashSet<PersonId>) {
        self.there = there;
        for member in self.present.values_mut() {
            member.meet(&self.there);
        }
        self.count_listeners();
    }

    /// Notes whether anybody hears the other side. Of an empty call nothing need be known: it is about to end.
    fn count_listeners(&self) {
        let listening = self.present.is_empty() || self.present.values().any(Member::hears_the_far_side);
        self.audience
            .send_if_modified(|audience| std::mem::replace(&mut audience.listening, listening) != listening);
    }
}

/// Nothing panics while the lock is held, so a poisoned one still guards sound data.
fn lock(members: &Mutex<Members>) -> MutexGuard<'_, Members> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ended_by(reason: &RejectReason) -> Ended {
    match reason {
        RejectReason::AtCapacity => Ended::Full,
        _ => Ended::Refused,
    }
}

/// B12: what this bridge says in place of the other one, before it asks.
fn full(overload: Overload) -> Refusal {
    let text = format!("the bridge cannot keep up with the calls that it has: {overload}");
    Refusal::new(RejectReason::AtCapacity, text).retry_after(OVERLOAD_WAIT)
}

fn refused(refusal: Refusal) -> Notice {
    Notice::Refused {
        code: refusal.reason.code().to_owned(),
        text: refusal.text,
        retry_after: refusal.retry_after,
    }
}

impl Counted {
    fn new() -> Self {
        instruments::CALLS.get().increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        instruments::CALLS.get().decrement(1.0);
    }
}
