//! What a room says of its call at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bridge_kit::config::Pattern;
use bridge_kit::matrix::{MatrixClient, MatrixError, OwnedUserId, RoomEvent, RoomId, UserId};
use serde_json::Value;

use super::config::{MatrixRtc, Mode};
use super::event::{RoomFact, STICKY, place};
use super::machine::{Cast, Setup};

/// How long after the bridge's death the homeserver takes it out of its calls.
const LEAVE_AFTER: Duration = Duration::from_secs(10);
const RESTART_EVERY: Duration = Duration::from_secs(4);
/// How long a membership lasts: as a state event, what clients write and take for granted; no event sticks for longer
/// than an hour.
const STATE_EXPIRES: Duration = Duration::from_hours(4);
const STICKY_EXPIRES: Duration = Duration::from_hours(1);
const LINGER: Duration = Duration::from_secs(5);
/// Sticky memberships of a room that are read: those in a call send one each half an hour, at most.
const MOST_STICKY: u32 = 500;

/// A room's call as its state and its sticky events show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What matters to the call.
    pub facts: Vec<RoomFact>,
    /// The room's version, which decides what state keys may look like.
    pub room_version: String,
}

impl Snapshot {
    /// Reads a room. Sticky events are read from the timeline, in which they are events like others: appservices have no
    /// `/sync` (Synapse answers 500), and transactions bring each of them once, and none from before the bridge came.
    pub async fn read(client: &MatrixClient, room: &RoomId) -> Result<Self, MatrixError> {
        let mut events = client.room_state(room).await?;
        events.extend(client.recent_events(room, &[STICKY], MOST_STICKY).await?);
        Ok(Self::of(&events))
    }

    /// Makes a snapshot of a room's state and sticky events, the oldest first. Memberships of those who are not in the room
    /// any more do not count, nor do sticky ones that were replaced.
    pub fn of(events: &[RoomEvent]) -> Self {
        let present: BTreeSet<&str> = events.iter().filter_map(joined).collect();
        let counts = |event: &&RoomEvent| {
            let about_calls = matches!(RoomFact::from_event(event), Ok(Some(RoomFact::Member(_))));
            !about_calls || present.contains(event.sender.as_str())
        };
        let facts = events.iter().filter(counts);
        let version = events.iter().find_map(room_version);
        Self {
            facts: newest(facts.filter_map(|event| RoomFact::from_event(event).ok()?)),
            room_version: version.unwrap_or_default().to_owned(),
        }
    }

    /// Whether there is anything for a session to do: somebody is in the call, or was when the bridge died.
    pub fn has_members(&self) -> bool {
        let holds = |fact: &RoomFact| matches!(fact, RoomFact::Member(event) if !event.memberships.is_empty());
        self.facts.iter().any(holds)
    }

    /// How the bridge takes part in this room's call. `peer` is the other bridge's bot; `member_id` names this run.
    pub fn setup(&self, config: &MatrixRtc, user: &OwnedUserId, peer: &UserId, member_id: String) -> Setup {
        let device = config.device_id.clone();
        let mut bots = config.bots.clone();
        bots.extend(Pattern::parse(peer.as_str()));
        Setup {
            place: place(config.mode, user, &device, &member_id, &self.room_version),
            cast: Cast {
                user: user.clone(),
                device,
                bots,
            },
            member_id,
            leave_after: LEAVE_AFTER,
            restart_every: RESTART_EVERY,
            expires: match config.mode {
                Mode::Compatibility => STATE_EXPIRES,
                Mode::Matrix2 => STICKY_EXPIRES,
            },
            linger: LINGER,
        }
    }
}

/// Leaves out memberships that later ones have replaced.
fn newest(facts: impl Iterator<Item = RoomFact>) -> Vec<RoomFact> {
    let mut places = BTreeMap::new();
    let mut newest = Vec::new();
    for fact in facts {
        let known = match &fact {
            RoomFact::Member(event) => places.insert(event.place.clone(), newest.len()),
            _ => None,
        };
        if let Some(older) = known.and_then(|place: usize| newest.get_mut(place)) {
            *older = None;
        }
        newest.push(Some(fact));
    }
    newest.into_iter().flatten().collect()
}

fn joined(event: &RoomEvent) -> Option<&str> {
    let (user, membership) = event.membership()?;
    (membership == "join").then_some(user)
}

fn room_version(event: &RoomEvent) -> Option<&str> {
    if event.kind != "m.room.create" {
        return None;
    }
    event.content.get("room_version").and_then(Value::as_str)
}
