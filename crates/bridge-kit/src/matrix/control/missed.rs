//! What the peer has said while this bridge was away.

use std::collections::HashSet;

use ruma::{OwnedUserId, UserId};
use signalling::{Event, TransactionId};

use super::SIGNALLING;
use crate::matrix::RoomEvent;

/// The peer's signalling in a timeline, without what was said in transactions that either side has ended: a request that was
/// rejected a moment before a restart must not be taken up again after it.
pub(super) fn by_peer(timeline: Vec<RoomEvent>, own: &UserId, peer: &OwnedUserId) -> impl Iterator<Item = RoomEvent> {
    let over: HashSet<TransactionId> = timeline
        .iter()
        .filter(|event| event.sender == own || event.sender == *peer)
        .filter_map(read)
        .filter(Event::is_final)
        .map(|event| event.header.transaction_id)
        .collect();
    let peer = peer.clone();
    timeline.into_iter().filter(move |event| {
        let of_peer = event.sender == peer && event.state_key.is_none() && event.kind.starts_with(SIGNALLING);
        // The ending itself is said in any case: it closes the door for what came before it.
        of_peer && read(event).is_none_or(|said| said.is_final() || !over.contains(&said.header.transaction_id))
    })
}

/// Reads an event; none where it is none of ours, or cannot be read.
fn read(event: &RoomEvent) -> Option<Event> {
    Event::from_json(&event.kind, &event.content).ok().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use signalling::names;

    use super::*;

    const OWN: &str = "@other:hs";
    const PEER: &str = "@voice:hs";

    fn event(id: &str, sender: &str, kind: &str, transaction: &str, more: Value) -> RoomEvent {
        let mut content = json!({
            "version": 1, "format": "plain-opus", "room_id": "!room:hs", "transaction_id": transaction,
        });
        if let (Some(content), Value::Object(more)) = (content.as_object_mut(), more) {
            content.extend(more);
        }
        let event = json!({
            "room_id": "!control", "event_id": id, "sender": sender, "type": kind, "content": content,
        });
        RoomEvent::from_json(event, None).expect("an event")
    }

    fn missed(timeline: Vec<RoomEvent>) -> Vec<String> {
        let (own, peer) = (
            <&UserId>::try_from(OWN).expect("an id"),
            PEER.try_into().expect("an id"),
        );
        by_peer(timeline, own, &peer)
            .map(|event| event.event_id.to_string())
            .collect()
    }

    #[test]
    fn what_is_over_is_not_taken_up_again() {
        let request = |id, transaction| event(id, PEER, names::REQUEST, transaction, json!({}));
        let reason = || json!({ "reason": "not_bridged" });
        let ended = json!({ "reason": "call_ended" });
        let timeline = vec![
            request("$rejected", "t1"),
            event("$reject", OWN, names::REJECT, "t1", reason()),
            request("$closed", "t2"),
            event("$close", PEER, names::CLOSE, "t2", ended),
            request("$open", "t3"),
            event("$forged", "@mallory:hs", names::REJECT, "t3", reason()),
            event("$stranger", "@mallory:hs", names::REQUEST, "t4", json!({})),
            event("$unreadable", PEER, names::REQUEST, "", json!({})),
        ];
        assert_eq!(missed(timeline), ["$close", "$open", "$unreadable"]);
    }
}
