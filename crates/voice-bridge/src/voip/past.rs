//! What a stretch of a room's timeline says about its calls. The bridge keeps nothing of them itself: all that a
//! later run needs to go on with them is in the room.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use bridge_kit::matrix::{OwnedRoomId, OwnedUserId, RoomEvent, RoomId};

use super::event::{Body, CallEvent, Invite, Negotiate, SdpKind, Version};
use super::identity::Identity;
use super::machine::{Addressing, Inherited, Parties};
use super::recent::CallKey;

/// A call whose invite is older than this is not taken over: its caller will hardly be there any more.
const MAX_AGE: Duration = Duration::from_hours(24);

/// The calls of a stretch of a timeline.
#[derive(Debug, Default)]
pub(super) struct Past {
    calls: BTreeMap<RoomCall, PastCall>,
}

/// A room and the id of a call in it.
type RoomCall = (OwnedRoomId, String);

/// A call that an earlier run of the bridge had answered and that is not over.
#[derive(Debug)]
pub(super) struct Orphan {
    pub(super) room: OwnedRoomId,
    pub(super) call_id: String,
    /// What it takes to go on with it. `None`: too little of it is left.
    pub(super) inherited: Option<(CallKey, Inherited)>,
}

#[derive(Debug, Default)]
struct PastCall {
    placed: Option<Placed>,
    answered: bool,
    /// What this bridge described last, as the party that it still is.
    ours: Option<String>,
    chosen: bool,
    is_over: bool,
}

/// What is known of a call from its caller.
#[derive(Debug)]
struct Placed {
    caller: OwnedUserId,
    parties: Parties,
    age: Duration,
    muted: bool,
    theirs: String,
    unanswered: bool,
    /// The same device has placed another call since.
    superseded: bool,
}

impl Past {
    /// Reads a stretch of a timeline, the oldest event first.
    pub(super) fn read(identity: &Identity, events: &[RoomEvent]) -> Self {
        let mut past = Self::default();
        for event in events {
            if let Some((user, membership)) = event.membership() {
                if matches!(membership, "leave" | "ban") {
                    past.left(identity, &event.room_id, user);
                }
            } else if let Ok(Some(call)) = CallEvent::from_json(&event.kind, &event.content) {
                past.add(identity, event, call);
            }
        }
        past
    }

    /// Whether an event belongs to a call that nobody has ended and this bridge has not answered.
    pub(super) fn is_ringing(&self, event: &RoomEvent) -> bool {
        let Some(call_id) = event.content.get("call_id").and_then(serde_json::Value::as_str) else {
            return false;
        };
        let call = self.calls.get(&(event.room_id.clone(), call_id.to_owned()));
        call.is_some_and(|call| !call.is_over && !call.answered)
    }

    /// The calls that this bridge has answered and nobody has ended.
    pub(super) fn orphans(self) -> impl Iterator<Item = Orphan> {
        let running = self
            .calls
            .into_iter()
            .filter(|(_, call)| call.answered && !call.is_over);
        running.map(|((room, call_id), call)| Orphan {
            inherited: call.inherited(&room, &call_id),
            room,
            call_id,
        })
    }

    fn left(&mut self, identity: &Identity, room: &RoomId, user: &str) {
        let bot_left = user == identity.user_id.as_str();
        for ((of_room, _), call) in &mut self.calls {
            let caller_left = call.placed.as_ref().is_some_and(|placed| placed.caller == user);
            call.is_over |= of_room == room && (bot_left || caller_left);
        }
    }

    fn add(&mut self, identity: &Identity, event: &RoomEvent, call: CallEvent) {
        if event.sender == identity.peer {
            return;
        }
        let key = (event.room_id.clone(), call.call_id.clone());
        if event.sender == identity.user_id {
            return self.calls.entry(key).or_default().said_by_us(identity, call);
        }
        match call.body {
            Body::Invite(invite) => {
                let Some(addressing) = Addressing::of(invite.invitee.as_deref(), &identity.user_id) else {
                    return;
                };
                let parties = Parties {
                    call_id: call.call_id,
                    caller: event.sender.to_string(),
                    party_id: call.party_id,
                    version: call.version,
                    addressing,
                    own_party: identity.party_id.clone(),
                };
                self.place(key, Placed::new(event, parties, invite));
            }
            _ => self.calls.entry(key).or_default().said_by_others(event, call),
        }
    }

    fn place(&mut self, key: RoomCall, new: Placed) {
        for ((room, call_id), call) in &mut self.calls {
            if let Some(placed) = &mut call.placed {
                let same_device = placed.caller == new.caller && placed.parties.party_id == new.parties.party_id;
                placed.superseded |= *room == key.0 && *call_id != key.1 && same_device;
            }
        }
        self.calls.entry(key).or_default().placed.get_or_insert(new);
    }
}

impl PastCall {
    fn said_by_us(&mut self, identity: &Identity, call: CallEvent) {
        let ours = match call.body {
            Body::Answer { sdp, .. } => sdp,
            Body::Negotiate(Negotiate { kind, sdp, .. }) => {
                if let (SdpKind::Answer, Some(placed)) = (kind, &mut self.placed) {
                    placed.unanswered = false;
                }
                sdp
            }
            Body::Hangup { .. } | Body::Reject { .. } => {
                self.is_over = true;
                return;
            }
            _ => return,
        };
        self.answered = true;
        self.ours = (call.party_id.as_ref() == Some(&identity.party_id)).then_some(ours);
    }

    fn said_by_others(&mut self, event: &RoomEvent, call: CallEvent) {
        let is_caller = |placed: &Placed| {
            placed
                .parties
                .is_caller(event.sender.as_str(), call.party_id.as_deref())
        };
        let by_caller = self.placed.as_ref().is_none_or(is_caller);
        match call.body {
            // Clients end a call for everybody when anybody rejects it before it is answered.
            Body::Reject { .. } => self.is_over |= by_caller || !self.answered,
            _ if !by_caller => {}
            Body::Hangup { .. } => self.is_over = true,
            Body::SelectAnswer { selected } => {
                let own_party = self.placed.as_ref().map(|placed| &placed.parties.own_party);
                self.chosen = selected.as_ref() == own_party;
                self.is_over |= !self.chosen;
            }
            Body::Negotiate(negotiate) => self.described_by_caller(negotiate),
            Body::Metadata(metadata) => {
                if let Some(placed) = &mut self.placed {
                    placed.muted = metadata.usermedia_muted();
                }
            }
            Body::Invite(_) | Body::Answer { .. } | Body::Candidates(_) => {}
        }
    }

    fn described_by_caller(&mut self, negotiate: Negotiate) {
        let Some(placed) = &mut self.placed else {
            return;
        };
        placed.unanswered = negotiate.kind == SdpKind::Offer;
        placed.theirs = negotiate.sdp;
        if !negotiate.metadata.is_empty() {
            placed.muted = negotiate.metadata.usermedia_muted();
        }
    }

    fn inherited(self, room: &RoomId, call_id: &str) -> Option<(CallKey, Inherited)> {
        let placed = self.placed.filter(Placed::can_be_taken_over)?;
        if !self.chosen {
            return None;
        }
        let key = CallKey {
            room: room.to_owned(),
            caller: placed.caller,
            call_id: call_id.to_owned(),
        };
        let inherited = Inherited {
            parties: placed.parties,
            muted: placed.muted,
            theirs: placed.theirs,
            unanswered: placed.unanswered,
            ours: self.ours?,
        };
        Some((key, inherited))
    }
}

impl Placed {
    fn new(event: &RoomEvent, parties: Parties, invite: Invite) -> Self {
        Self {
            caller: event.sender.clone(),
            parties,
            age: event.age(),
            muted: invite.metadata.usermedia_muted(),
            theirs: invite.sdp,
            unanswered: false,
            superseded: false,
        }
    }

    /// Clients of version 0 cannot negotiate in the middle of a call.
    fn can_be_taken_over(&self) -> bool {
        !self.superseded && self.parties.version == Version::One && self.age < MAX_AGE
    }
}
